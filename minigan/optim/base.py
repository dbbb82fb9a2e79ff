"""What all optimisers share: parameter groups, checks, and their way into a checkpoint.

An optimiser keeps its parameters in groups, each with settings of its own, and for each parameter a
dictionary of arrays such as running means of the gradient. A step changes the parameters in place
and counts up their version, so that a later backward pass through the old values is refused.
"""

import copy

import numpy as np

from ..engine import Tensor, grad
from ..files.foreign import is_stored_int, shown
from .saved_state import SQUARES, check_like, is_number, like, parts_of, saved_count


def setting(name):
    """The setting of this name as an attribute: reads the first group, writes to all of them."""

    def read(optimizer):
        return optimizer.param_groups[0][name]

    def write(optimizer, value):
        for group in optimizer.param_groups:
            group[name] = value

    return property(read, write)


class Optimizer:
    """The base class of SGD, RMSprop, Adam and AdamW.

    param_groups: a list of dictionaries; "params" is a list of parameters, the other entries are
    their settings, as "lr", and may be changed. A subclass defines ``_update(rows, group)``, which
    changes each parameter's array in place. A row is (p, g, state): the parameter's array, its
    gradient's array, and what the optimiser keeps of it. The layout of a checkpoint is PyTorch's:
    "step" is a count, all other entries are arrays of the parameter's shape.
    """

    needs = set()  # names that every non-empty state of a parameter has
    may_have = set()  # names that it may have, too
    flags = set()  # settings that are True or False
    fixed = {  # PyTorch's settings, with the only value that they may have here
        "amsgrad": False,
        "maximize": False,
        "centered": False,
        "dampening": 0,
        "decoupled_weight_decay": False,
    }

    lr = setting("lr")

    def __init__(self, params, **settings):
        self._check_settings(settings)
        self.defaults = self._own_settings(settings)
        self.settings = tuple(settings)  # their names
        self.param_groups = []
        self.state = []  # of each parameter, in the order of the groups
        params = list(params)
        if not params:
            raise ValueError(f"{type(self).__name__} got no parameters")
        if not isinstance(params[0], dict):
            params = [{"params": params}]
        for group in params:
            self.add_param_group(group)

    @property
    def params(self):
        """The parameters of all groups, a list."""
        groups = self.param_groups
        if len(groups) == 1:
            return groups[0]["params"]
        return [p for group in groups for p in group["params"]]

    def add_param_group(self, group):
        """Train more parameters: {"params": [...]}, with settings that differ from the defaults.

        Raises TypeError or ValueError for anything else, and for a parameter that is
        already in one.
        """
        name = type(self).__name__
        if not isinstance(group, dict) or "params" not in group:
            raise ValueError(f"{name} got the group {shown(group)}, expected a dict with params")
        unknown = set(group) - {"params", *self.settings}
        if unknown:
            raise ValueError(
                f"{name} got a group with {shown(sorted(unknown))}, expected params and some of "
                f"{', '.join(self.settings)}"
            )
        params = group["params"]
        params = [params] if isinstance(params, Tensor) else list(params)
        settings = {**self.defaults, **group}
        del settings["params"]
        self._check_settings(settings)
        self._check_params(params)
        self.param_groups.append({"params": params, **self._own_settings(settings)})
        self.state += [{} for _ in params]

    def _check_params(self, params):
        """Raise an error unless these are leaves that require grad, each in no other place."""
        name = type(self).__name__
        if not params:
            raise ValueError(f"{name} got no parameters")
        others = [p for group in self.param_groups for p in group["params"]]
        for i, p in enumerate(params):
            if not isinstance(p, Tensor) or not p.requires_grad or p.node.leaf is None:
                what = "requires none"
                if getattr(p, "requires_grad", False):
                    what = f"is the output of {p.node.name}"
                raise TypeError(
                    f"{name} needs leaf Tensors that require grad; number {i}, "
                    f"{type(p).__name__}, {what}"
                )
            if any(p is other for other in others):
                raise ValueError(f"{name} got parameter {i} of {len(params)} twice, expected once")
            others.append(p)

    # ---- settings --------------------------------------------------------------------------------

    def _own_settings(self, settings):
        """The settings as a group keeps them."""
        return {key: tuple(value) if key == "betas" else value for key, value in settings.items()}

    def _check_settings(self, settings):
        """Raise ValueError unless the constructor would take these settings."""
        for key, value in settings.items():
            if key == "betas":
                self._check_betas(value)
            elif key in self.flags:
                self._check_flag(key, value)
            else:
                self._check_number(key, value)

    def _check_betas(self, betas):
        fits = isinstance(betas, (tuple, list)) and len(betas) == 2
        if not fits or not all(is_number(beta) and 0 <= beta < 1 for beta in betas):
            raise ValueError(
                f"{type(self).__name__}: betas are {shown(betas)}, expected two numbers in [0, 1)"
            )

    def _check_flag(self, key, value):
        if not isinstance(value, (bool, np.bool_)):
            raise ValueError(
                f"{type(self).__name__}: {key} is {shown(value)}, expected True or False"
            )

    def _check_number(self, key, value):
        if not is_number(value) or not 0 <= value < np.inf:
            raise ValueError(
                f"{type(self).__name__}: {key} is {shown(value)}, expected a finite number of at "
                "least 0"
            )

    def _refuse(self, **options):
        """Raise ValueError for an option of PyTorch that minigan lacks."""
        for name, value in options.items():
            if value:
                raise ValueError(f"{type(self).__name__} has no {name}, got {value!r}")

    # ---- steps -----------------------------------------------------------------------------------

    def zero_grad(self, set_to_none=True):
        """Forget the gradients of all parameters. set_to_none=False fills them with zeros."""
        for p in self.params:
            if set_to_none or p.grad is None:
                p.grad = None
            else:
                p.grad = p.grad * 0

    def step(self, closure=None):
        """Update every parameter that has a gradient.

        closure: a function that computes the gradients first; step() then returns what it returns.
        Raises ValueError if a gradient has another shape or dtype than its parameter.
        """
        result = None if closure is None else closure()
        rows_of_groups = []
        states = iter(self.state)
        for group in self.param_groups:
            rows = []
            for p in group["params"]:
                state = next(states)
                if p.grad is not None:
                    self._check_gradient(p)
                    rows.append((p.array, p.grad.array, state))
            rows_of_groups.append(rows)
        self._check_state_shapes()
        for rows, group in zip(rows_of_groups, self.param_groups):
            self._update(rows, group)
        for p in self.params:
            if p.grad is not None:
                p._memory.changes += 1
        return result

    def minimize(self, *losses):
        """One step down the gradient of the sum of the losses, for this optimiser's parameters.

        losses: Tensors of one number each, not yet differentiated. The gradients replace what was
        in ``.grad`` of these parameters; no other tensor's ``.grad`` changes. A parameter that the
        losses do not depend on stays as it is. Raises RuntimeError for a loss that depends on
        nothing that requires a gradient.
        """
        self.zero_grad()
        trained = [p for p in self.params if p.requires_grad]
        for loss in losses:
            for p, g in zip(trained, grad(loss, trained)):
                if g is not None:
                    p.grad = g if p.grad is None else p.grad + g
        self.step()

    def _check_gradient(self, p):
        g = p.grad
        if isinstance(g, Tensor):
            array = g.array
            if array.shape == p.array.shape and array.dtype == p.array.dtype:
                return
        got = f"{type(g).__name__} {np.shape(g)} {getattr(g, 'dtype', '')}"
        raise ValueError(
            f"{type(self).__name__} got the gradient {got}, expected a Tensor {p.shape} {p.dtype}"
        )

    def _check_state_shapes(self):
        """Raise ValueError if a parameter got another shape: its moments are of the old entries."""
        for i, (p, state) in enumerate(zip(self.params, self.state)):
            for name, value in state.items():
                if getattr(value, "shape", p.shape) != p.shape:
                    raise ValueError(
                        f"{type(self).__name__} keeps {name} of shape {value.shape} for parameter "
                        f"{i}, which now has shape {p.shape}: make a new optimiser"
                    )

    # ---- checkpoints -----------------------------------------------------------------------------

    def state_dict(self):
        """{"state": {index: {name: array or int}}, "param_groups": [settings and indices]}."""
        kept = {i: copy.deepcopy(state) for i, state in enumerate(self.state) if state}
        groups = []
        first = 0
        for group in self.param_groups:
            settings = {name: group[name] for name in self.settings}
            end = first + len(group["params"])
            groups.append({**self.fixed, **settings, "params": list(range(first, end))})
            first = end
        return {"state": kept, "param_groups": groups}

    def load_state_dict(self, state):
        """Continue from what ``state_dict`` gave.

        Raises ValueError, and changes nothing, for the state of other parameters or settings.
        """
        groups, entries = parts_of(state)
        self._check_groups(groups)
        for i, entry in entries.items():
            self._check_entry(i, entry)
        loaded = [self._own(p, entries.get(i, {})) for i, p in enumerate(self.params)]
        for own, group in zip(self.param_groups, groups):
            own.update(self._own_settings({key: group[key] for key in self.settings}))
        self.state = loaded

    def _check_groups(self, groups):
        """Raise ValueError unless the groups of a state are as many and as large as the own."""
        if len(groups) != len(self.param_groups):
            expected = "one" if len(self.param_groups) == 1 else len(self.param_groups)
            raise ValueError(f"the state has {len(groups)} param_groups, expected {expected}")
        first = 0
        for own, group in zip(self.param_groups, groups):
            self._check_group(group, first, len(own["params"]))
            first += len(own["params"])

    def _check_group(self, group, first, count):
        """The same for one group, whose parameters have the indices from ``first`` on."""
        name = type(self).__name__
        for key, expected in self.fixed.items():
            if key in self.settings:
                continue
            value = group.get(key, expected)
            if type(value) not in (bool, int, float) or value != expected:
                raise ValueError(f"the state has {key}={shown(value)}, which {name} cannot do")
        found = len(group["params"])
        if found != count or not set(self.settings) <= set(group):
            keys = shown(sorted(map(str, group)), 300)
            raise ValueError(
                f"the state is of {found} parameters and settings {keys}, this {name} has "
                f"{count} parameters and {sorted(self.settings)}"
            )
        last = first + count - 1
        if list(group["params"]) != list(range(first, last + 1)):
            raise ValueError(
                f"the state has the params {shown(group['params'])}, expected {first} to {last}"
            )
        self._check_settings({key: group[key] for key in self.settings})

    def _check_entry(self, i, entry):
        """Raise ValueError unless this is what the optimiser keeps of its parameter number i."""
        known = self.needs | self.may_have
        fits = is_stored_int(i, 0, len(self.params) - 1) and isinstance(entry, dict)
        if fits and entry:  # an empty entry is that of a parameter without a step
            fits = self.needs <= set(entry) <= known
        if not fits:
            names = ", ".join(sorted(known)) or "nothing"
            raise ValueError(
                f"the state of parameter {shown(i)} does not fit: {type(self).__name__} "
                f"has {len(self.params)} parameters, each with {names}"
            )
        for name, value in entry.items():
            what = f"the state's {name} of parameter {i} is"
            if name == "step":
                saved_count(what, value)
            else:
                check_like(what, value, self.params[i], signed=name not in SQUARES)

    def _own(self, p, entry):
        """What is kept of the parameter p, in the layout that this optimiser uses."""
        own = {}  # in the order of the entry, so that saving it again gives the same bytes
        for name, value in entry.items():
            if name == "step":
                own[name] = saved_count(name, value)
            else:
                own[name] = like(p.array, value)
        return own
