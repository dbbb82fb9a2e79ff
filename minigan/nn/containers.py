"""Modules made of modules: Sequential calls its layers in turn, the others only keep them."""

from .activations import LeakyReLU, ReLU
from .module import Module
from .normalisation import FUSED


class Sequential(Module):
    """A chain of layers: each takes the output of the one before. Their names are "0", "1", ...

    One dictionary of layers instead of several layers gives them its names. A norm and the ReLU or
    LeakyReLU behind it run as one operation, because both are limited by memory bandwidth: the
    fused kernel reads and writes the feature maps once, two separate ones would do so twice. The
    norm is then told the slope, and the activation's own ``forward`` is not called. The numbers
    are the same. Raises TypeError for what is not a Module.
    """

    def __init__(self, *layers):
        if len(layers) == 1 and isinstance(layers[0], dict):
            named = list(layers[0].items())
        else:
            named = [(str(i), layer) for i, layer in enumerate(layers)]
        for name, layer in named:
            self.add_module(name, _checked(self, name, layer))

    def append(self, layer):
        """Put another layer behind the last one. Returns self."""
        name = str(len(self))
        self.add_module(name, _checked(self, name, layer))
        return self

    def __len__(self):
        return len(self.named_children())

    def __iter__(self):
        return iter(self.children())

    def __getitem__(self, i):
        layers = list(self.children())
        if isinstance(i, slice):
            return Sequential(*layers[i])
        return layers[i]

    def forward(self, x):
        layers = [layer for _, layer in self.named_children()]
        while layers:
            layer = layers.pop(0)
            activation = type(layers[0]) if layers else None
            if type(layer) in FUSED and activation in (ReLU, LeakyReLU):
                x = layer(x, layers.pop(0).negative_slope)  # both in one kernel
            else:
                x = layer(x)
        return x


def _checked(owner, name, layer):
    """The layer, if it is a Module; otherwise TypeError."""
    if not isinstance(layer, Module):
        raise TypeError(
            f"{type(owner).__name__}: layer {name} is a {type(layer).__name__}, expected a Module"
        )
    return layer


class ModuleList(Module):
    """Modules named "0", "1", ..., which an optimiser finds. It has no ``forward``."""

    def __init__(self, modules=()):
        self.extend(modules)

    def append(self, module):
        """Put another module behind the last one. Returns self."""
        name = str(len(self))
        self.add_module(name, _checked(self, name, module))
        return self

    def insert(self, i, module):
        """Put another module before the one at place i."""
        modules = list(self)
        modules.insert(i, module)
        for name, each in enumerate(modules):
            self.add_module(str(name), _checked(self, name, each))

    def extend(self, modules):
        """Put several modules behind the last one. Returns self."""
        for module in modules:
            self.append(module)
        return self

    def __len__(self):
        return len(self.named_children())

    def __iter__(self):
        return iter(self.children())

    def __getitem__(self, i):
        modules = list(self.children())
        if isinstance(i, slice):
            return ModuleList(modules[i])
        return modules[i]

    def __setitem__(self, i, module):
        name = str(range(len(self))[i])
        setattr(self, name, _checked(self, name, module))


class ModuleDict(Module):
    """Modules under names of their own, which an optimiser finds. It has no ``forward``."""

    def __init__(self, modules=None):
        self.update(modules or {})

    def update(self, modules):
        """Add the modules of a dictionary, or of pairs (name, module). Returns self."""
        for name, module in dict(modules).items():
            self[name] = module
        return self

    def keys(self):
        """The names, in the order in which they were added."""
        return [name for name, _ in self.named_children()]

    def values(self):
        """The modules."""
        return [module for _, module in self.named_children()]

    def items(self):
        """(name, module) for each."""
        return self.named_children()

    def __len__(self):
        return len(self.named_children())

    def __iter__(self):
        return iter(self.keys())

    def __contains__(self, name):
        return name in self.keys()

    def __getitem__(self, name):
        return dict(self.named_children())[name]

    def __setitem__(self, name, module):
        self.add_module(name, _checked(self, name, module))
