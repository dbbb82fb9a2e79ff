"""PyTorch's ``_parameters``, ``_buffers`` and ``_modules``: a module's attributes of one kind.

Code that replaces a weight, as spectral normalisation does, reaches for these dictionaries. Here
they are views: a change to one is a change of the attributes.
"""

from collections.abc import MutableMapping


class Attributes(MutableMapping):
    """The attributes of a module that hold a certain class, or held one before they were None."""

    def __init__(self, module, kind):
        self._module = module
        self._kind = kind

    def _names(self):
        return [name for name in vars(self._module) if self._module._kind(name) is self._kind]

    def __iter__(self):
        return iter(self._names())

    def __len__(self):
        return len(self._names())

    def __getitem__(self, name):
        if name not in self._names():
            raise KeyError(name)
        return vars(self._module)[name]

    def __setitem__(self, name, value):
        attributes = vars(self._module)
        attributes[name] = value
        if value is None:
            attributes.setdefault("_kinds", {})[name] = self._kind

    def __delitem__(self, name):
        self[name]  # raises KeyError for another attribute
        del vars(self._module)[name]
        vars(self._module).get("_kinds", {}).pop(name, None)
