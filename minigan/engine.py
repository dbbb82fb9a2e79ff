"""Reverse-mode automatic differentiation: Tensor, Node, and the walk from an output back to its
inputs.

An operation computes its value and calls ``record(y, (x, vjp_x), (w, vjp_w))``. A VJP, the
vector-Jacobian product, maps g, the gradient of some scalar with respect to y, to its gradient
with respect to one input. The records form a graph of Nodes; ``grad`` visits it from the newest
node to the oldest and adds up what arrives at each. The one idea to keep in mind: VJPs are
themselves written with operations on Tensors, never on raw arrays, so the backward pass can be
recorded like any other computation and differentiated again, to any order.
"""

import itertools
import weakref
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np

from . import devices

recording = ContextVar("recording", default=True)  # does record() build the graph?
trace = ContextVar(
    "trace", default=None
)  # a list, while drawing.py collects (output, edges) of every operation
clock = itertools.count()


@contextmanager
def no_grad(*, record_anyway=False):
    """``with no_grad():`` or ``@no_grad()``: what is computed inside keeps no graph and requires
    no gradient.
    """
    before = recording.set(record_anyway)
    try:
        yield
    finally:
        recording.reset(before)


def bind(methods):
    """Make functions methods of Tensor: {name: function}."""
    for name, function in methods.items():
        setattr(Tensor, name, function)


class Node:
    """One recorded operation: for each edge the nodes of its inputs and the VJP. A leaf has no
    edges. Nodes point at Nodes, never at the Tensors that came out of them, so an activation that
    no VJP uses is freed at once. ``needed`` lists (version cell, version, shape) of all that the
    VJPs will read.
    """

    __slots__ = ("order", "name", "edges", "parents", "needed", "output", "leaf", "__weakref__")

    def __init__(self, name, edges=(), leaf=None):
        self.order = next(clock)  # inputs are older than outputs
        self.name, self.edges, self.leaf, self.needed, self.output = name, edges, leaf, [], None
        self.parents = [node for nodes, _, _ in edges for node in nodes if node is not None]

    def output_tensor(
        self,
    ):  # fresh, so nothing points at itself; attached, so it can be differentiated
        array, version = self.output
        y = Tensor(array)
        y._version = version
        y._rewrites = version[REWRITES]
        y.node = self
        y._requires_grad = True
        return y

    def check_unchanged(self):
        for version, expected, shape in self.needed:
            if version[0] != expected:
                raise RuntimeError(
                    f"the gradient of {self.name} needs a tensor of shape {shape} that was changed in "
                    f"place after its use (version {version[0]}, expected {expected}): change a copy"
                )


# What all Tensors on the same memory share is one list, their ``_version``:
VERSION = 0  # how often the memory was changed in place,
REWRITES = 1  # how many of these changes were recorded, so that the values have another history,
OWNER = 2  # the Node of the leaf that the memory belongs to, or None.


class Tensor:
    """An array that remembers how it was computed; ``minigan.tensor`` makes one from data.

    array is the NumPy or CuPy array, grad a Tensor or None, node the place in the graph.
    Operators and methods are bound by the tables in ops/: methods.py, logic.py, in_place.py and
    data_model.py. A Tensor is hashed by identity, though ``==`` compares the values: a dictionary
    may have Tensors as keys, but ``t in a_list`` and ``a_list.index(t)`` compare values.
    """

    __slots__ = ("array", "grad", "node", "_requires_grad", "_version", "_rewrites", "__weakref__")

    def __init__(self, data, requires_grad=False):
        self.array = data if isinstance(data, devices.xp.ndarray) else _as_array(data)
        self._version = [0, 0, None]
        self._rewrites = 0  # REWRITES when this Tensor got its history; None if it has none
        self.grad = self.node = None
        self._requires_grad = False
        if requires_grad:
            self.requires_grad = True

    @property
    def data(self):
        """A Tensor on the same memory, outside the graph, as detach() returns it.

        ``x.data = values``, an array or a Tensor, replaces the array and records nothing.
        """
        return self.detach()

    @data.setter
    def data(self, values):
        array = values
        if isinstance(values, Tensor):
            array = values.array.copy("K")
        elif isinstance(values, np.generic):
            array = devices.xp.asarray(values)
        if not isinstance(array, (np.ndarray, devices.xp.ndarray)):
            kind = type(values).__name__
            raise TypeError(f"data is set to a {kind}, expected an array or a Tensor")
        if self._requires_grad and array.dtype.kind != "f":
            raise TypeError(
                f"data is set to {array.dtype}, but a tensor that requires grad holds "
                "floating-point numbers"
            )
        self.array = array
        self._version[VERSION] += 1

    @property
    def requires_grad(self):
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, flag):
        if flag and self.array.dtype.kind != "f":
            raise TypeError(f"only floating-point tensors can require grad, not {self.array.dtype}")
        if not flag and self.node is not None and self.node.leaf is None:
            raise RuntimeError(f"the output of {self.node.name} always requires grad; use detach()")
        if flag and self.node is None:
            self.node = Node("leaf", leaf=weakref.ref(self))
            self._version[OWNER] = self._version[OWNER] or self.node
        self._requires_grad = bool(flag)

    def backward(self, g=None, create_graph=False):
        """Add to ``.grad`` of every leaf the gradient of sum(g * self); g: self's shape, or None
        for a scalar.
        """
        taken = {_memory(g := _cotangent(self, g))}
        for node, d in _walk([self], [g], None, create_graph).items():
            if (leaf := node.leaf()) is not None and leaf._requires_grad:
                if _memory(d) in taken or 0 in d.array.strides:
                    d = d * 1  # a gradient is memory of its own: nobody else's, no broadcast view
                taken.add(_memory(d))
                _add_to_grad(leaf, d)


def _add_to_grad(leaf, d):
    """Add the gradient d to what backward() has left in ``leaf.grad`` before."""
    before = leaf.grad
    if before is None:
        leaf.grad = d
        return
    if not isinstance(before, Tensor) or (before.shape, before.dtype) != (leaf.shape, leaf.dtype):
        what = f"{type(before).__name__} {getattr(before, 'shape', '')} {getattr(before, 'dtype', '')}".strip()
        raise ValueError(
            f".grad is a {what}, expected None or a Tensor {leaf.shape} {leaf.dtype} as its own tensor"
        )
    leaf.grad = before + d


def record(value, *edges):
    """Wrap an operation's value in a Tensor and remember how gradients flow back: an edge for
    each input, or several.

    An edge is ``(x, vjp)``, a Tensor x and a plain function ``vjp(g) -> gradient of x``. A VJP
    that needs the output takes it as a second argument, ``vjp(g, y)``: captured, it would be a
    cycle. One VJP for several inputs, ``((x, w), vjp)``, returns a tuple. Inputs that require no
    gradient let go of their VJPs and what these hold.
    """
    y = Tensor(value)
    memory = _memory(y)
    keeping = recording.get()
    kept = []
    for inputs, vjp in edges:
        if type(inputs) is not tuple:
            inputs = (inputs,)
        first = inputs[0]
        if _memory(first) == memory:  # y is a view of it
            y._version = first._version
            y._rewrites = first._rewrites
        if keeping:
            nodes, wanted = [], False
            for x in inputs:
                node = None
                if x is not None:
                    if x._rewrites != x._version[REWRITES]:
                        _check_history(x)
                    if x._requires_grad:
                        node, wanted = x.node, True
                nodes.append(node)
            if wanted:
                kept.append((nodes, vjp, _takes_output(vjp)))
    if kept:
        _attach(y, kept)
    if trace.get() is not None:
        trace.get().append((y, edges))
    return y


def inside(things):
    """All Tensors in nested lists, tuples and dicts, or the Tensor itself."""
    if isinstance(things, Tensor):
        yield things
    elif isinstance(things, dict):
        yield from inside(list(things.values()))
    elif isinstance(things, (list, tuple)):
        for thing in things:
            if isinstance(thing, (Tensor, list, tuple, dict)):
                yield from inside(thing)


def _as_array(data):
    """Numbers as an array of the device; a Tensor may not lose its gradient where an array is
    meant.
    """
    if recording.get() and any(t._requires_grad for t in inside(data)):
        raise TypeError(
            "a Tensor that requires grad came where numbers were expected, and would lose its "
            "gradient: item(), detach() or numpy() makes numbers of it"
        )
    return devices.xp.asarray(data)


def _check_history(x):
    """Refuse a Tensor whose memory got its values from a recorded ``+=`` on another view of it."""
    if x._rewrites not in (None, x._version[REWRITES]):
        raise RuntimeError(
            f"a tensor of shape {x.array.shape} shares memory with one that was changed "
            "in place while gradients were recorded, which its own history does not "
            "tell: use that one, or change a copy"
        )


def _takes_output(vjp):
    """Is this a VJP of g and y, rather than of g alone?"""
    if type(vjp) is not type(record):
        kind = type(vjp).__name__
        raise TypeError(f"record got a {kind} as a VJP, expected a plain function: def or lambda")
    return vjp.__code__.co_argcount - len(vjp.__defaults__ or ()) == 2


def _attach(y, edges):
    """Give y its Node, and note the versions of all Tensors that the VJPs will read."""
    name = edges[0][1].__qualname__.split(".", 1)[0]
    y.node = node = Node(name, edges)
    y._requires_grad = True
    read = []
    for _, vjp, takes_output in edges:
        for cell in vjp.__closure__ or ():
            if isinstance(cell.cell_contents, Tensor):
                read.append(cell.cell_contents)
        if takes_output and node.output is None:
            node.output = y.array, y._version
            read.append(y)
    node.needed = [(x._version, x._version[VERSION], x.array.shape) for x in read]


def snapshot(x):
    """What x is now, as a Tensor of its own: the input of an operation whose result x will hold."""
    _check_history(x)
    old = Tensor(x.array.copy("K"))
    old.node = x.node
    old._requires_grad = x._requires_grad
    return old


def rewrite(x, z, old):
    """Give x the values of z in place, and z's history if there is one; returns x.

    ``x += y`` is z = old + y, where old is a snapshot of x, then this. Views of x see the values,
    but their own histories do not tell where these came from: ``record`` refuses them from now
    on.
    """
    if z._requires_grad and _lies_in_a_leaf(x):
        raise RuntimeError(
            "a tensor that requires grad, and any view of it, can only be changed in "
            "place inside no_grad()"
        )
    if z._requires_grad and trace.get() is not None:
        trace.get()[:] = [_with_other_tensor(x, old, *entry) for entry in trace.get()]
    x.array[...] = z.array
    version = x._version
    version[VERSION] += 1
    if z._requires_grad:
        version[REWRITES] += 1
        x._rewrites = version[REWRITES]
        x.node = z.node
        x._requires_grad = True
    return x


def _with_other_tensor(x, old, output, edges):
    """An entry of the trace with old in the place of x."""

    def other(t):
        return old if t is x else t

    changed = []
    for inputs, vjp in edges:
        inputs = tuple(map(other, inputs)) if type(inputs) is tuple else other(inputs)
        changed.append((inputs, vjp))
    return other(output), tuple(changed)


def _lies_in_a_leaf(x):
    """Does x share memory with a leaf that requires grad, or is it one?"""
    for node in (x.node, x._version[OWNER]):
        leaf = node.leaf() if node is not None and node.leaf is not None else None
        if leaf is not None and leaf._requires_grad:
            return True
    return False


def grad(outputs, inputs, grad_outputs=None, create_graph=False):
    """Gradients of sum_i <grad_outputs_i, outputs_i> with respect to the inputs: a tuple of
    Tensors.

    outputs, inputs: a Tensor that requires grad, or a list or tuple of them; grad_outputs: the
    same, None for scalars. create_graph: record the pass, to differentiate it again. None is for
    an input without influence; no .grad changes.
    """
    outputs, inputs, gs = (
        list(t) if isinstance(t, (list, tuple)) else [t] for t in (outputs, inputs, grad_outputs)
    )
    gs = gs * len(outputs) if grad_outputs is None else gs
    if odd := [type(t).__name__ for t in outputs + inputs if not isinstance(t, Tensor)]:
        raise TypeError(f"grad got a {odd[0]} among its outputs and inputs, expected Tensors")
    if len(gs) != len(outputs):
        raise ValueError(f"grad got {len(outputs)} outputs but {len(gs)} grad_outputs")
    if frozen := [i for i, x in enumerate(inputs) if not x._requires_grad]:
        raise RuntimeError(
            f"grad got inputs that do not require grad: number {frozen} of {len(inputs)}, from 0"
        )
    arrived = _walk(outputs, gs, {x.node for x in inputs}, create_graph)
    return tuple(arrived.get(x.node) for x in inputs)


def _walk(outputs, gs, targets, create_graph):
    """The backward pass: {target node: its gradient}. ``targets`` None means every leaf."""
    arrived = {}

    def deliver(node, g):  # a sum is a new array: g may be shared
        arrived[node] = arrived[node] + g if node in arrived else g

    with no_grad(record_anyway=create_graph):
        for y, g in zip(outputs, gs):
            deliver(y.node, _cotangent(y, g))
        order = _oldest_first(arrived, min((node.order for node in targets or ()), default=0))
        targets = {node for node in order if node.leaf is not None} if targets is None else targets
        useful = set()  # nodes with a path to a target: the rest is work that nobody asked for
        for node in order:
            if node in targets or not useful.isdisjoint(node.parents):
                useful.add(node)
        for node in reversed(order):
            if node not in useful or node not in arrived:
                continue
            g = arrived[node] if node in targets else arrived.pop(node)
            node.check_unchanged()
            for nodes, vjp, takes_output in node.edges:
                if not useful.isdisjoint(nodes):
                    ds = vjp(g, node.output_tensor()) if takes_output else vjp(g)
                    for parent, d in zip(nodes, ds if type(ds) is tuple else (ds,)):
                        if parent in useful and d is not None:
                            deliver(parent, d)
    for node, g in arrived.items():
        if (
            node.leaf
            and (x := node.leaf()) is not None
            and (g.shape, g.dtype) != (x.shape, x.dtype)
        ):
            raise ValueError(
                f"a VJP gave a gradient {g.shape} {g.dtype} for a tensor {x.shape} {x.dtype}"
            )
    return {node: g for node, g in arrived.items() if node in targets}


def _oldest_first(roots, oldest):
    """All nodes that the roots came from, back to the given order in time. A stack, so any depth."""
    reached, stack = set(), list(roots)
    while stack:
        node = stack.pop()
        if node not in reached and node.order >= oldest:
            reached.add(node)
            stack.extend(node.parents)
    return sorted(reached, key=lambda node: node.order)


def _cotangent(y, g):
    """What enters the walk at output y: g, checked, or 1 for a scalar."""
    _check_history(y)
    if not y._requires_grad:
        raise RuntimeError(
            f"an output of shape {y.array.shape} does not require grad: nothing it came from does"
        )
    if g is None and y.array.size != 1:
        raise RuntimeError(
            f"an output of shape {y.array.shape} is no scalar: its gradient needs g of that shape"
        )
    if not isinstance(g, Tensor):
        g = Tensor(
            devices.xp.ones_like(y.array)
            if g is None
            else devices.xp.asarray(_as_array(g), y.array.dtype)
        )
    if (g.array.shape, g.array.dtype) != (y.array.shape, y.array.dtype):
        raise ValueError(
            f"g is {g.array.shape} {g.array.dtype}, but the output is {y.array.shape} {y.array.dtype}"
        )
    return g


def _memory(x):  # what owns the memory of a Tensor: the same for all views of it
    return id(x.array if x.array.base is None else x.array.base)
