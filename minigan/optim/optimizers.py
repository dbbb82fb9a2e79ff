"""Optimisers, learning-rate schedules and weight averages, with PyTorch's definitions to the
letter.

An optimiser holds its settings as attributes and, per parameter, a dict of arrays. A step changes
parameters in place and counts a new version, so a backward pass through the old values is
refused.
"""

import copy
import numbers

import numpy as np

from .. import devices
from ..engine import Tensor, grad
from ..files.foreign import is_whole, shown

SQUARES = {"square_avg", "exp_avg_sq"}  # running means of squares


class Optimizer:
    """The base: parameters, settings, per-parameter state, and its way into a checkpoint
    (PyTorch's layout).

    A subclass defines ``_update(rows)``, which changes each array p in place: rows of (p, its
    gradient, its state). It names in ``needs`` what a parameter's state cannot do without, in
    ``may_have`` what else may be there, and in ``flags`` the settings that are True or False.
    "step" is a count; all else are arrays of the parameter's shape.
    """

    needs = set()
    may_have = set()
    flags = set()
    absent = {
        "amsgrad": False,
        "maximize": False,
        "centered": False,
        "dampening": 0,
        "decoupled_weight_decay": False,
    }  # what PyTorch's can also do

    def __init__(self, params, **settings):
        name, self.params = type(self).__name__, list(params)
        if not self.params:
            raise ValueError(f"{name} got no parameters")
        for i, p in enumerate(self.params):
            if not isinstance(p, Tensor) or not p.requires_grad or p.node.leaf is None:
                what = (
                    f"is the output of {p.node.name}"
                    if getattr(p, "requires_grad", False)
                    else "requires none"
                )
                raise TypeError(
                    f"{name} needs leaf Tensors that require grad; number {i}, {type(p).__name__}, {what}"
                )
            if any(p is other for other in self.params[:i]):
                raise ValueError(
                    f"{name} got parameter {i} of {len(self.params)} twice, expected once"
                )
        self.settings, self.state = tuple(settings), [{} for _ in self.params]
        self._set(settings)

    def _set(self, settings):
        """self.lr, which schedules write, and the rest."""
        self._check_settings(settings)
        for key, value in settings.items():
            setattr(self, key, tuple(value) if key == "betas" else value)

    def _check_settings(self, settings):
        """Raise ValueError unless the constructor would take them."""
        for key, value in settings.items():
            self._check_setting(key, value)

    def _check_setting(self, key, value):
        name = type(self).__name__
        if key == "betas":
            two = isinstance(value, (tuple, list)) and len(value) == 2
            if not two or not all(_is_number(b) and 0 <= b < 1 for b in value):
                raise ValueError(
                    f"{name}: betas are {shown(value)}, expected two numbers in [0, 1)"
                )
        elif key in self.flags:
            if not isinstance(value, (bool, np.bool_)):
                raise ValueError(f"{name}: {key} is {shown(value)}, expected True or False")
        elif not _is_number(value) or not 0 <= value < np.inf:
            raise ValueError(
                f"{name}: {key} is {shown(value)}, expected a finite number of at least 0"
            )

    def zero_grad(self):
        """Forget the gradients of all parameters."""
        for p in self.params:
            p.grad = None

    def step(self):
        """Update every parameter that has a gradient; ValueError where that is of another shape
        or dtype.
        """
        active = [(p, s) for p, s in zip(self.params, self.state) if p.grad is not None]
        for p, _ in active:
            g = p.grad
            if not isinstance(g, Tensor) or (g.array.shape, g.array.dtype) != (
                p.array.shape,
                p.array.dtype,
            ):
                got = f"{type(g).__name__} {np.shape(g)} {getattr(g, 'dtype', '')}"
                raise ValueError(
                    f"{type(self).__name__} got the gradient {got}, expected a Tensor {p.shape} {p.dtype}"
                )
        self._check_state_shapes()
        self._update([(p.array, p.grad.array, s) for p, s in active])
        for p, _ in active:
            p._version[0] += 1

    def minimize(self, *losses):
        """One step down the gradient of the sum of the losses, for this optimiser's parameters.

        losses: Tensors of one number each. The gradients are left in ``.grad`` of these parameters,
        in the place of what was there; no other tensor's ``.grad`` changes. A parameter that the
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

    def _check_state_shapes(self):
        """Moments of other entries would be no moments of these: a parameter keeps its shape."""
        for i, (p, state) in enumerate(zip(self.params, self.state)):
            for name, value in state.items():
                if getattr(value, "shape", p.shape) != p.shape:
                    raise ValueError(
                        f"{type(self).__name__} keeps {name} of shape {value.shape} for parameter {i}, "
                        f"which now has shape {p.shape}: make a new optimiser"
                    )

    def state_dict(self):
        """{"state": {index: {name: array or int}}, "param_groups": [settings and indices]}."""
        settings = {k: getattr(self, k) for k in self.settings}
        return {
            "state": {i: copy.deepcopy(s) for i, s in enumerate(self.state) if s},
            "param_groups": [{**self.absent, **settings, "params": list(range(len(self.params)))}],
        }

    def load_state_dict(self, state):
        """Continue from what ``state_dict`` gave. Raises ValueError where it is of other
        parameters or settings.
        """
        group, entries = self._parts_of(state)
        self._check_group(group)
        for i, entry in entries.items():
            self._check_entry(i, entry)
        loaded = [self._own(p, entries.get(i, {})) for i, p in enumerate(self.params)]
        self._set({key: group[key] for key in self.settings})
        self.state = loaded

    def _parts_of(self, state):
        """-> settings and indices, {index: what is kept of this parameter}."""
        if not isinstance(state, dict) or not {"state", "param_groups"} <= set(state):
            found = sorted(map(str, state)) if isinstance(state, dict) else state
            raise ValueError(
                f"expected an optimiser's state with state and param_groups, got {shown(found)}"
            )
        groups, entries = state["param_groups"], state["state"]
        if not isinstance(groups, (list, tuple)) or len(groups) != 1:
            found = len(groups) if isinstance(groups, (list, tuple)) else shown(groups)
            raise ValueError(f"the state has {found} param_groups, expected one")
        group = groups[0]
        if not isinstance(group, dict) or not isinstance(group.get("params"), (list, tuple)):
            raise ValueError(
                f"the state has the param_group {shown(group)}, expected settings and params"
            )
        if not isinstance(entries, dict):
            raise ValueError(
                f"the state has the state {shown(entries)}, expected what is kept by index"
            )
        return group, entries

    def _check_group(self, group):
        for key in self.absent:
            value = group.get(key, False)
            if type(value) not in (bool, int, float) or value != 0:
                name = type(self).__name__
                raise ValueError(f"the state has {key}={shown(value)}, which {name} cannot do")
        count = len(group["params"])
        if count != len(self.params) or not set(self.settings) <= set(group):
            found = shown(sorted(map(str, group)), 300)
            raise ValueError(
                f"the state is of {count} parameters and settings {found}, this "
                f"{type(self).__name__} has {len(self.params)} parameters and "
                f"{sorted(self.settings)}"
            )
        if list(group["params"]) != list(range(count)):
            found = shown(group["params"])
            raise ValueError(f"the state has the params {found}, expected 0 to {count - 1}")
        self._check_settings({key: group[key] for key in self.settings})

    def _check_entry(self, i, entry):
        """Is this what an optimiser keeps of its parameter number i?"""
        known = self.needs | self.may_have
        fits = is_whole(i, 0, len(self.params) - 1) and isinstance(entry, dict)
        if not fits or entry and not self.needs <= set(entry) or not set(entry) <= known:
            names = ", ".join(sorted(known)) or "nothing"
            raise ValueError(
                f"the state of parameter {shown(i)} does not fit: {type(self).__name__} "
                f"has {len(self.params)} parameters, each with {names}"
            )
        for name, value in entry.items():
            what = f"the state's {name} of parameter {i} is"
            if name == "step":
                _whole(what, value)
            else:
                _check_like(what, value, self.params[i], signed=name not in SQUARES)

    def _own(self, p, entry):
        """What is kept of the parameter p, as this optimiser has it."""
        own = {}  # in the order of the entry, so that it is saved again to the same bytes
        for name, value in entry.items():
            own[name] = _whole(name, value) if name == "step" else _like(p.array, value)
        return own


def _is_number(value):
    return isinstance(value, numbers.Real) and not isinstance(value, (bool, np.bool_))


def _whole(what, value):
    """A count, as a number or as an array or tensor without axes, such as PyTorch's -> int.
    Raises ValueError.
    """
    number = value
    if hasattr(value, "dtype") and np.shape(value) == ():
        number = value.item()
    if type(number) is float and number.is_integer():
        number = int(number)
    if type(value) is float or not is_whole(number):
        raise ValueError(f"{what} {shown(value)}, expected at least 0 and a whole number")
    return number


def _check_like(what, value, p, signed):
    """Raise ValueError unless the value is an array for the parameter p: floats of its shape, all
    finite.
    """
    shape, dtype = np.shape(value), getattr(value, "dtype", None)
    if shape != p.shape:
        raise ValueError(f"{what} of shape {shape}, expected shape {p.shape}")
    array = None if dtype is None else devices.to_numpy(value)
    if array is None or array.dtype.kind != "f":
        raise ValueError(f"{what} {shown(value)}, expected an array of floats")
    if not np.isfinite(array).all() or not signed and (array < 0).any():
        also = "" if signed else " or below 0"
        raise ValueError(f"{what} an array with a number that is not finite{also}")


def _like(p, values):
    """The values as an array that lies in memory as p does: an update then runs through both side
    by side.
    """
    array = devices.xp.empty_like(p)
    array[...] = devices.xp.asarray(devices.to_numpy(values), p.dtype)
    return array


def _remember(state, name, decay, value):
    """state[name] = decay state[name] + value, from 0 on."""
    total = state.setdefault(name, devices.xp.zeros_like(value))
    total *= decay
    total += value
    return total


class SGD(Optimizer):
    """buf = momentum buf + grad; p -= lr buf (nesterov: p -= lr (grad + momentum buf))."""

    may_have = {"momentum_buffer"}
    flags = {"nesterov"}

    def __init__(self, params, lr=1e-3, *, momentum=0.0, weight_decay=0.0, nesterov=False):
        super().__init__(
            params, lr=lr, momentum=momentum, weight_decay=weight_decay, nesterov=nesterov
        )

    def _check_settings(self, settings):
        super()._check_settings(settings)
        if settings["nesterov"] and settings["momentum"] == 0:
            raise ValueError("nesterov needs a momentum above 0")

    def _update(self, rows):
        for p, g, state in rows:
            g = g + self.weight_decay * p if self.weight_decay else g
            if self.momentum:
                buf = _remember(state, "momentum_buffer", self.momentum, g)
                g = g + self.momentum * buf if self.nesterov else buf
            p -= self.lr * g


class RMSprop(Optimizer):
    """v = alpha v + (1 - alpha) grad^2; p -= lr grad / (sqrt(v) + eps) (Tieleman and Hinton
    2012).
    """

    needs = {"square_avg"}
    may_have = {"step", "momentum_buffer"}

    def __init__(self, params, lr=1e-2, *, alpha=0.99, eps=1e-8, weight_decay=0.0, momentum=0.0):
        super().__init__(
            params, lr=lr, alpha=alpha, eps=eps, weight_decay=weight_decay, momentum=momentum
        )

    def _update(self, rows):
        for p, g, state in rows:
            g = g + self.weight_decay * p if self.weight_decay else g
            state["step"] = state.get("step", 0) + 1  # which nothing here needs, but PyTorch's
            v = _remember(state, "square_avg", self.alpha, (1 - self.alpha) * g * g)
            d = g / (devices.xp.sqrt(v) + self.eps)
            p -= self.lr * (
                _remember(state, "momentum_buffer", self.momentum, d) if self.momentum else d
            )


class Adam(Optimizer):
    """Kingma and Ba 2015: p -= lr m^ / (sqrt(v^) + eps), with the bias-corrected moments of the
    gradient.
    """

    needs = {"step", "exp_avg", "exp_avg_sq"}

    def __init__(self, params, lr=1e-3, *, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
        super().__init__(params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)

    def _update(self, rows):
        groups = {}  # by step: one group, unless some parameter was frozen for a while
        for p, g, state in rows:
            if not state:
                state.update(
                    step=0, exp_avg=devices.xp.zeros_like(p), exp_avg_sq=devices.xp.zeros_like(p)
                )
            state["step"] += 1
            groups.setdefault(state["step"], []).append(
                (p, g, state["exp_avg"], state["exp_avg_sq"])
            )
        for step, group in groups.items():
            devices.kernels.adam(
                *map(list, zip(*group)), step, self.lr, self.betas, self.eps, self.weight_decay
            )
