"""Optimisers: SGD, RMSprop and Adam, exactly as PyTorch defines them.

An optimiser keeps its settings as attributes and, for each parameter, a dict of arrays such as
running means of the gradient. A step changes the parameters in place and counts up their version,
so that a later backward pass through the old values is refused.
"""

import copy
import numbers
from typing import NamedTuple

import numpy as np

from .. import devices
from ..engine import Tensor, grad
from ..files.foreign import is_whole, shown

SQUARES = {"square_avg", "exp_avg_sq"}  # running means of squares: never negative


class Optimizer:
    """The base class: parameters, settings, state, and their way into a checkpoint.

    A subclass defines ``_update(rows)``, which changes each parameter's array in place. A row is
    (p, g, state): the parameter's array, its gradient's array, and what the optimiser keeps of it.
    The layout of a checkpoint is PyTorch's: "step" is a count, all other entries are arrays of the
    parameter's shape.
    """

    needs = set()  # names that every non-empty state of a parameter has
    may_have = set()  # names that it may have, too
    flags = set()  # settings that are True or False
    absent = {  # options of PyTorch's optimisers that these do not have
        "amsgrad": False,
        "maximize": False,
        "centered": False,
        "dampening": 0,
        "decoupled_weight_decay": False,
    }

    def __init__(self, params, **settings):
        self.params = list(params)
        self._check_params()
        self.state = [{} for _ in self.params]
        self.settings = tuple(settings)  # their names
        self._set(settings)

    def _check_params(self):
        name = type(self).__name__
        if not self.params:
            raise ValueError(f"{name} got no parameters")
        for i, p in enumerate(self.params):
            if not isinstance(p, Tensor) or not p.requires_grad or p.node.leaf is None:
                what = "requires none"
                if getattr(p, "requires_grad", False):
                    what = f"is the output of {p.node.name}"
                raise TypeError(
                    f"{name} needs leaf Tensors that require grad; number {i}, "
                    f"{type(p).__name__}, {what}"
                )
            if any(p is other for other in self.params[:i]):
                raise ValueError(
                    f"{name} got parameter {i} of {len(self.params)} twice, expected once"
                )

    def _set(self, settings):
        """Store the settings as attributes; schedules write self.lr later."""
        self._check_settings(settings)
        for key, value in settings.items():
            if key == "betas":
                value = tuple(value)
            setattr(self, key, value)

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
        if not fits or not all(_is_number(beta) and 0 <= beta < 1 for beta in betas):
            raise ValueError(
                f"{type(self).__name__}: betas are {shown(betas)}, expected two numbers in [0, 1)"
            )

    def _check_flag(self, key, value):
        if not isinstance(value, (bool, np.bool_)):
            raise ValueError(
                f"{type(self).__name__}: {key} is {shown(value)}, expected True or False"
            )

    def _check_number(self, key, value):
        if not _is_number(value) or not 0 <= value < np.inf:
            raise ValueError(
                f"{type(self).__name__}: {key} is {shown(value)}, expected a finite number of at "
                "least 0"
            )

    def zero_grad(self):
        """Forget the gradients of all parameters."""
        for p in self.params:
            p.grad = None

    def step(self):
        """Update every parameter that has a gradient.

        Raises ValueError if a gradient has another shape or dtype than its parameter.
        """
        rows = []
        for p, state in zip(self.params, self.state):
            if p.grad is not None:
                self._check_gradient(p)
                rows.append((p.array, p.grad.array, state))
        self._check_state_shapes()
        self._update(rows)
        for p in self.params:
            if p.grad is not None:
                p._version[0] += 1

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

    def state_dict(self):
        """{"state": {index: {name: array or int}}, "param_groups": [settings and indices]}."""
        kept = {i: copy.deepcopy(state) for i, state in enumerate(self.state) if state}
        settings = {name: getattr(self, name) for name in self.settings}
        indices = list(range(len(self.params)))
        return {
            "state": kept,
            "param_groups": [{**self.absent, **settings, "params": indices}],
        }

    def load_state_dict(self, state):
        """Continue from what ``state_dict`` gave.

        Raises ValueError, and changes nothing, for the state of other parameters or settings.
        """
        group, entries = self._parts_of(state)
        self._check_group(group)
        for i, entry in entries.items():
            self._check_entry(i, entry)
        loaded = [self._own(p, entries.get(i, {})) for i, p in enumerate(self.params)]
        self._set({key: group[key] for key in self.settings})
        self.state = loaded

    def _parts_of(self, state):
        """Take a state apart: the settings and indices, {index: what is kept of the parameter}."""
        if not isinstance(state, dict) or not {"state", "param_groups"} <= set(state):
            found = sorted(map(str, state)) if isinstance(state, dict) else state
            raise ValueError(
                f"expected an optimiser's state with state and param_groups, got {shown(found)}"
            )
        groups = state["param_groups"]
        entries = state["state"]
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
        """Raise ValueError unless this is what the optimiser keeps of its parameter number i."""
        known = self.needs | self.may_have
        fits = is_whole(i, 0, len(self.params) - 1) and isinstance(entry, dict)
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
                _whole(what, value)
            else:
                _check_like(what, value, self.params[i], signed=name not in SQUARES)

    def _own(self, p, entry):
        """What is kept of the parameter p, in the layout that this optimiser uses."""
        own = {}  # in the order of the entry, so that saving it again gives the same bytes
        for name, value in entry.items():
            if name == "step":
                own[name] = _whole(name, value)
            else:
                own[name] = _like(p.array, value)
        return own


def _is_number(value):
    return isinstance(value, numbers.Real) and not isinstance(value, (bool, np.bool_))


def _whole(what, value):
    """A count as an int. Raises ValueError for anything else.

    The count may be a number, or an array or tensor without axes, as PyTorch saves it.
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
    """Raise ValueError unless the value is an array of finite floats of the shape of p.

    signed: whether numbers below 0 are allowed.
    """
    shape = np.shape(value)
    if shape != p.shape:
        raise ValueError(f"{what} of shape {shape}, expected shape {p.shape}")
    array = None
    if getattr(value, "dtype", None) is not None:
        array = devices.to_numpy(value)
    if array is None or array.dtype.kind != "f":
        raise ValueError(f"{what} {shown(value)}, expected an array of floats")
    if signed:
        if not np.isfinite(array).all():
            raise ValueError(f"{what} an array with a number that is not finite")
    elif not np.isfinite(array).all() or (array < 0).any():
        raise ValueError(f"{what} an array with a number that is not finite or below 0")


def _like(p, values):
    """The values as an array with the memory layout of p, so that an update reads both in order."""
    array = devices.xp.empty_like(p)
    array[...] = devices.xp.asarray(devices.to_numpy(values), p.dtype)
    return array


def _remember(state, name, decay, value):
    """state[name] = decay * state[name] + value, where state[name] begins as 0."""
    total = state.setdefault(name, devices.xp.zeros_like(value))
    total *= decay
    total += value
    return total


class SGD(Optimizer):
    """Stochastic gradient descent: buf = momentum * buf + g;  p -= lr * buf.

    nesterov=True: p -= lr * (g + momentum * buf). weight_decay: weight_decay * p is added to g.
    """

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
            if self.weight_decay:
                g = g + self.weight_decay * p
            step = g
            if self.momentum:
                buf = _remember(state, "momentum_buffer", self.momentum, g)
                step = g + self.momentum * buf if self.nesterov else buf
            p -= self.lr * step


class RMSprop(Optimizer):
    """v = alpha * v + (1 - alpha) * g^2;  p -= lr * g / (sqrt(v) + eps) (Tieleman and Hinton 2012).

    momentum: of the steps g / (sqrt(v) + eps). weight_decay: weight_decay * p is added to g.
    """

    needs = {"square_avg"}
    may_have = {"step", "momentum_buffer"}

    def __init__(self, params, lr=1e-2, *, alpha=0.99, eps=1e-8, weight_decay=0.0, momentum=0.0):
        super().__init__(
            params, lr=lr, alpha=alpha, eps=eps, weight_decay=weight_decay, momentum=momentum
        )

    def _update(self, rows):
        for p, g, state in rows:
            if self.weight_decay:
                g = g + self.weight_decay * p
            state["step"] = state.get("step", 0) + 1  # only so that PyTorch can load this state
            v = _remember(state, "square_avg", self.alpha, (1 - self.alpha) * g * g)
            step = g / (devices.xp.sqrt(v) + self.eps)
            if self.momentum:
                step = _remember(state, "momentum_buffer", self.momentum, step)
            p -= self.lr * step


class Adam(Optimizer):
    """Adam (Kingma and Ba 2015): p -= lr * m^ / (sqrt(v^) + eps).

    m = beta1 * m + (1 - beta1) * g and v = beta2 * v + (1 - beta2) * g^2 are the running means of
    the gradient and its square; m^ = m / (1 - beta1^step) and v^ = v / (1 - beta2^step) correct
    their start at 0. weight_decay: weight_decay * p is added to g.
    """

    needs = {"step", "exp_avg", "exp_avg_sq"}

    def __init__(self, params, lr=1e-3, *, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
        super().__init__(params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)

    def _update(self, rows):
        groups = {}  # step -> its tensors: one group, unless a parameter was frozen for a while
        for p, g, state in rows:
            if not state:
                state["step"] = 0
                state["exp_avg"] = devices.xp.zeros_like(p)
                state["exp_avg_sq"] = devices.xp.zeros_like(p)
            state["step"] += 1
            if state["step"] not in groups:
                groups[state["step"]] = _Tensors([], [], [], [])
            group = groups[state["step"]]
            group.params.append(p)
            group.grads.append(g)
            group.exp_avgs.append(state["exp_avg"])
            group.exp_avg_sqs.append(state["exp_avg_sq"])
        for step, group in groups.items():
            devices.kernels.adam(*group, step, self.lr, self.betas, self.eps, self.weight_decay)


class _Tensors(NamedTuple):
    """The arrays that one launch of Adam's kernel updates."""

    params: list
    grads: list
    exp_avgs: list  # running means of the gradients
    exp_avg_sqs: list  # running means of their squares
