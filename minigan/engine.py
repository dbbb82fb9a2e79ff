"""Reverse-mode automatic differentiation: Tensor, Node, record and grad.

An operation computes its value y and calls ``record(y, (x, vjp_x), (w, vjp_w), op="mul")``. A VJP
(vector-Jacobian product) is one step of the chain rule: it maps g, the gradient of the loss with
respect to y, to the gradient of the loss with respect to one input. The records form the
computation graph: a Node for each operation, which points at the Nodes of its inputs.
Backpropagation visits the Nodes in reverse topological order, from the loss back to the leaves,
and adds up the gradients that arrive at each.

The idea to keep in mind: VJPs are themselves written with operations on Tensors, never on raw
arrays. So the backward pass can be recorded like any other computation and differentiated again,
to any order.
"""

import itertools
import weakref
from contextvars import ContextVar
from typing import NamedTuple

from . import devices
from .grad_modes import recording, recording_set_to
from .memory import Memory, check_history, is_seen_elsewhere, memory_of
from .methods import TensorMethods

trace = ContextVar("trace", default=None)  # a list of Operations while drawing.py collects them
clock = itertools.count()  # numbers the Nodes, so that inputs have smaller numbers than outputs


class Node:
    """One recorded operation in the computation graph, or a leaf.

    order: a number, smaller for inputs than for outputs. name, attributes: of the operation, as
    "conv2d" and {"stride": 2}. edges: for each VJP, the Nodes of its inputs, the VJP, and whether
    it takes the output. parents: the Nodes of all inputs that require a gradient. needed: of each
    Tensor that the VJPs will read, its Memory, how often that was changed by now, and its shape.
    output: the array and its Memory, if a VJP takes the output. leaf: a weak reference to the
    Tensor, if this is a leaf.

    Nodes point at Nodes, never at the Tensors that the operations returned. So an activation that
    no VJP uses is freed at once.
    """

    __slots__ = ("order", "name", "attributes", "edges", "parents", "needed", "output", "leaf")
    __slots__ += ("__weakref__",)

    def __init__(self, name, edges=(), attributes=None, leaf=None):
        self.order = next(clock)
        self.name = name
        self.attributes = attributes
        self.edges = edges
        self.parents = [node for nodes, _, _ in edges for node in nodes if node is not None]
        self.needed = []
        self.output = None
        self.leaf = leaf

    def output_tensor(self):
        """The output as a new Tensor in the graph. The Node keeps none: that would be a cycle."""
        array, memory = self.output
        y = Tensor(array)
        y._memory = memory
        y._recorded_changes = memory.recorded_changes
        y.node = self
        y._requires_grad = True
        return y

    def check_unchanged(self):
        """Raise RuntimeError if a Tensor that the VJPs read was changed in place since."""
        for memory, changes, shape in self.needed:
            if memory.changes != changes:
                raise RuntimeError(
                    f"the gradient of {self.name} needs a tensor of shape {shape} that was changed "
                    f"in place after its use (version {memory.changes}, expected {changes}): "
                    "change a copy"
                )


class Tensor(TensorMethods):
    """An array that remembers how it was computed; ``minigan.tensor`` makes one from data.

    array: the NumPy or CuPy array. grad: a Tensor, or None. node: the place in the graph, or None.
    Operators and operations are inherited from TensorMethods (methods.py). A Tensor is hashed by
    identity, although ``==`` compares values: a dictionary may have Tensors as keys, but
    ``t in a_list`` compares values.
    """

    __slots__ = ("array", "grad", "node", "_requires_grad", "_memory", "_recorded_changes")
    __slots__ += ("__weakref__",)

    def __init__(self, data, requires_grad=False, *lengths):
        if type(data) is int:  # PyTorch's old form: Tensor(2, 3, 4) has this shape
            data = _of_shape(data, requires_grad, *lengths)
            requires_grad = False
        self.array = data if isinstance(data, devices.xp.ndarray) else _as_array(data)
        self._memory = Memory()
        # Those of the memory when this Tensor got its history; None if it has no history.
        self._recorded_changes = 0
        self.grad = self.node = None
        self._requires_grad = False
        if requires_grad:
            self.requires_grad = True

    @property
    def shape(self):
        """The lengths of the axes, a tuple."""
        return self.array.shape

    @property
    def ndim(self):
        """The number of axes."""
        return self.array.ndim

    @property
    def dtype(self):
        """The kind of numbers, as np.dtype("float32")."""
        return self.array.dtype

    def size(self, dim=None):
        """The shape, or the length of the axis dim."""
        return self.array.shape if dim is None else self.array.shape[dim]

    def numel(self):
        """The number of entries."""
        return self.array.size

    def item(self):
        """The only entry, as a Python number."""
        return self.array.item()

    def numpy(self):
        """The values as a NumPy array: on the CPU, the memory itself."""
        return devices.to_numpy(self.array)

    def detach(self):
        """A Tensor on the same memory outside the graph: no gradient flows through it."""
        y = Tensor(self.array)
        y._memory = self._memory
        y._recorded_changes = None  # it has no history that could be wrong
        return y

    @property
    def data(self):
        """The same as detach(). ``x.data = values`` replaces the array and records nothing."""
        return self.detach()

    @data.setter
    def data(self, values):
        self.array = self._checked_data(values)
        self._memory.changes += 1

    @property
    def requires_grad(self):
        """Does backpropagation compute a gradient for this Tensor?"""
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, flag):
        if flag and self.array.dtype.kind != "f":
            raise TypeError(f"only floating-point tensors can require grad, not {self.array.dtype}")
        if not flag and self.node is not None and self.node.leaf is None:
            raise RuntimeError(f"the output of {self.node.name} always requires grad; use detach()")
        if flag and self.node is None:
            self.node = Node("leaf", leaf=weakref.ref(self))
            self._memory.owner = self._memory.owner or self.node
        self._requires_grad = bool(flag)

    def backward(self, g=None, create_graph=False, *, gradient=None, retain_graph=None):
        """Backpropagation: add to ``.grad`` of every leaf the gradient of sum(g * self).

        g: a Tensor of self's shape; None is 1, for a Tensor with one entry. create_graph: record
        the backward pass, so that gradients can be differentiated again. gradient is PyTorch's
        name for g; retain_graph changes nothing, because a graph is never freed by its use.
        """
        g = _seed(self, gradient if g is None else g)
        gradients = _backpropagate([self], [g], None, create_graph)
        taken = {memory_of(g)}  # memory that already belongs to somebody
        for node, d in gradients.items():
            leaf = node.leaf()
            if leaf is None or not leaf._requires_grad:
                continue
            is_broadcast = 0 in d.array.strides
            if is_broadcast or memory_of(d) in taken:
                d = d * 1  # a copy, because every .grad has memory of its own
            taken.add(memory_of(d))
            _add_to_grad(leaf, d)


def _add_to_grad(leaf, d):
    """Add the gradient d to the one that earlier calls of backward() left in ``leaf.grad``."""
    before = leaf.grad
    if before is None:
        leaf.grad = d
    elif isinstance(before, Tensor) and _kind(before) == _kind(leaf):
        leaf.grad = before + d
    else:
        what = f"{type(before).__name__} {getattr(before, 'shape', '')}"
        what = f"{what} {getattr(before, 'dtype', '')}".strip()
        raise ValueError(f".grad is a {what}, expected None or a Tensor {leaf.shape} {leaf.dtype}")


def _kind(x):
    return x.array.shape, x.array.dtype


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


def _of_shape(first, second, *others):
    """A float32 array of zeros; the second length may be missing, False."""
    shape = (first, second, *others) if second is not False else (first,)
    return devices.xp.zeros(shape, "float32")


def _as_array(data):
    """Numbers as an array of the device. A Tensor among them may not lose its gradient."""
    if recording.get() and any(t._requires_grad for t in inside(data)):
        raise TypeError(
            "a Tensor that requires grad came where numbers were expected, and would lose its "
            "gradient: item(), detach() or numpy() makes numbers of it"
        )
    array = devices.xp.asarray(data)
    is_of_whole_numbers = isinstance(data, (list, tuple)) and array.dtype.kind in "iub"
    return array.astype("float32") if is_of_whole_numbers else array  # as tensor() does


# ---- the forward pass: record the computation graph ----------------------------------------------


class Operation(NamedTuple):
    """What a trace keeps of an operation, whether or not a gradient is required."""

    output: Tensor
    edges: tuple  # as record() got them
    name: str
    attributes: dict


def record(value, /, *edges, op=None, **attributes):
    """Wrap an operation's value in a Tensor, and remember how gradients flow back to its inputs.

    An edge is ``(x, vjp)``: a Tensor x and a plain function ``vjp(g) -> gradient of x``. A VJP that
    needs the output takes it as a second argument, ``vjp(g, y)``, because a captured output would
    be a reference cycle. One VJP for several inputs, ``((x, w), vjp)``, returns a tuple. Inputs
    that require no gradient let go of their VJPs and of what these hold.

    op: the operation's name; by default that of the function in which the first VJP is written.
    attributes: what else defines the operation, for example stride=2. Error messages, drawings and
    exports read both.
    """
    y = Tensor(value)
    memory = memory_of(y)
    keeping = recording.get()
    kept = []
    for inputs, vjp in edges:
        if type(inputs) is not tuple:
            inputs = (inputs,)
        first = inputs[0]
        if memory_of(first) == memory:  # y is a view of this input: they change together
            y._memory = first._memory
            y._recorded_changes = first._recorded_changes
        if keeping:
            nodes = []
            for x in inputs:
                nodes.append(_node_of(x))
            if any(nodes):
                kept.append((nodes, vjp, _takes_output(vjp)))
    if kept:
        _attach(y, Node(op or _name_of(edges), kept, attributes))
    if trace.get() is not None:
        trace.get().append(Operation(y, edges, op or _name_of(edges), attributes))
    return y


def _node_of(x):
    """The Node of an input that requires a gradient, otherwise None."""
    if x is None:
        return None
    if x._recorded_changes != x._memory.recorded_changes:
        check_history(x)
    return x.node if x._requires_grad else None


def _name_of(edges):
    """The name of the function in which the first VJP was written.

    The name in full of a lambda in softsign ends with "softsign.<locals>.<lambda>".
    """
    if not edges:
        return "constant"
    _, vjp = edges[0]
    writer = vjp.__qualname__.rsplit(".<locals>", 1)[0]
    return writer.rsplit(".", 1)[-1]


def _takes_output(vjp):
    """Is this a VJP of g and y, rather than of g alone?"""
    if type(vjp) is not type(record):
        raise TypeError(f"record got a {type(vjp).__name__} as a VJP, expected a def or a lambda")
    return vjp.__code__.co_argcount - len(vjp.__defaults__ or ()) == 2


def _attach(y, node):
    """Make y the output of the node, and note the Memory of each Tensor that its VJPs read."""
    y.node = node
    y._requires_grad = True
    read = []
    for _, vjp, takes_output in node.edges:
        for cell in vjp.__closure__ or ():
            if isinstance(cell.cell_contents, Tensor):
                read.append(cell.cell_contents)
        if takes_output and node.output is None:
            node.output = y.array, y._memory
            read.append(y)
    node.needed = [(x._memory, x._memory.changes, x.array.shape) for x in read]


# ---- the backward pass: backpropagation ----------------------------------------------------------


def grad(
    outputs,
    inputs,
    grad_outputs=None,
    create_graph=False,
    *,
    retain_graph=None,
    only_inputs=True,
    allow_unused=True,
):
    """Gradients of sum_i <grad_outputs_i, outputs_i> with respect to the inputs: a tuple.

    outputs, inputs: a Tensor that requires grad, or a list or tuple of them. grad_outputs: Tensors
    of the outputs' shapes; None for outputs with one entry. create_graph: record the backward pass,
    so that the gradients can be differentiated again. The result is None for an input that the
    outputs do not depend on. No ``.grad`` changes. retain_graph, only_inputs and allow_unused, of
    PyTorch, are accepted and change nothing.
    """
    outputs = _as_list(outputs)
    inputs = _as_list(inputs)
    gs = [None] * len(outputs) if grad_outputs is None else _as_list(grad_outputs)
    for t in outputs + inputs:
        if not isinstance(t, Tensor):
            kind = type(t).__name__
            raise TypeError(f"grad got a {kind} among its outputs and inputs, expected Tensors")
    if len(gs) != len(outputs):
        raise ValueError(f"grad got {len(outputs)} outputs but {len(gs)} grad_outputs")
    if frozen := [i for i, x in enumerate(inputs) if not x._requires_grad]:
        raise RuntimeError(
            f"grad got inputs that do not require grad: number {frozen} of {len(inputs)}, from 0"
        )
    targets = {x.node for x in inputs}
    arrived = _backpropagate(outputs, gs, targets, create_graph)
    return tuple(arrived.get(x.node) for x in inputs)


def _as_list(tensors):
    return list(tensors) if isinstance(tensors, (list, tuple)) else [tensors]


def _backpropagate(outputs, gs, targets, create_graph):
    """The backward pass -> {target Node: gradient}. targets None means every leaf."""
    arrived = {}  # Node -> the sum of the gradients that have arrived so far
    with recording_set_to(create_graph):
        for y, g in zip(outputs, gs):
            _add_gradient(arrived, y.node, _seed(y, g))
        oldest = min((node.order for node in targets), default=0) if targets else 0
        order = _topological_order(arrived, oldest)
        if targets is None:
            targets = {node for node in order if node.leaf is not None}
        useful = _nodes_on_a_path_to(targets, order)
        for node in reversed(order):  # outputs before inputs: all of its gradient has arrived
            if node in useful and node in arrived:
                g = arrived[node] if node in targets else arrived.pop(node)
                _push_back(node, g, useful, arrived)
    _check_leaves(arrived)
    return {node: g for node, g in arrived.items() if node in targets}


def _topological_order(roots, oldest):
    """All Nodes that the roots depend on, inputs before outputs; none older than the number oldest.

    A stack takes the place of recursion, so the graph may be of any depth.
    """
    reached = set()
    stack = list(roots)
    while stack:
        node = stack.pop()
        if node not in reached and node.order >= oldest:
            reached.add(node)
            stack.extend(node.parents)
    return sorted(reached, key=lambda node: node.order)


def _nodes_on_a_path_to(targets, order):
    """The Nodes that depend on a target. Gradients of all others are not computed."""
    useful = set()
    for node in order:
        if node in targets or not useful.isdisjoint(node.parents):
            useful.add(node)
    return useful


def _push_back(node, g, useful, arrived):
    """Turn the gradient g of a Node's output into gradients of its inputs."""
    node.check_unchanged()
    for parents, vjp, takes_output in node.edges:
        if useful.isdisjoint(parents):
            continue
        gradients = vjp(g, node.output_tensor()) if takes_output else vjp(g)
        if type(gradients) is not tuple:
            gradients = (gradients,)
        for parent, d in zip(parents, gradients):
            if parent in useful and d is not None:
                _add_gradient(arrived, parent, d)


def _add_gradient(arrived, node, d):
    """The chain rule: a gradient is the sum over all paths that lead from the Node to the loss."""
    if node in arrived:
        total = arrived.pop(node)
        if is_seen_elsewhere(total) or recording.get() or _kind(total) != _kind(d):
            d = total + d  # a new array, because total may be another Node's gradient, too
        else:
            total.array[...] += d.array
            d = total
    arrived[node] = d


def _check_leaves(arrived):
    """Raise ValueError if a VJP returned a gradient of another shape or dtype than the leaf's."""
    for node, g in arrived.items():
        x = node.leaf() if node.leaf else None
        if x is not None and _kind(g) != _kind(x):
            raise ValueError(
                f"a VJP gave a gradient {g.shape} {g.dtype} for a tensor {x.shape} {x.dtype}"
            )


def _seed(y, g):
    """The gradient with which the backward pass begins at the output y: g, checked, or 1."""
    check_history(y)
    if not y._requires_grad:
        raise RuntimeError(
            f"an output of shape {y.array.shape} does not require grad: nothing it came from does"
        )
    if g is None:
        if y.array.size != 1:
            raise RuntimeError(
                f"an output of shape {y.array.shape} is not a scalar: its gradient needs g of that "
                "shape"
            )
        return Tensor(devices.xp.ones_like(y.array))
    if not isinstance(g, Tensor):
        g = Tensor(devices.xp.asarray(_as_array(g), y.array.dtype))
    if _kind(g) != _kind(y):
        raise ValueError(f"g is {g.shape} {g.dtype}, but the output is {y.shape} {y.dtype}")
    return g
