"""The operations of NumPy that a network needs, made differentiable: elementwise, reductions, shapes, matmul.

Read any of them: the value stands in the first argument of ``record``, and beside each input the VJP that maps the
gradient g of the output to the gradient of that input. VJPs call the operations of this file on Tensors, so they can
be differentiated in turn. A closure that reads only ``xs``, the shape of x, keeps no array alive; what may be constant
inside a VJP is piecewise constant: a mask, a sign, a shape. The table at the end binds all this to Tensor.
"""

import itertools
import math
import numbers
import operator

import numpy as np

from . import devices, summation, tensors, threads
from .engine import Tensor, bind, record, recording
from .indexing import getitem, put  # noqa: F401
from .tensors import raw

SCALARS = (numbers.Number, np.generic)


def _common(a, b):
    """PyTorch's dtype of a + b: floats beat integers, and these truth values; of a kind, arrays beat what is 0-d."""
    first, second = ((x.dtype.kind == "f", x.dtype.kind != "b", x.ndim > 0) for x in (a, b))
    return np.promote_types(a.dtype, b.dtype) if first == second else a.dtype if first > second else b.dtype


def _pair(x, y):
    """Tensors of one dtype, and their shapes: a scalar takes the tensor's; see _common for two tensors."""
    if not isinstance(x, Tensor):
        y, x, ys, xs = _pair(y, x)
        return x, y, xs, ys
    if isinstance(y, Tensor):
        pass
    elif isinstance(y, SCALARS):
        if isinstance(y, (complex, np.complexfloating)):
            raise TypeError(f"tensors hold real numbers, this one meets {y!r}")
        dtype = x.array.dtype
        if dtype.kind != "f" and isinstance(y, (float, np.floating)):
            dtype = np.dtype(np.float32)
        elif dtype.kind == "b" and not isinstance(y, (bool, np.bool_)):
            dtype = np.dtype(np.int64)
        if dtype.kind in "iu" and not np.iinfo(dtype).min <= y <= np.iinfo(dtype).max:
            raise OverflowError(f"{y} is out of bounds for a tensor of {dtype}")  # NumPy 1 would wrap
        y = Tensor(devices.xp.asarray(y, dtype))
    elif isinstance(y, (np.ndarray, devices.xp.ndarray)):
        y = Tensor(y.copy() if recording.get() else y)  # it may change
    else:
        y = from_elsewhere(y)
    if x.array.dtype != y.array.dtype:
        dtype = _common(x.array, y.array)
        x, y = astype(x, dtype), astype(y, dtype)
    return x, y, x.array.shape, y.array.shape


def from_elsewhere(y):
    """A list or an array of another library as a Tensor, unless that would lose a gradient."""
    if recording.get() and getattr(y, "requires_grad", False):
        raise TypeError(f"a {type(y).__module__}.{type(y).__name__} that requires grad meets a Tensor, and would lose "
                        "its gradient: detach() it")
    return tensors.tensor(y)


def _like(a, value):
    """The value in a's dtype: before NumPy 2, a float32 without axes and a number make a float64."""
    return value if value.dtype == a.dtype else value.astype(a.dtype)


# ---- elementwise ---------------------------------------------------------------------------------------------------

def add(x, y):
    x, y, xs, ys = _pair(x, y)
    return record(x.array + y.array, (x, lambda g: sum_to(g, xs)), (y, lambda g: sum_to(g, ys)))


def sub(x, y):
    x, y, xs, ys = _pair(x, y)
    return record(x.array - y.array, (x, lambda g: sum_to(g, xs)), (y, lambda g: sum_to(-g, ys)))


def mul(x, y):
    x, y, xs, ys = _pair(x, y)
    return record(x.array * y.array, (x, lambda g: sum_to(g * y, xs)), (y, lambda g: sum_to(g * x, ys)))


def div(x, y):
    x, y, xs, ys = _pair(x, y)
    x, y = floating(x), floating(y)
    return record(x.array / y.array, (x, lambda g: sum_to(g / y, xs)), (y, lambda g, q: sum_to(-g * q / y, ys)))


def pow(x, p):
    """x ** p for a number p; a Tensor p needs x >= 0 where p's gradient is asked for (d/dp = x^p log x, 0 at x = 0)."""
    if isinstance(p, SCALARS):
        p = p.item() if isinstance(p, np.generic) else p  # NumPy's own float64 would change a float32's dtype
        x = floating(x) if isinstance(p, float) else x
        return record(_like(x.array, x.array ** p), (x, lambda g: g * (p * x ** (p - 1)) if p else g * 0))
    x, p, xs, ps = _pair(x, p)
    zero = x.array == 0  # where p x^(p - 1) and x^p log x are 0, though a factor is infinite, the base is 1
    return record(x.array ** p.array, (x, lambda g: sum_to(g * p * (x + (zero & (p.array == 0))) ** (p - 1), xs)),
                  (p, lambda g, y: sum_to(g * y * log(x + (zero & (p.array >= 0))), ps)))


def neg(x):
    return record(-x.array, (x, lambda g: -g))


def exp(x):
    """e^x."""
    x = floating(x)
    return record(devices.xp.exp(x.array), (x, lambda g, y: g * y))


def log(x):
    """The natural logarithm of x > 0."""
    x = floating(x)
    return record(devices.xp.log(x.array), (x, lambda g: g / x))


def sqrt(x):
    """The square root of x >= 0; its derivative at 0 is infinite."""
    x = floating(x)
    return record(devices.xp.sqrt(x.array), (x, lambda g, y: g / (2 * y)))


def abs(x):
    """|x|; its derivative is the sign, 0 at 0."""
    return record(devices.xp.abs(raw(x)), (x, lambda g: g * devices.xp.sign(x.array)))


def tanh(x):
    """The hyperbolic tangent, between -1 and 1."""
    x = floating(x)
    return record(devices.xp.tanh(x.array), (x, lambda g, y: g * (1 - y * y)))


def sigmoid(x):
    """1 / (1 + exp(-x)), as exp(min(x, 0)) / (1 + exp(-|x|)): no exponential of a positive number, no overflow."""
    xp, x = devices.xp, floating(x)
    a = x.array
    y = xp.exp(xp.minimum(a, 0)) / (1 + xp.exp(-xp.abs(a)))
    return record(_like(a, y), (x, lambda g, y: g * (y * (1 - y))))


def softplus(x):
    """log(1 + exp(x)), as max(x, 0) + log1p(exp(-|x|))."""
    xp, x = devices.xp, floating(x)
    a = x.array
    y = xp.maximum(a, 0) + xp.log1p(xp.exp(-xp.abs(a)))
    return record(_like(a, y), (x, lambda g: g * sigmoid(x)))


def clamp(x, min=None, max=None):
    """x limited to [min, max] (numbers, either may be None); the gradient passes where min <= x <= max."""
    check_bounds(min, max)
    x = floating(x) if any(isinstance(bound, (float, np.floating)) for bound in (min, max)) else x
    low, high = -np.inf if min is None else min, np.inf if max is None else max
    bounds = (bound if bound is None else x.array.dtype.type(bound) for bound in (min, max))
    return record(devices.xp.clip(x.array, *bounds), (x, lambda g: g * ((x.array >= low) & (x.array <= high))))


def check_bounds(*bounds):
    """Refuse a Tensor as a bound of clamp, because its gradient would be lost."""
    if any(isinstance(bound, Tensor) for bound in bounds):
        raise TypeError("clamp got a Tensor as a bound, expected numbers: item() makes one")


def floating(x):
    """x itself, or as float32 if it holds integers or truth values."""
    return x if raw(x).dtype.kind == "f" else astype(x, np.float32)


def astype(x, dtype):
    """x in another dtype; the gradient comes back in x's own."""
    own = x.array.dtype
    return x if own == dtype else record(x.array.astype(dtype), (x, lambda g: astype(g, own)))


# ---- reductions ----------------------------------------------------------------------------------------------------

def _axes(dim, ndim):
    """The axes to reduce, as a sorted tuple of non-negative ints; None is all of them; a scalar's 0 and -1 are none."""
    if isinstance(dim, Tensor):
        dim = operator.index(dim)
    dims = range(ndim) if dim is None or dim == () else dim if isinstance(dim, (tuple, list)) else (dim,)
    n = ndim or 1
    if any(not -n <= d < n for d in dims) or len({d % n for d in dims}) != len(dims):
        raise IndexError(f"dim={dim} does not name different axes of a tensor with {ndim} of them")
    return tuple(sorted(d % n for d in dims)) if ndim else ()


def _count(x, dim):
    return math.prod(x.array.shape[i] for i in _axes(dim, x.array.ndim))


def _kept(shape, axes):
    return tuple(1 if i in axes else n for i, n in enumerate(shape))


def sum(x, dim=None, *, keepdim=False):
    """Sum over dim: an int, a tuple, or None for all."""
    a, axes = raw(x), _axes(dim, x.array.ndim)
    xs = a.shape
    kept = _kept(xs, axes)
    value = summation.total(a, axes, keepdims=keepdim)
    return record(value, (x, lambda g: expand(reshape(g, kept), xs)))


def sum_to(x, shape):
    """Sum x over the axes along which ``shape`` was broadcast: the adjoint of broadcasting."""
    if x.array.shape == shape:
        return x
    lead = x.ndim - len(shape)
    axes = tuple(range(lead)) + tuple(lead + i for i, n in enumerate(shape) if n == 1 != x.shape[lead + i])
    return reshape(sum(x, axes), shape)


def mean(x, dim=None, *, keepdim=False):
    """Arithmetic mean over dim."""
    return sum(x, dim, keepdim=keepdim) / _count_for_mean(x, dim)


def _count_for_mean(x, dim):
    n = _count(x, dim)
    if n == 0:
        raise ValueError(f"the mean over an empty batch does not exist: shape {x.shape}, dim={dim}")
    return n


def var(x, dim=None, *, unbiased=True, keepdim=False):
    """Variance over dim; divided by n - 1, or by n with unbiased=False."""
    if (n := _count(x, dim)) <= unbiased:
        raise ValueError(f"var over {n} value with unbiased={unbiased} does not exist: shape {x.shape}, dim={dim}")
    d = centred(x, dim)
    return sum(d * d, dim, keepdim=keepdim) / (n - unbiased)


def centred(x, dim=None):
    """x minus its mean over dim: a projection, so it is its own adjoint.

    The mean is rounded, and where it is large beside the spread of x, so is its rounding error.
    Therefore the mean of the difference, which should be 0, is subtracted as well.
    """
    x = floating(x)
    a, axes = x.array, _axes(dim, x.ndim)
    n = a.dtype.type(_count_for_mean(x, dim))
    d = a - summation.total(a, axes, keepdims=True) / n
    d -= summation.total(d, axes, keepdims=True) / n
    return record(d, (x, lambda g: centred(g, axes)))


def amax(x, dim=None, *, keepdim=False):
    """Largest value over dim; equal maxima share the gradient evenly, as in PyTorch's amax."""
    axes = _axes(dim, x.ndim)
    kept = _kept(raw(x).shape, axes)

    def vjp(g, y):
        ties = x.array == y.array.reshape(kept)
        return reshape(g, kept) * (ties / ties.sum(axes, keepdims=True)).astype(x.array.dtype)
    return record(x.array.max(axes, keepdims=keepdim), (x, vjp))


# ---- shapes --------------------------------------------------------------------------------------------------------

def reshape(x, *shape):
    xs, shape = raw(x).shape, tensors.flat(shape)
    if min(shape, default=0) < -1:
        raise ValueError(f"cannot reshape {xs} to {shape}: sizes are whole numbers, one of which may be -1, the rest")
    return record(x.array.reshape(shape), (x, lambda g: reshape(g, xs)))


def flatten(x, start_dim=0, end_dim=-1):
    """Merge the axes start_dim..end_dim into one; a scalar becomes a vector, as in PyTorch."""
    x = x if x.ndim else reshape(x, 1)
    (start,), (end,) = _axes(start_dim, x.ndim), _axes(end_dim, x.ndim)
    if start > end:
        raise ValueError(f"flatten: start_dim {start_dim} lies behind end_dim {end_dim}")
    return reshape(x, x.shape[:start] + (math.prod(x.shape[start:end + 1]),) + x.shape[end + 1:])


def permute(x, *dims):
    """Reorder the axes; PyTorch's permute."""
    dims = tensors.flat(dims)
    if len(_axes(dims, x.ndim)) != x.ndim:
        raise ValueError(f"permute got the axes {dims}, expected all {x.ndim} of a tensor of shape {x.shape}")
    inverse = np.argsort([d % x.ndim for d in dims]).tolist()
    return record(x.array.transpose(dims), (x, lambda g: permute(g, inverse)))


def transpose(x, dim0, dim1):
    """Swap two axes; PyTorch's transpose."""
    return record(x.array.swapaxes(dim0, dim1), (x, lambda g: transpose(g, dim0, dim1)))


def expand(x, *shape):
    """Broadcast to ``shape``, where -1 keeps an axis; a read-only view."""
    xs, shape = x.shape, tensors.flat(shape)
    lead = len(shape) - x.ndim
    shape = tuple(xs[i - lead] if n == -1 and i >= lead else n for i, n in enumerate(shape))
    return record(devices.xp.broadcast_to(x.array, shape), (x, lambda g: sum_to(g, xs)))


def cat(tensors, dim=0):
    """Join tensors of one dtype along an existing axis."""
    tensors = list(tensors)
    arrays = [raw(t) for t in tensors]
    if not arrays:
        raise ValueError("cat needs at least one tensor, got an empty list")
    if len(dtypes := {str(a.dtype) for a in arrays}) > 1:
        raise TypeError(f"cat needs tensors of one dtype, got {', '.join(sorted(dtypes))}")
    if not all(a.ndim for a in arrays):
        raise ValueError(f"cat joins along an axis, but shapes are {[a.shape for a in arrays]}: stack joins scalars")
    dim, = _axes(dim, arrays[0].ndim)

    def piece(end, n):
        index = (slice(None),) * dim + (slice(end - n, end),)
        return lambda g: getitem(g, index)
    lengths = [a.shape[dim] for a in arrays]
    return record(devices.xp.concatenate(arrays, dim),
                  *[(t, piece(end, n)) for t, end, n in zip(tensors, itertools.accumulate(lengths), lengths)])


def stack(tensors, dim=0):
    """Join tensors of one shape along a new axis."""
    tensors = list(tensors)
    dim, = _axes(dim, tensors[0].ndim + 1 if tensors else 1)
    return cat([reshape(t, t.shape[:dim] + (1,) + t.shape[dim:]) for t in tensors], dim)


# ---- products ------------------------------------------------------------------------------------------------------

def matmul(x, y):
    """Matrix product over the last two axes; leading axes broadcast; a vector is a row on the left, else a column."""
    if not (isinstance(x, Tensor) and isinstance(y, Tensor)):
        x, y, _, _ = _pair(x, y)
    xs, ys = x.array.shape, y.array.shape
    if x.array.dtype != y.array.dtype:
        raise TypeError(f"matmul needs one dtype, got {x.dtype} and {y.dtype}")
    if not xs or not ys or xs[-1] != ys[-2 if len(ys) > 1 else 0]:
        raise ValueError(f"matmul cannot multiply shapes {xs} and {ys}")
    if len(ys) == 1:
        return getitem(matmul(x, reshape(y, -1, 1)), (..., 0))
    if len(xs) == 1:
        return getitem(matmul(reshape(x, 1, -1), y), (..., 0, slice(None)))
    return record(threads.product(x.array, y.array), (x, lambda g: sum_to(matmul(g, transpose(y, -1, -2)), xs)),
                  (y, lambda g: sum_to(matmul(transpose(x, -1, -2), g), ys)))


# ---- the table -----------------------------------------------------------------------------------------------------

METHODS = {
    "__add__": add, "__radd__": add, "__sub__": sub, "__rsub__": lambda x, y: sub(y, x), "__neg__": neg,
    "__mul__": mul, "__rmul__": mul, "__truediv__": div, "__rtruediv__": lambda x, y: div(y, x), "__pow__": pow,
    "__rpow__": lambda x, y: pow(*_pair(y, x)[:2]), "__matmul__": matmul, "__rmatmul__": lambda x, y: matmul(y, x),
    "__getitem__": getitem, "__abs__": abs,
    "sum": sum, "mean": mean, "var": var, "amax": amax, "exp": exp, "log": log, "sqrt": sqrt, "abs": abs, "tanh": tanh,
    "sigmoid": sigmoid, "clamp": clamp, "reshape": reshape, "flatten": flatten, "transpose": transpose,
    "permute": permute, "expand": expand, "float": lambda x: astype(x, np.float32),
    "double": lambda x: astype(x, np.float64), **tensors.METHODS,
}
bind(METHODS)
