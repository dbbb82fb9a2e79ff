"""How a Tensor answers Python and NumPy: conversions, copies, printing and NumPy's functions.

Each of these works as in PyTorch or is refused in a sentence. None may lose a gradient silently.
``np.asarray(x)``, ``x.numpy()``, ``float(x)`` and ``x.item()`` ask explicitly for plain numbers, so
they accept any tensor. NumPy's other functions are of four kinds:

- Those that compute (``np.concatenate``, ``np.clip``, ``np.linalg.norm``) refuse a tensor that
  requires grad while gradients are recorded. Otherwise they see its array, read-only.
- Those that only look (``np.shape``, ``np.allclose``, ``np.save``) accept every tensor.
- Those that call ``np.asarray`` themselves (``np.full``, ``np.random``, ``np.transpose`` of a list
  of tensors) cannot be told from ``np.asarray``.
- Ufuncs (``np.exp``, ``np.add.reduce``, ``array += tensor``) refuse every tensor, because minigan
  has operations of its own for most of them. ``array + tensor`` and the other operators are
  minigan's.
"""

import operator

import numpy as np

from .. import devices
from ..engine import Tensor, inside
from ..grad_modes import recording

SCALARS = (int, float, np.number, np.bool_)


# ---- Python --------------------------------------------------------------------------------------


def described(x):
    """What repr shows: rounded values; shape, dtype and origin unless they are the usual ones."""
    shown = {"precision": 4, "threshold": 60, "edgeitems": 3, "separator": ", "}
    text = "tensor(" + np.array2string(x.numpy(), prefix="tensor(", **shown)
    if x.ndim:
        text += f", shape={x.shape}"
    if x.dtype != np.float32:
        text += f", dtype={x.dtype}"
    if x.requires_grad:
        text += ", requires_grad=True" if x.node.leaf else f", from {x.node.name}"
    return text + ")"


def checked_data(x, values):
    """The array with which ``x.data = values`` replaces the array of x."""
    array = values
    if isinstance(values, Tensor):
        array = values.array.copy("K")
    elif isinstance(values, np.generic):
        array = devices.xp.asarray(values)
    if not isinstance(array, (np.ndarray, devices.xp.ndarray)):
        kind = type(values).__name__
        raise TypeError(f"data is set to a {kind}, expected an array or a Tensor")
    if x.requires_grad and array.dtype.kind != "f":
        raise TypeError(
            f"data is set to {array.dtype}, but a tensor that requires grad holds "
            "floating-point numbers"
        )
    return array


def truth(x):
    """bool(x), of a tensor with one entry."""
    if x.array.size != 1:
        raise ValueError(
            f"the truth value of a tensor of shape {x.shape} is ambiguous, expected an array of "
            "size 1: use any() or all()"
        )
    return bool(x.item())


def as_index(x):
    """The tensor as an int, where Python needs a whole number: ``a_list[x]``, ``range(x)``."""
    if x.ndim or x.dtype.kind not in "iu":
        raise TypeError(
            f"only an integer tensor without axes can be an index, not {x.dtype} of shape {x.shape}"
        )
    return operator.index(x.item())


def length(x):
    """len(x): the length of the first axis."""
    if not x.ndim:
        raise TypeError("len() of an unsized tensor: it has no axes")
    return x.array.shape[0]


def entries(x):
    """iter(x): x[0], x[1], ..., each with its gradient."""
    if not x.ndim:
        raise TypeError("iteration over an unsized tensor, without axes and so without len()")
    return (x[i] for i in range(len(x)))


def contains(x, value):
    """value in x: is some entry equal to the value?"""
    if not isinstance(value, (Tensor, *SCALARS)):
        raise TypeError(
            f"`in` asks a tensor for a {type(value).__name__}, expected a number or a Tensor"
        )
    return bool((x == value).any())


def formatted(x, spec):
    """f"{x:.3f}" of a tensor with one entry; without a format, the same as repr."""
    if not spec:
        return repr(x)
    if x.array.size != 1:
        raise TypeError(
            f"the format {spec!r} is for one number, not for a tensor of shape {x.shape}"
        )
    return format(x.item(), spec)


def _check_leaf(x, what):
    if x.node is not None and x.node.leaf is None:
        raise RuntimeError(
            f"the output of {x.node.name} cannot be {what}, only leaves can; use detach()"
        )


def duplicate(x, memo=None):
    """copy.deepcopy of a leaf: the same values, class and requires_grad, without the gradient."""
    _check_leaf(x, "deep-copied")
    y = object.__new__(type(x))
    Tensor.__init__(y, x.array, x.requires_grad)
    y.array = x.array.copy("K")  # x may be on the CPU whatever the device is: see module.Count
    return y


def shallow(x):
    """copy.copy of a leaf: another leaf of the same class on the same memory."""
    _check_leaf(x, "copied")
    y = object.__new__(type(x))
    Tensor.__init__(y, x.array)
    y.array = x.array
    y._memory = x._memory
    y._recorded_changes = None
    y.requires_grad = x.requires_grad
    return y


def reduced(x, protocol=None):
    """What pickle stores of a leaf: its class, its values and requires_grad."""
    _check_leaf(x, "pickled")
    return rebuild, (type(x), x.numpy(), x.requires_grad)


def rebuild(kind, array, requires_grad):
    """The leaf that pickle makes from what ``reduced`` stored."""
    y = object.__new__(kind)
    Tensor.__init__(y, array, requires_grad)
    return y


# ---- NumPy ---------------------------------------------------------------------------------------

# Functions that only look at their arguments: their results have no gradient that could be lost.
LOOKING = {
    np.shape,
    np.ndim,
    np.size,
    np.result_type,
    np.can_cast,
    np.iscomplexobj,
    np.isrealobj,
    np.shares_memory,
    np.may_share_memory,
    np.allclose,
    np.isclose,
    np.array_equal,
    np.array_equiv,
    np.array2string,
    np.array_repr,
    np.array_str,
    np.zeros_like,
    np.ones_like,
    np.empty_like,
    np.full_like,
    np.save,
    np.savez,
    np.savez_compressed,
    np.savetxt,
}
# Functions that write into their first argument.
WRITING = {np.copyto, np.put, np.place, np.putmask, np.fill_diagonal, np.put_along_axis}


def as_array(x, dtype=None, copy=None):
    """np.asarray(x) and np.array(x): the memory itself, unless a copy is needed."""
    array = x.numpy()
    dtype = array.dtype if dtype is None else np.dtype(dtype)
    same = array.dtype == dtype and isinstance(x.array, np.ndarray)
    if copy is False and not same:
        raise ValueError(
            f"a tensor of {x.dtype} on device {devices.name} cannot be an array of {dtype} without "
            "a copy"
        )
    return array.astype(dtype, copy=bool(copy))


def array_function(x, function, types, args, kwargs):
    """What NumPy calls in the place of its own function if one of the arguments is a Tensor."""
    if not all(issubclass(kind, (Tensor, np.ndarray)) for kind in types):
        return NotImplemented
    name = f"{function.__module__}.{function.__name__}"
    target = args[0] if function in WRITING and args else kwargs.get("out")
    if list(inside(target)):
        raise TypeError(f"{name} would write into a Tensor, unnoticed by minigan: use copy_()")
    computes = function not in LOOKING and recording.get()
    if computes and any(t._requires_grad for t in inside((args, kwargs))):
        raise TypeError(
            f"{name} got a Tensor that requires grad, and would lose the gradient: use an "
            "operation of minigan, or say detach() or numpy()"
        )
    return function(*_as_arrays(args), **_as_arrays(kwargs))


def _as_arrays(things):
    """The same things, with read-only arrays in the place of Tensors."""
    if isinstance(things, Tensor):
        array = things.numpy().view()
        array.flags.writeable = False
        return array
    if type(things) in (list, tuple):
        return type(things)(_as_arrays(thing) for thing in things)
    if type(things) is dict:
        return {key: _as_arrays(thing) for key, thing in things.items()}
    return things
