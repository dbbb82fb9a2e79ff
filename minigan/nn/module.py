"""Every layer and network is a Module: its Parameters, Buffers and Modules are plain attributes.

A Module finds them by looking at its own attributes, so there is nothing to
register. Their dotted names are PyTorch's, and ``state_dict`` and ``load_state_dict`` move weights
to PyTorch and back.

A Module looks at attributes only. As in PyTorch, a Module or Parameter inside a list, tuple or
dict is not found: no optimiser would train it and no checkpoint would keep it. Put layers into a
Sequential, or give each an attribute. And as in PyTorch, an attribute that holds a Parameter, a
Buffer or a Module takes another of its kind, a Parameter or None, and refuses anything else.
"""

from typing import NamedTuple

import numpy as np

from .. import devices
from ..creation import dtype_of, tensor
from ..engine import Tensor
from ..files.foreign import shown
from ..grad_modes import no_grad
from ..refused import refuse
from .views import Attributes


class Parameter(Tensor):
    """A Tensor that is trained: it requires grad, and a Module finds it."""

    __slots__ = ()

    def __init__(self, data, requires_grad=True):
        if not isinstance(data, Tensor):
            super().__init__(data, requires_grad)
            return
        super().__init__(data.array)
        self._memory = data._memory
        self._recorded_changes = None  # a leaf: it has no history that could be wrong
        self.requires_grad = requires_grad


class Buffer(Tensor):
    """A Tensor that belongs to the state but is not trained: running statistics."""

    __slots__ = ()


class Firsts(list):
    """A list of which next() gives the first entry, as it does of PyTorch's generators."""

    def __next__(self):
        if not self:
            raise StopIteration
        return self[0]


class KeysThatDiffer(NamedTuple):
    """What load_state_dict(strict=False) has passed over."""

    missing_keys: list  # names of the module that the state lacks
    unexpected_keys: list  # names of the state that the module lacks


class Count(Buffer):
    """An integer counter that stays on the CPU, so that reading it never waits for the GPU."""

    __slots__ = ()

    def __init__(self):
        zero = np.zeros((), np.int64)
        super().__init__(zero)
        self.array = zero  # NumPy's, on every device


@refuse
class Module:
    """The base of every network: assign layers to attributes, define ``forward``, call it."""

    training = True
    # True for layers whose weight scales what has been normalised. It starts at 1, see init.py.
    normalises = False

    def forward(self, *inputs):
        """Compute the output. Every network defines its own."""
        raise NotImplementedError(f"{type(self).__name__} does not define forward")

    def __call__(self, *inputs, **options):
        return self.forward(*inputs, **options)

    def __setattr__(self, name, value):
        kind = self._kind(name)
        is_plain = type(value) is Tensor and not value.requires_grad
        if kind is Buffer and is_plain and type(vars(self).get(name)) is not Count:
            value = Buffer(value.array)  # new running statistics are still a part of the state
        if kind is not None and value is not None and not isinstance(value, (kind, Parameter)):
            what = f"{kind.__name__.lower()} {name!r} of {type(self).__name__}"
            raise TypeError(
                f"cannot assign a {type(value).__name__} as {what}: expected a "
                f"{kind.__name__} or None"
            )
        object.__setattr__(self, name, value)
        if kind is not None and value is None:
            vars(self).setdefault("_kinds", {})[name] = kind

    def _kind(self, name):
        """Which of Parameter, Buffer and Module the attribute holds, or held before it was None.

        None for any other attribute.
        """
        held = vars(self).get(name)
        if held is None:
            return vars(self).get("_kinds", {}).get(name)
        for kind in (Parameter, Buffer, Module):
            if isinstance(held, kind):
                return kind
        return None

    def register_parameter(self, name, parameter):
        """Assign a Parameter, or None. After None, the attribute takes only a Parameter."""
        setattr(self, name, parameter)
        if parameter is None:
            vars(self).setdefault("_kinds", {})[name] = Parameter

    def register_buffer(self, name, tensor, persistent=True):
        """Assign a tensor of the state that is not trained, or None.

        persistent: whether state_dict() holds it.
        """
        if tensor is None:
            vars(self).setdefault("_kinds", {})[name] = Buffer
        elif not isinstance(tensor, Buffer):
            memory = tensor._memory
            tensor = Buffer(tensor.array)
            tensor._memory = memory
        setattr(self, name, tensor)
        if not persistent:
            vars(self).setdefault("_passing", set()).add(name)

    def add_module(self, name, module):
        """Assign a module to the attribute of this name."""
        setattr(self, name, module)

    register_module = add_module

    @property
    def _parameters(self):
        """The parameters directly in this module, as a dictionary that may be changed."""
        return Attributes(self, Parameter)

    @property
    def _buffers(self):
        """The buffers directly in this module, as a dictionary that may be changed."""
        return Attributes(self, Buffer)

    @property
    def _modules(self):
        """The modules directly in this one, as a dictionary that may be changed."""
        return Attributes(self, Module)

    def named_children(self):
        """The modules directly inside this one: a list of (name, module)."""
        return [(name, value) for name, value in vars(self).items() if isinstance(value, Module)]

    def children(self):
        """Yield the modules directly inside this one."""
        for _, child in self.named_children():
            yield child

    def modules(self):
        """Yield this module and all modules inside it."""
        yield self
        for _, child in self.named_children():
            yield from child.modules()

    def named_modules(self, prefix=""):
        """Yield (dotted name, module) for this module, named "", and all modules inside it."""
        yield prefix, self
        for name, child in self.named_children():
            yield from child.named_modules(f"{prefix}.{name}" if prefix else name)

    def apply(self, function):
        """Call function(module) for all modules inside, and then for this one. Returns self."""
        for child in self.children():
            child.apply(function)
        function(self)
        return self

    def named_tensors(self, kind=(Parameter, Buffer), prefix=""):
        """Yield (dotted name, tensor) for the tensors of a kind, in the order of definition.

        A tensor with two names appears under both.
        """
        for name, value in vars(self).items():
            if isinstance(value, kind):
                yield prefix + name, value
        for name, child in self.named_children():
            yield from child.named_tensors(kind, f"{prefix}{name}.")

    def named_parameters(self):
        """A list of (dotted name, Parameter). A shared one appears once, under its first name."""
        first = {}
        for name, p in self.named_tensors(Parameter):
            first.setdefault(p, name)
        return Firsts((name, p) for p, name in first.items())

    def parameters(self):
        """A list of all Parameters, each once."""
        return Firsts(p for _, p in self.named_parameters())

    def named_buffers(self):
        """A list of (dotted name, Buffer)."""
        return Firsts(self.named_tensors(Buffer))

    def buffers(self):
        """A list of all Buffers."""
        return Firsts(buffer for _, buffer in self.named_buffers())

    def _state(self, prefix=""):
        """Yield (dotted name, tensor) for what state_dict() holds."""
        passing = vars(self).get("_passing", ())
        for name, value in vars(self).items():
            if isinstance(value, (Parameter, Buffer)) and name not in passing:
                yield prefix + name, value
        for name, child in self.named_children():
            yield from child._state(f"{prefix}{name}.")

    def state_dict(self):
        """Copy all parameters and buffers -> {dotted name: Tensor}, in PyTorch's layout."""
        return {name: tensor(t) for name, t in self._state()}

    @no_grad()
    def load_state_dict(self, state, strict=True):
        """Overwrite parameters and buffers. Returns self.

        state: {dotted name: a NumPy array, a Tensor, or a torch tensor}. Names that all begin with
        "module.", as PyTorch's DataParallel writes them, are read without that. Raises ValueError
        that names what is missing, unexpected or of another shape; then nothing is changed.
        ``num_batches_tracked`` may be missing or extra. strict=False passes over what is missing
        or unexpected, and returns its names as KeysThatDiffer.
        """
        if not hasattr(state, "keys"):
            raise ValueError(f"state_dict is {shown(state)}, expected names and arrays")
        own = dict(self._state())
        state = _without_prefix(state, own)
        missing = _without(own, state)
        extra = _without(state, own)
        if strict and (missing or extra):
            raise ValueError(
                f"state_dict does not fit {type(self).__name__}: missing {shown(missing, 300)}, "
                f"unexpected {shown(extra, 300)}"
            )
        values = {name: _checked_entry(name, state.get(name, t), t) for name, t in own.items()}
        for name, t in own.items():
            t.copy_(values[name])
        return self if strict else KeysThatDiffer(missing, extra)

    def train(self, mode=True):
        """Switch this module and all inside to training, or with False to evaluation.

        Returns self.
        """
        for module in self.modules():
            module.training = mode
        return self

    def eval(self):
        """Switch to evaluation: batch norm uses its running statistics, dropout does nothing.

        Returns self.
        """
        return self.train(False)

    def float(self, dtype=np.float32):
        """Convert parameters and buffers to float32, or to the given dtype. Returns self."""
        for _, t in self.named_tensors():
            if t.dtype.kind == "f" and t.dtype != dtype:
                gradient = t.grad
                t.data = t.array.astype(dtype)  # counts as a change in place: old graphs end here
                t.grad = None if gradient is None else Tensor(gradient.array.astype(dtype))
        return self

    def double(self):
        """Convert parameters and buffers to float64. Returns self."""
        return self.float(np.float64)

    def to(self, *targets, dtype=None, device=None, non_blocking=False):
        """Convert to a dtype, which floating-point tensors take. Returns self.

        A device has to be the one at hand; otherwise ValueError.
        """
        for target in targets:
            if devices.is_device(target):
                device = target
            elif not isinstance(target, bool):
                dtype = getattr(target, "dtype", target)
        devices.check(device)
        return self if dtype is None else self.float(dtype_of(dtype))

    def cpu(self):
        """Returns self: one process works on one device."""
        return self

    def cuda(self, device=None):
        """Returns self on device cuda; otherwise ValueError."""
        return self.to("cuda")

    def requires_grad_(self, flag=True):
        """Freeze (False) or thaw all parameters. Returns self."""
        for p in self.parameters():
            p.requires_grad = flag
        return self

    def zero_grad(self, set_to_none=True):
        """Forget all gradients. set_to_none=False fills them with zeros instead."""
        for p in self.parameters():
            if set_to_none or p.grad is None:
                p.grad = None
            else:
                p.grad = p.grad * 0

    def __repr__(self):
        settings = []
        for name, value in vars(self).items():
            if isinstance(value, Parameter):
                settings.append(f"{name}={value.shape}")
            elif isinstance(value, (int, float, tuple)):
                settings.append(f"{name}={value}")
        text = f"{type(self).__name__}({', '.join(settings)}"
        children = self.named_children()
        for name, child in children:
            indented = repr(child).replace("\n", "\n  ")
            text += f"\n  ({name}): {indented}"
        return text + ("\n)" if children else ")")


def _without(names, others):
    """The names that are not among others, except for counters of batches."""
    counter = "num_batches_tracked"
    return [name for name in names if name not in others and not name.endswith(counter)]


def _without_prefix(state, own):
    """The state without "module." before each name, where the network's own names lack it."""
    prefix = "module."
    has_it = [str(name).startswith(prefix) for name in state.keys()]
    if not has_it or not all(has_it) or any(name.startswith(prefix) for name in own):
        return state
    return {name[len(prefix) :]: state[name] for name in state.keys()}


def _checked_entry(name, value, own):
    """The value of a state_dict's entry as a Tensor; ValueError unless it fits its own tensor."""
    try:
        value = tensor(value)
    except TypeError as error:
        raise ValueError(f"state_dict entry {name}: {error}") from error
    if value.shape != own.shape:
        raise ValueError(f"state_dict entry {name} has shape {value.shape}, expected {own.shape}")
    return value
