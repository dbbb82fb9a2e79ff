"""Every layer and network is a Module: its Parameters, Buffers and Modules are plain attributes.

The one idea: a Module finds them by looking at its own attributes, so there is nothing to
register. Their dotted names are PyTorch's, and ``state_dict`` and ``load_state_dict`` move weights
to PyTorch and back.

A Module looks at attributes only. As in PyTorch, a Module or Parameter inside a list, tuple or
dict is not found: no optimiser would train it and no checkpoint would keep it. Put layers into a
Sequential, or give each an attribute. And as in PyTorch, an attribute that holds a Parameter, a
Buffer or a Module takes another of its kind, a Parameter or None, and refuses anything else.
"""

import numpy as np

from ..creation import tensor
from ..engine import Tensor, no_grad
from ..files.foreign import shown


class Parameter(Tensor):
    """A Tensor that is trained: it requires grad, and a Module finds it."""

    __slots__ = ()

    def __init__(self, data):
        if not isinstance(data, Tensor):
            super().__init__(data, requires_grad=True)
            return
        super().__init__(data.array)
        self._version = data._version  # because they share memory, they share the count of changes
        self._rewrites = None  # a leaf: it has no history that could be wrong
        self.requires_grad = True


class Buffer(Tensor):
    """A Tensor that belongs to the state but is not trained: running statistics."""

    __slots__ = ()


class Count(Buffer):
    """An integer counter that stays on the CPU, so that reading it never waits for the GPU."""

    __slots__ = ()

    def __init__(self):
        super().__init__(0)
        self.array = np.zeros((), np.int64)


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

    def named_children(self):
        """The modules directly inside this one: a list of (name, module)."""
        return [(name, value) for name, value in vars(self).items() if isinstance(value, Module)]

    def modules(self):
        """Yield this module and all modules inside it."""
        yield self
        for _, child in self.named_children():
            yield from child.modules()

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
        return [(name, p) for p, name in first.items()]

    def parameters(self):
        """A list of all Parameters, each once."""
        return [p for _, p in self.named_parameters()]

    def state_dict(self):
        """Copy all parameters and buffers -> {dotted name: Tensor}, in PyTorch's layout."""
        return {name: tensor(t) for name, t in self.named_tensors()}

    @no_grad()
    def load_state_dict(self, state):
        """Overwrite parameters and buffers. Returns self.

        state: {dotted name: a NumPy array, a Tensor, or a torch tensor}. Raises ValueError that
        names what is missing, unexpected or of another shape; then nothing is changed.
        ``num_batches_tracked`` may be missing or extra.
        """
        if not hasattr(state, "keys"):
            raise ValueError(f"state_dict is {shown(state)}, expected names and arrays")
        own = dict(self.named_tensors())
        missing = _without(own, state)
        extra = _without(state, own)
        if missing or extra:
            raise ValueError(
                f"state_dict does not fit {type(self).__name__}: missing {shown(missing, 300)}, "
                f"unexpected {shown(extra, 300)}"
            )
        values = {}
        for name, t in own.items():
            try:
                values[name] = tensor(state.get(name, t))
            except TypeError as error:
                raise ValueError(f"state_dict entry {name}: {error}") from error
            if values[name].shape != t.shape:
                raise ValueError(
                    f"state_dict entry {name} has shape {values[name].shape}, expected {t.shape}"
                )
        for name, t in own.items():
            t.copy_(values[name])
        return self

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
            if t.dtype.kind == "f":
                t.data = t.array.astype(dtype)  # counts as a change in place: old graphs end here
                t.grad = None
        return self

    def double(self):
        """Convert parameters and buffers to float64. Returns self."""
        return self.float(np.float64)

    def requires_grad_(self, flag=True):
        """Freeze (False) or thaw all parameters. Returns self."""
        for p in self.parameters():
            p.requires_grad = flag
        return self

    def zero_grad(self):
        """Forget all gradients."""
        for p in self.parameters():
            p.grad = None

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
