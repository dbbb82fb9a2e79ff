"""The methods and operators of a Tensor: each calls an operation of minigan.ops.

``x + y`` is ``ops.add(x, y)`` and ``x.sum()`` is ``ops.sum(x)``. The class Tensor (engine.py)
inherits them from TensorMethods. This file cannot import the operations, because they are written
with Tensors and so import the engine. Therefore ``ops`` is None at first, and the package
minigan.ops puts itself here when it is imported.
"""

from .torch_forms import TorchForms

ops = None  # later the package minigan.ops


class TensorMethods(TorchForms):
    """Everything that can be done to a Tensor, named as in PyTorch and NumPy.

    PyTorch's further names are inherited from TorchForms. In sums and the like, dim is an axis,
    several, or None for all. They vanish from the shape, or stay with length 1 if keepdim is true.
    """

    __slots__ = ()

    # ---- arithmetic, entry by entry; shapes broadcast --------------------------------------------

    def __add__(self, other):
        """self + other"""
        return ops.add(self, other)

    def __radd__(self, other):
        """other + self"""
        return ops.add(self, other)

    def __sub__(self, other):
        """self - other"""
        return ops.sub(self, other)

    def __rsub__(self, other):
        """other - self"""
        return ops.sub(other, self)

    def __mul__(self, other):
        """self * other"""
        return ops.mul(self, other)

    def __rmul__(self, other):
        """other * self"""
        return ops.mul(self, other)

    def __truediv__(self, other):
        """self / other"""
        return ops.div(self, other)

    def __rtruediv__(self, other):
        """other / self"""
        return ops.div(other, self)

    def __pow__(self, exponent):
        """self ** exponent"""
        return ops.pow(self, exponent)

    def __rpow__(self, base):
        """base ** self"""
        return ops.power_of(base, self)

    def __neg__(self):
        """-self"""
        return ops.neg(self)

    def __pos__(self):
        """+self, which is self."""
        return self

    def __abs__(self):
        """abs(self)"""
        return ops.abs(self)

    def __matmul__(self, other):
        """self @ other, the matrix product."""
        return ops.matmul(self, other)

    def __rmatmul__(self, other):
        """other @ self"""
        return ops.matmul(other, self)

    def exp(self):
        """e to the power of each entry."""
        return ops.exp(self)

    def log(self):
        """The natural logarithm of each entry."""
        return ops.log(self)

    def sqrt(self):
        """The square root of each entry."""
        return ops.sqrt(self)

    def abs(self):
        """The absolute value of each entry."""
        return ops.abs(self)

    def tanh(self):
        """The hyperbolic tangent of each entry."""
        return ops.tanh(self)

    def sigmoid(self):
        """1 / (1 + exp(-x)) of each entry x."""
        return ops.sigmoid(self)

    def clamp(self, min=None, max=None):
        """Each entry limited to [min, max]; None means no limit."""
        return ops.clamp(self, min, max)

    # ---- sums and shapes -------------------------------------------------------------------------

    def sum(self, dim=None, keepdim=False):
        """The sum along dim, or of all entries."""
        return ops.sum(self, dim, keepdim=keepdim)

    def mean(self, dim=None, keepdim=False):
        """The arithmetic mean along dim, or of all entries."""
        return ops.mean(self, dim, keepdim=keepdim)

    def var(self, dim=None, unbiased=True, keepdim=False, *, correction=None):
        """The variance of n entries: divided by n - 1, or by n with unbiased=False."""
        return ops.var(self, dim, unbiased=unbiased, correction=correction, keepdim=keepdim)

    def amax(self, dim=None, keepdim=False):
        """The maximum along dim, or of all entries; equal maxima share the gradient."""
        return ops.amax(self, dim, keepdim=keepdim)

    def reshape(self, *shape):
        """The same entries in another shape; a length of -1 is computed from the others."""
        return ops.reshape(self, *shape)

    def flatten(self, start_dim=0, end_dim=-1):
        """The axes from start_dim to end_dim, both included, merged into one."""
        return ops.flatten(self, start_dim, end_dim)

    def transpose(self, dim0, dim1):
        """Two axes exchanged."""
        return ops.transpose(self, dim0, dim1)

    def permute(self, *dims):
        """The axes in another order: axis i of the result is axis dims[i] of self."""
        return ops.permute(self, *dims)

    def expand(self, *shape):
        """Axes of length 1 repeated to the given lengths, without a copy; -1 keeps a length."""
        return ops.expand(self, *shape)

    def __getitem__(self, index):
        """self[index], with the axes of the result in PyTorch's order; see ops/indexing.py."""
        return ops.getitem(self, index)

    def requires_grad_(self, flag=True):
        """Set ``requires_grad`` and return self."""
        self.requires_grad = flag
        return self

    def float(self):
        """The same numbers as float32."""
        return ops.to_float32(self)

    def double(self):
        """The same numbers as float64."""
        return ops.to_float64(self)

    # ---- comparisons and truth values: nothing is recorded ---------------------------------------

    def __eq__(self, other):
        """self == other, entry by entry."""
        return ops.logic.equal(self, other)

    def __ne__(self, other):
        """self != other, entry by entry."""
        return ops.logic.not_equal(self, other)

    def __lt__(self, other):
        """self < other, entry by entry."""
        return ops.logic.less(self, other)

    def __le__(self, other):
        """self <= other, entry by entry."""
        return ops.logic.less_equal(self, other)

    def __gt__(self, other):
        """self > other, entry by entry."""
        return ops.logic.greater(self, other)

    def __ge__(self, other):
        """self >= other, entry by entry."""
        return ops.logic.greater_equal(self, other)

    __hash__ = object.__hash__  # by identity, because == compares entries

    def __and__(self, other):
        """self & other, of truth values or bit by bit of integers."""
        return ops.logic.logical_and(self, other)

    def __rand__(self, other):
        """other & self"""
        return ops.logic.logical_and(self, other)

    def __or__(self, other):
        """self | other, of truth values or bit by bit of integers."""
        return ops.logic.logical_or(self, other)

    def __ror__(self, other):
        """other | self"""
        return ops.logic.logical_or(self, other)

    def __xor__(self, other):
        """self ^ other, of truth values or bit by bit of integers."""
        return ops.logic.logical_xor(self, other)

    def __rxor__(self, other):
        """other ^ self"""
        return ops.logic.logical_xor(self, other)

    def __invert__(self):
        """~self, of truth values or bit by bit of integers."""
        return ops.logic.logical_not(self)

    def any(self, dim=None, *, keepdim=False):
        """Is any entry along dim, or any of all, other than 0?"""
        return ops.logic.any_true(self, dim, keepdim=keepdim)

    def all(self, dim=None, *, keepdim=False):
        """Are all entries along dim, or simply all, other than 0?"""
        return ops.logic.all_true(self, dim, keepdim=keepdim)

    # ---- changes in place ------------------------------------------------------------------------

    def copy_(self, source):
        """Overwrite self with the values of source, which broadcast; returns self."""
        return ops.in_place.copy_(self, source)

    def clamp_(self, min=None, max=None):
        """Limit self to [min, max] in place; returns self."""
        return ops.in_place.clamp_(self, min, max)

    def __setitem__(self, index, values):
        """self[index] = values; refused while self requires grad and gradients are recorded."""
        ops.in_place.setitem(self, index, values)

    def __delitem__(self, index):
        """del self[index] is refused, because a tensor keeps its shape."""
        ops.in_place.delitem(self, index)

    def __iadd__(self, other):
        """self += other"""
        return ops.in_place.iadd(self, other)

    def __isub__(self, other):
        """self -= other"""
        return ops.in_place.isub(self, other)

    def __imul__(self, other):
        """self *= other"""
        return ops.in_place.imul(self, other)

    def __itruediv__(self, other):
        """self /= other"""
        return ops.in_place.idiv(self, other)

    def __ipow__(self, other):
        """self **= other"""
        return ops.in_place.ipow(self, other)

    def __imatmul__(self, other):
        """self @= other"""
        return ops.in_place.imatmul(self, other)

    def __iand__(self, other):
        """self &= other"""
        return ops.in_place.iand(self, other)

    def __ior__(self, other):
        """self |= other"""
        return ops.in_place.ior(self, other)

    def __ixor__(self, other):
        """self ^= other"""
        return ops.in_place.ixor(self, other)

    # ---- for Python and NumPy: see ops/data_model.py ---------------------------------------------

    def __repr__(self):
        """Rounded values; shape, dtype and origin unless they are the usual ones."""
        return ops.data_model.described(self)

    def _checked_data(self, values):
        """The array with which ``self.data = values`` replaces this one."""
        return ops.data_model.checked_data(self, values)

    def __bool__(self):
        """The truth of a tensor with one entry."""
        return ops.data_model.truth(self)

    def __float__(self):
        """float(self), of a tensor with one entry."""
        return float(self.item())

    def __int__(self):
        """int(self), of a tensor with one entry."""
        return int(self.item())

    def __index__(self):
        """A whole number where Python needs one: ``a_list[x]``, ``range(x)``."""
        return ops.data_model.as_index(self)

    def __len__(self):
        """The length of the first axis."""
        return ops.data_model.length(self)

    def __iter__(self):
        """self[0], self[1], ..., each with its gradient."""
        return ops.data_model.entries(self)

    def __contains__(self, value):
        """Is some entry equal to the value?"""
        return ops.data_model.contains(self, value)

    def __format__(self, spec):
        """f"{x:.3f}" of a tensor with one entry."""
        return ops.data_model.formatted(self, spec)

    def __copy__(self):
        """copy.copy of a leaf: another leaf on the same memory."""
        return ops.data_model.shallow(self)

    def __deepcopy__(self, memo=None):
        """copy.deepcopy of a leaf, without its gradient."""
        return ops.data_model.duplicate(self, memo)

    def __reduce_ex__(self, protocol=None):
        """What pickle stores of a leaf."""
        return ops.data_model.reduced(self, protocol)

    def __array__(self, dtype=None, copy=None):
        """np.asarray(self), of any tensor."""
        return ops.data_model.as_array(self, dtype, copy)

    def __array_function__(self, function, types, args, kwargs):
        """What NumPy calls in the place of its own function; it may not lose a gradient."""
        return ops.data_model.array_function(self, function, types, args, kwargs)

    # NumPy and CuPy leave ``array * tensor`` to __rmul__, and refuse ``np.exp(tensor)``.
    __array_ufunc__ = None

    def __dlpack__(self, **how):
        """Lend the memory to another library."""
        return self.array.__dlpack__(**how)

    def __dlpack_device__(self):
        """The kind and the number of the device, in DLPack's numbers."""
        return self.array.__dlpack_device__()
