"""Tensors and the world outside: making them from data, looking into them, changing them in place.

Nothing here is differentiable. The operations are in ops.py, which also binds the methods below to Tensor.
"""

import numpy as np

from . import devices
from .engine import Tensor, recording


def tensor(a, requires_grad=False, dtype=None):
    """A Tensor on a copy of ``a``: an array keeps its dtype (float64 stays), numbers and lists become float32."""
    if isinstance(a, Tensor):
        a = a.data
    if not hasattr(a, "dtype"):
        if np.asarray(a).dtype.kind not in "fiub":  # None and "3" would become numbers in silence
            raise TypeError(f"tensor() takes numbers and arrays of them, got {a!r:.60}")
        dtype = dtype or np.float32
    if hasattr(a, "__dlpack__") and not isinstance(a, (np.ndarray, np.generic, devices.xp.ndarray)):
        a = devices.xp.from_dlpack(a.detach() if hasattr(a, "detach") else a)
    array = devices.xp.array(a, dtype=dtype)
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    if array.dtype.kind not in "fiub" or array.dtype.itemsize > 8 or array.dtype == np.float16:
        raise TypeError(f"minigan computes in float32 and float64 (and integers as indices), not in {array.dtype}")
    return Tensor(array, requires_grad)


def zeros(*shape, dtype=np.float32, requires_grad=False):
    """Zeros of the given shape, ``zeros(2, 3)`` or ``zeros((2, 3))``."""
    return Tensor(devices.xp.zeros(flat(shape), dtype), requires_grad)


def ones(*shape, dtype=np.float32, requires_grad=False):
    """Ones of the given shape."""
    return Tensor(devices.xp.ones(flat(shape), dtype), requires_grad)


def flat(shape):
    """The shape meant by f(2, 3) or f((2, 3))."""
    return tuple(shape[0]) if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape


# ---- looking into them ---------------------------------------------------------------------------------------------

def numpy(x):
    """The values as a NumPy array: the tensor's own memory on the processor, a copy from the GPU."""
    return devices.to_numpy(x.data)


def as_array(x, dtype=None, copy=None):
    """NumPy's protocol: ``np.asarray(tensor)``."""
    array = numpy(x) if dtype is None else numpy(x).astype(dtype, copy=False)
    return array.copy() if copy else array


def item(x):
    """The value of a tensor with one element, as a Python number."""
    if x.data.size != 1:
        raise ValueError(f"item() needs a tensor with one element, this one has shape {x.shape}")
    return x.data.item()


def length(x):
    if x.ndim == 0:
        raise TypeError("a 0-d tensor has no length")
    return x.shape[0]


def describe(x):
    """What repr shows: rounded values, then shape, dtype and origin where they are not the obvious ones."""
    body = np.array2string(numpy(x), precision=4, threshold=60, edgeitems=3, separator=", ", prefix="tensor(")
    notes = f", shape={x.shape}" if x.ndim else ""
    notes += "" if x.dtype == np.float32 else f", dtype={x.dtype}"
    if x.requires_grad:
        notes += ", requires_grad=True" if x.node.leaf else f", from {x.node.name}"
    return f"tensor({body}{notes})"


def duplicate(x, memo=None):
    """copy.deepcopy of a leaf: the values, the class and requires_grad; the gradient and the graph stay behind."""
    if x.node is not None and x.node.leaf is None:
        raise RuntimeError(f"the output of {x.node.name} cannot be deep-copied, only leaves can; use detach()")
    y = object.__new__(type(x))
    Tensor.__init__(y, x.data.copy(), x.requires_grad)
    return y


# ---- changing them in place ----------------------------------------------------------------------------------------

def _writable(x):
    if x.requires_grad and recording.get():
        raise RuntimeError("a tensor that requires grad can only be changed in place inside no_grad()")
    x._version[0] += 1
    return x.data


def copy_(x, source):
    """Overwrite x with the values of source (same shape, or one that broadcasts to it); returns x."""
    values = devices.xp.asarray(source.data if isinstance(source, Tensor) else source)
    if values.ndim > x.ndim or any(n not in (1, m) for n, m in zip(values.shape[::-1], x.shape[::-1])):
        raise ValueError(f"copy_ cannot write shape {values.shape} into shape {x.shape}")
    _writable(x)[...] = values
    return x


def clamp_(x, min=None, max=None):
    """Limit x to [min, max] in place; returns x."""
    data = _writable(x)
    devices.xp.clip(data, min, max, out=data)
    return x


def detach(x):
    """The same memory outside the graph: no gradient flows through it."""
    y = Tensor(x.data)
    y._version = x._version
    return y


def requires_grad_(x, flag=True):
    """Set ``requires_grad`` and return x."""
    x.requires_grad = flag
    return x


METHODS = {
    "shape": property(lambda x: x.data.shape), "ndim": property(lambda x: x.data.ndim),
    "dtype": property(lambda x: x.data.dtype), "size": property(lambda x: x.data.size),
    "numpy": numpy, "__array__": as_array, "item": item, "__float__": lambda x: float(item(x)),
    "__bool__": lambda x: bool(item(x)), "__int__": lambda x: int(item(x)), "__len__": length,
    "__iter__": lambda x: (x[i] for i in range(length(x))), "__repr__": describe, "__deepcopy__": duplicate,
    "__format__": lambda x, spec: format(item(x), spec) if spec else repr(x),
    "__dlpack__": lambda x, **how: x.data.__dlpack__(**how), "__dlpack_device__": lambda x: x.data.__dlpack_device__(),
    "__array_ufunc__": None,  # NumPy leaves ``array * tensor`` to Tensor.__rmul__
    "copy_": copy_, "clamp_": clamp_, "detach": detach, "requires_grad_": requires_grad_,
}
