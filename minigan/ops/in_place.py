"""Changes in place: ``copy_``, ``clamp_``, ``x[index] = values``, and ``x += y`` and its siblings.

Every change in place is counted, so that the engine can refuse a backward pass that needs the old
values. There are two kinds of changes. While no gradient is recorded, in ``no_grad()`` or between
tensors that require none, only the values change: ``p -= lr * p.grad`` in ``no_grad()`` is a step
of gradient descent, and p stays a leaf. While gradients are recorded, ``x += y`` also changes the
history of x, which becomes the output of an addition. A leaf that requires grad is refused then,
because a leaf has no history.
"""

import numpy as np

from .. import devices
from ..engine import Tensor, inside, trace
from ..grad_modes import recording
from ..memory import check_history, memory_of
from .dtypes import astype
from .elementwise import add, check_bounds, div, mul, pow, sub
from .indexing import pick, replaced, select
from .logic import logical_and, logical_or, logical_xor
from .products import matmul


def check_writable(x):
    """Refuse to change x if several entries share one number in memory, or if it is read-only."""
    array = x.array
    axes = [(abs(stride), n) for stride, n in zip(array.strides, array.shape) if n > 1]
    reach = array.itemsize  # how many bytes the axes so far span, the shortest stride first
    for stride, n in sorted(axes):
        if stride < reach:
            raise RuntimeError(
                f"a tensor of shape {x.shape} was expanded, several of its entries are one number "
                "in memory: it cannot be changed in place, make a copy with minigan.tensor(x) first"
            )
        reach += (n - 1) * stride
    if isinstance(array, np.ndarray) and not array.flags.writeable:
        raise RuntimeError(
            f"the memory of a tensor of shape {x.shape} is read-only: it cannot be changed in "
            "place, make a copy with minigan.tensor(x) first"
        )


def _writable(x):
    """The array of x, about to be changed in place: the change is checked and counted."""
    if x.requires_grad and recording.get():
        raise RuntimeError(
            "a tensor that requires grad can only be changed in place inside no_grad()"
        )
    check_writable(x)
    x._memory.changes += 1
    return x.array


def _numbers_for(what, x, source):
    """The source of a change in place, as an array on the device of x."""
    if recording.get() and any(t._requires_grad for t in inside(source)):
        raise RuntimeError(
            f"{what} would lose the gradient of what it writes, which requires grad: write a "
            "detach() of it"
        )
    values = source.array if isinstance(source, Tensor) else source
    if isinstance(x.array, np.ndarray):
        values = devices.to_numpy(values)
    else:
        values = devices.xp.asarray(values)
    if values.dtype.kind not in "fiub":
        raise TypeError(f"{what} takes numbers, got {source!r}"[:200])
    return values


def in_place_of(x, operation, name):
    """Give x the values and the history of operation(x); returns x.

    The shape and the dtype of x must be those of the result: ValueError, TypeError otherwise.
    """
    check_writable(x)
    recorded = recording.get() and x._requires_grad
    old = snapshot(x) if recorded else x
    z = operation(old)
    _check_fit(x, z, name)
    return rewrite(x, astype(z, x.dtype), old)


def copy_(x, source):
    """Overwrite x with the values of source, whose shape is the same or broadcasts; returns x."""
    values = _numbers_for("copy_", x, source)
    fits = all(n in (1, m) for n, m in zip(values.shape[::-1], x.shape[::-1]))
    if values.ndim > x.ndim or not fits:
        raise ValueError(f"copy_ cannot write shape {values.shape} into shape {x.shape}")
    _writable(x)[...] = values
    return x


def clamp_(x, min=None, max=None):
    """Limit x to [min, max] in place; returns x."""
    check_bounds(min, max)
    devices.xp.clip(_writable(x), min, max, out=x.array)
    return x


def setitem(x, index, values):
    """x[index] = values, which broadcast to the shape of x[index].

    If x or the values require grad, x becomes the output of this operation: the values get the
    gradient of the entries that they fill, and the entries that they replace get none. A view of
    other entries of x is refused, because ``x[i], x[j] = x[j], x[i]`` would not swap: both would
    hold x[j].
    """
    chosen = select(x.shape, index)
    view = x.array[chosen.view]
    if chosen.arrays:
        pick(view, chosen.arrays)  # raises what reading would raise
    is_view = isinstance(values, Tensor) and memory_of(values) == memory_of(x)
    if is_view and _place(values.array) != _place(view):
        raise RuntimeError(
            "x[index] = values got a view of other entries of x itself: make a copy with "
            "minigan.tensor(values) first"
        )
    wants_gradient = x._requires_grad or getattr(values, "_requires_grad", False)
    if recording.get() and wants_gradient:
        _set_in_the_graph(x, chosen, values)
        return
    array = _numbers_for("x[index] = values", x, values)
    _writable(x)
    view[chosen.arrays or ...] = array


def _set_in_the_graph(x, chosen, values):
    """x[index] = values as an operation, whose output x becomes; chosen: the Selection."""
    check_writable(x)
    if not isinstance(values, Tensor):
        values = Tensor(_numbers_for("x[index] = values", x, values))
    recorded_changes = x._memory.recorded_changes
    is_own_view = memory_of(values) == memory_of(x) and values._recorded_changes == recorded_changes
    if is_own_view and x._recorded_changes == recorded_changes - 1:
        # ``x[i] += y`` has changed the view x[i], and now writes it to where it lies: the history
        # of x is right for all other entries.
        x._recorded_changes = recorded_changes
    old = snapshot(x)
    rewrite(x, replaced(old, chosen, astype(values, x.dtype)), old)


def delitem(x, index):
    """del x[index] is refused, because a tensor keeps its shape."""
    raise TypeError(
        f"del x[{index!r:.40}]: the entries of a tensor cannot be deleted, only left out by an "
        "index"
    )


def _place(array):
    """Which entries of its memory an array is a view of."""
    address = array.ctypes.data if isinstance(array, np.ndarray) else array.data.ptr
    return address, array.shape, array.strides


# ---- operators -----------------------------------------------------------------------------------

# Of the kinds of dtypes: a result of a higher rank does not fit into a tensor of a lower one.
RANK = {"b": 0, "u": 1, "i": 1, "f": 2}


def assignment(operation, symbol):
    """The operator that gives x the values and the history of operation(x, y).

    ``assignment(add, "+=")`` is ``x += y``. The operator raises ValueError if the result has
    another shape than x, TypeError if x cannot hold its kind of number (fractions in integers).
    """

    def change(x, y):
        check_writable(x)
        recorded = recording.get() and any(t._requires_grad for t in inside((x, y)))
        old = snapshot(x) if recorded else x
        z = operation(old, y)
        if z is NotImplemented:
            return z
        _check_fit(x, z, f"x {symbol} y")
        return rewrite(x, astype(z, x.dtype), old)

    change.__doc__ = f"x {symbol} y; returns x."
    return change


def _check_fit(x, z, what):
    """Raise an error unless x can hold the values of z."""
    if z.shape != x.shape:
        raise ValueError(
            f"{what}: the result has shape {z.shape}, which does not fit into x of shape {x.shape}"
        )
    if RANK[z.dtype.kind] > RANK[x.dtype.kind]:
        raise TypeError(f"{what}: the result is {z.dtype}, which does not fit into x of {x.dtype}")


iadd = assignment(add, "+=")
isub = assignment(sub, "-=")
imul = assignment(mul, "*=")
idiv = assignment(div, "/=")
ipow = assignment(pow, "**=")
imatmul = assignment(matmul, "@=")
iand = assignment(logical_and, "&=")
ior = assignment(logical_or, "|=")
ixor = assignment(logical_xor, "^=")


def snapshot(x):
    """A copy of x with its history: the input of the operation whose output x becomes."""
    check_history(x)
    old = Tensor(x.array.copy("K"))
    old.node = x.node
    old._requires_grad = x._requires_grad
    return old


def rewrite(x, z, old):
    """Give x the values of z in place, and z's history if there is one; returns x.

    ``x += y`` computes z = old + y, where old is a snapshot of x, and then calls this. Views of x
    see the new values, but their own histories do not explain them, so ``record`` refuses them from
    now on.
    """
    if z._requires_grad and _lies_in_a_leaf(x):
        raise RuntimeError(
            "a tensor that requires grad, and any view of it, can only be changed in place inside "
            "no_grad()"
        )
    operations = trace.get()
    if z._requires_grad and operations is not None:
        operations[:] = [_with_other_tensor(x, old, operation) for operation in operations]
    x.array[...] = z.array
    x._memory.changes += 1
    if z._requires_grad:
        x._memory.recorded_changes += 1
        x._recorded_changes = x._memory.recorded_changes
        x.node = z.node
        x._requires_grad = True
    return x


def _with_other_tensor(x, old, operation):
    """An Operation of a trace, with old in the place of x."""

    def other(t):
        return old if t is x else t

    edges = []
    for inputs, vjp in operation.edges:
        if type(inputs) is tuple:
            inputs = tuple(other(t) for t in inputs)
        else:
            inputs = other(inputs)
        edges.append((inputs, vjp))
    return operation._replace(output=other(operation.output), edges=tuple(edges))


def _lies_in_a_leaf(x):
    """Does x share memory with a leaf that requires grad, or is it one?"""
    for node in (x.node, x._memory.owner):
        if node is not None and node.leaf is not None:
            leaf = node.leaf()
            if leaf is not None and leaf._requires_grad:
                return True
    return False
