"""The names that PyTorch gives to a Tensor's methods, for people who bring code along.

minigan's own code needs few of them: it writes ``x * y`` and not ``x.mul(y)``. Each calls one
operation; see there for shapes, errors and conventions. Tensor inherits them from TensorMethods
(methods.py), of which TorchForms is the base.
"""

from . import devices
from .refused import refuse

ops = None  # later the package minigan.ops, which puts itself here


@refuse
class TorchForms:
    """PyTorch's method names that methods.py does not have."""

    __slots__ = ()

    # ---- arithmetic ------------------------------------------------------------------------------

    def add(self, other, *, alpha=1):
        """self + alpha * other"""
        return self + (other if alpha == 1 else other * alpha)

    def sub(self, other, *, alpha=1):
        """self - alpha * other"""
        return self - (other if alpha == 1 else other * alpha)

    def mul(self, other):
        """self * other"""
        return self * other

    def div(self, other):
        """self / other"""
        return self / other

    def neg(self):
        """-self"""
        return -self

    def pow(self, exponent):
        """self ** exponent"""
        return self**exponent

    def square(self):
        """self * self"""
        return ops.square(self)

    def reciprocal(self):
        """1 / self"""
        return 1 / self

    def rsqrt(self):
        """1 / sqrt(self)"""
        return ops.rsqrt(self)

    def eq(self, other):
        """self == other, entry by entry."""
        return self == other

    def ne(self, other):
        """self != other, entry by entry."""
        return self != other

    def gt(self, other):
        """self > other, entry by entry."""
        return self > other

    def ge(self, other):
        """self >= other, entry by entry."""
        return self >= other

    def lt(self, other):
        """self < other, entry by entry."""
        return self < other

    def le(self, other):
        """self <= other, entry by entry."""
        return self <= other

    def isnan(self):
        """Is each entry not a number?"""
        return ops.logic.isnan(self)

    def sin(self):
        """The sine of each entry, an angle in radians."""
        return ops.sin(self)

    def cos(self):
        """The cosine of each entry, an angle in radians."""
        return ops.cos(self)

    def erf(self):
        """The error function of each entry."""
        return ops.erf(self)

    def relu(self):
        """max(x, 0) of each entry x."""
        return ops.relu(self)

    def softmax(self, dim):
        """exp(x) / sum(exp(x)) along dim."""
        return ops.softmax(self, dim)

    def log_softmax(self, dim):
        """log(softmax(x)) along dim."""
        return ops.log_softmax(self, dim)

    def where(self, condition, other):
        """self where the condition is true, other elsewhere."""
        return ops.where(condition, self, other)

    def masked_fill(self, mask, value):
        """The value where the mask is true, self elsewhere."""
        return ops.where(mask, value, self)

    def matmul(self, other):
        """self @ other"""
        return ops.matmul(self, other)

    def mm(self, other):
        """The product of two matrices."""
        return ops.mm(self, other)

    def bmm(self, other):
        """The products of two batches of matrices."""
        return ops.bmm(self, other)

    def mv(self, other):
        """A matrix times a vector."""
        return ops.mv(self, other)

    def dot(self, other):
        """The inner product of two vectors."""
        return ops.dot(self, other)

    # ---- reductions ------------------------------------------------------------------------------

    def std(self, dim=None, unbiased=True, keepdim=False, *, correction=None):
        """The standard deviation along dim, or of all entries."""
        return ops.std(self, dim, unbiased=unbiased, correction=correction, keepdim=keepdim)

    def norm(self, p=2, dim=None, keepdim=False):
        """(sum of |x|^p)^(1/p) along dim, or of all entries."""
        return ops.norm(self, p, dim, keepdim)

    def amin(self, dim=None, keepdim=False):
        """The minimum along dim, or of all entries; equal minima share the gradient."""
        return ops.amin(self, dim, keepdim=keepdim)

    def max(self, dim=None, keepdim=False):
        """The largest entry; along an axis dim, (values, indices)."""
        return ops.max(self, dim, keepdim)

    def min(self, dim=None, keepdim=False):
        """The smallest entry; along an axis dim, (values, indices)."""
        return ops.min(self, dim, keepdim)

    def argmax(self, dim=None, keepdim=False):
        """The position of the largest entry along dim, or among all."""
        return ops.argmax(self, dim, keepdim)

    def argmin(self, dim=None, keepdim=False):
        """The position of the smallest entry along dim, or among all."""
        return ops.argmin(self, dim, keepdim)

    # ---- axes ------------------------------------------------------------------------------------

    def dim(self):
        """The number of axes."""
        return self.array.ndim

    def view(self, *shape):
        """The same entries in another shape; see ops/axes.py for what differs from PyTorch."""
        return ops.view(self, *shape)

    def view_as(self, other):
        """The same entries in the shape of other."""
        return ops.view(self, *other.shape)

    def expand_as(self, other):
        """Broadcast to the shape of other."""
        return ops.expand_as(self, other)

    def squeeze(self, dim=None):
        """Without the axes of length 1, or only those of dim."""
        return ops.squeeze(self, dim)

    def unsqueeze(self, dim):
        """With a new axis of length 1 at dim."""
        return ops.unsqueeze(self, dim)

    def t(self):
        """The transpose of a matrix."""
        return ops.t(self)

    @property
    def T(self):
        """The transpose of a matrix."""
        return ops.t(self)

    @property
    def mT(self):
        """The last two axes exchanged."""
        return ops.transpose(self, -1, -2)

    def repeat(self, *repeats):
        """The tensor repeated along each axis; NumPy calls this tile."""
        return ops.repeat(self, *repeats)

    def flip(self, *dims):
        """A copy with the entries along dims in reverse order."""
        return ops.flip(self, *dims)

    def split(self, split_size, dim=0):
        """Pieces of this length along dim, or of the lengths in a list -> a tuple of views."""
        return ops.split(self, split_size, dim)

    def chunk(self, chunks, dim=0):
        """At most ``chunks`` pieces of one length along dim -> a tuple of views."""
        return ops.chunk(self, chunks, dim)

    def unbind(self, dim=0):
        """The entries along dim, without that axis -> a tuple of views."""
        return ops.unbind(self, dim)

    def gather(self, dim, index):
        """The entries at these positions along dim."""
        return ops.gather(self, dim, index)

    def clone(self):
        """A copy in memory of its own; gradients flow through it."""
        return ops.clone(self)

    def contiguous(self):
        """self: operations put the memory in order themselves where they need to."""
        return self

    # ---- the graph -------------------------------------------------------------------------------

    @property
    def is_leaf(self):
        """Is this a tensor that no recorded operation has computed?"""
        return self.node is None or self.node.leaf is not None

    # ---- dtypes and devices ----------------------------------------------------------------------

    @property
    def device(self):
        """The device that this process works on."""
        return devices.device(devices.name)

    @property
    def is_cuda(self):
        """Is the device cuda?"""
        return devices.name == "cuda"

    def to(self, *targets, dtype=None, device=None, copy=False, non_blocking=False):
        """self in another dtype; a device has to be the one at hand."""
        return ops.to(self, *targets, dtype=dtype, device=device, copy=copy)

    def cpu(self):
        """self: numpy() copies from a GPU when it has to."""
        return self

    def cuda(self, device=None, non_blocking=False):
        """self, on device cuda."""
        devices.check("cuda")
        return self

    def type_as(self, other):
        """self in the dtype of other."""
        return ops.astype(self, other.dtype)

    def type(self, dtype):
        """self in this dtype; torch.Tensor itself is a name of float32."""
        return ops.to(self, dtype="float32" if dtype is type(self) else dtype)

    def long(self):
        """The same numbers as int64; fractions are cut off."""
        return ops.to(self, dtype="int64")

    def int(self):
        """The same numbers as int32; fractions are cut off."""
        return ops.to(self, dtype="int32")

    def bool(self):
        """Truth values: is each entry other than 0?"""
        return ops.to(self, dtype="bool")

    def tolist(self):
        """The entries as nested lists of Python's numbers."""
        return self.numpy().tolist()

    # ---- new tensors in the same dtype -----------------------------------------------------------

    def new_zeros(self, *size, **options):
        """Zeros of this size in the dtype of self."""
        return ops.new_full(self, size, 0, **options)

    def new_ones(self, *size, **options):
        """Ones of this size in the dtype of self."""
        return ops.new_full(self, size, 1, **options)

    def new_empty(self, *size, **options):
        """As new_zeros: nothing is left without a value."""
        return ops.new_full(self, size, 0, **options)

    def new_full(self, size, fill_value, **options):
        """fill_value everywhere, in the dtype of self."""
        return ops.new_full(self, size, fill_value, **options)

    def new_tensor(self, data, **options):
        """A copy of the data in the dtype of self."""
        return ops.new_tensor(self, data, **options)

    def new(self, *data):
        """new(2, 3) has this shape, new([2.0, 3.0]) these numbers."""
        return ops.new(self, *data)

    def nelement(self):
        """The number of entries."""
        return self.array.size

    def roll(self, shifts, dims=None):
        """A copy with the entries moved by shifts along dims, round the ends."""
        return ops.roll(self, shifts, dims)

    # ---- changes in place ------------------------------------------------------------------------

    def random_(self, low, high=None):
        """Fill with random whole numbers from low to high - 1; returns self."""
        return ops.filling.random_(self, low, high)

    def scatter_(self, dim, index, src):
        """self[i, index[i, j], k] = src[i, j] for dim = 1; returns self."""
        return ops.scatter_(self, dim, index, src)

    def fill_(self, value):
        """Every entry becomes the value; returns self."""
        return ops.filling.fill_(self, value)

    def zero_(self):
        """Every entry becomes 0; returns self."""
        return ops.filling.fill_(self, 0)

    def normal_(self, mean=0.0, std=1.0):
        """Fill with normal random numbers; returns self."""
        return ops.filling.normal_(self, mean, std)

    def uniform_(self, low=0.0, high=1.0):
        """Fill with uniform random numbers in [low, high); returns self."""
        return ops.filling.uniform_(self, low, high)

    def add_(self, other, *, alpha=1):
        """self += alpha * other"""
        return ops.filling.add_(self, other, alpha=alpha)

    def sub_(self, other, *, alpha=1):
        """self -= alpha * other"""
        return ops.filling.sub_(self, other, alpha=alpha)

    def mul_(self, other):
        """self *= other"""
        return ops.filling.mul_(self, other)

    def div_(self, other):
        """self /= other"""
        return ops.filling.div_(self, other)

    def lerp_(self, end, weight):
        """self += weight * (end - self)"""
        return ops.filling.lerp_(self, end, weight)
