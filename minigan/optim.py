"""Optimisers, learning-rate schedules and weight averages, with PyTorch's definitions to the letter.

An optimiser holds its settings as attributes and, per parameter, a dict of arrays. A step changes parameters in place
and counts a new version, so a backward pass through the old values is refused.
"""

import copy
import numbers

import numpy as np

from . import devices
from .engine import Tensor
from .module import Buffer


class Optimizer:
    """The base: parameters, settings, per-parameter state, and its way into a checkpoint (PyTorch's layout).

    A subclass defines ``_update(rows)``, which changes each array p in place: rows of (p, its gradient, its state), and
    names in ``needs`` what a parameter's state cannot do without.
    """

    needs = set()
    absent = {"amsgrad": False, "maximize": False, "centered": False, "dampening": 0,
              "decoupled_weight_decay": False}  # what PyTorch's can also do

    def __init__(self, params, **settings):
        name, self.params = type(self).__name__, list(params)
        if not self.params:
            raise ValueError(f"{name} got no parameters")
        for i, p in enumerate(self.params):
            if not isinstance(p, Tensor) or not p.requires_grad or p.node.leaf is None:
                what = f"is the output of {p.node.name}" if getattr(p, "requires_grad", False) else "requires none"
                raise TypeError(f"{name} needs leaf Tensors that require grad; number {i}, {type(p).__name__}, {what}")
            if any(p is other for other in self.params[:i]):
                raise ValueError(f"{name} got parameter {i} of {len(self.params)} twice, expected once")
        self.settings, self.state = tuple(settings), [{} for _ in self.params]
        self._set(settings)

    def _set(self, settings):
        """self.lr, which schedules write, and the rest."""
        for key, value in settings.items():
            if key == "betas" and not (isinstance(value, (tuple, list)) and len(value) == 2
                                       and all(isinstance(b, numbers.Real) and 0 <= b < 1 for b in value)):
                raise ValueError(f"{type(self).__name__}: betas are {value}, expected two numbers in [0, 1)")
            if key != "betas" and not (isinstance(value, numbers.Real) and 0 <= value < np.inf):
                raise ValueError(f"{type(self).__name__}: {key} is {value!r}, expected a finite number of at least 0")
        vars(self).update((key, tuple(value) if key == "betas" else value) for key, value in settings.items())

    def zero_grad(self):
        """Forget the gradients of all parameters."""
        for p in self.params:
            p.grad = None

    def step(self):
        """Update every parameter that has a gradient; ValueError where that is of another shape or dtype."""
        active = [(p, s) for p, s in zip(self.params, self.state) if p.grad is not None]
        for p, _ in active:
            g = p.grad
            if not isinstance(g, Tensor) or (g.data.shape, g.data.dtype) != (p.data.shape, p.data.dtype):
                got = f"{type(g).__name__} {np.shape(g)} {getattr(g, 'dtype', '')}"
                raise ValueError(f"{type(self).__name__} got the gradient {got}, expected a Tensor {p.shape} {p.dtype}")
        self._update([(p.data, p.grad.data, s) for p, s in active])
        for p, _ in active:
            p._version[0] += 1

    def state_dict(self):
        """{"state": {index: {name: array or int}}, "param_groups": [settings and indices]}."""
        settings = {k: getattr(self, k) for k in self.settings}
        return {"state": {i: copy.deepcopy(s) for i, s in enumerate(self.state) if s},
                "param_groups": [{**self.absent, **settings, "params": list(range(len(self.params)))}]}

    def load_state_dict(self, state):
        """Continue from what ``state_dict`` gave. Raises ValueError where it is of other parameters or settings."""
        if not {"state", "param_groups"} <= set(state):
            raise ValueError(f"expected an optimiser's state with state and param_groups, got {sorted(state)}")
        if len(state["param_groups"]) != 1:
            raise ValueError(f"the state has {len(state['param_groups'])} param_groups, expected one")
        group, entries = state["param_groups"][0], {int(i): s for i, s in state["state"].items()}
        if odd := [key for key in self.absent if group.get(key)]:
            raise ValueError(f"the state has {odd[0]}={group[odd[0]]}, which {type(self).__name__} cannot do")
        if odd := [i for i, s in entries.items() if int(s.get("step", 0)) < 0]:
            raise ValueError(f"the state of parameter {odd[0]} has step {entries[odd[0]]['step']}, expected at least 0")
        if odd := [i for i, s in entries.items() if i not in range(len(self.params)) or s and not self.needs <= set(s)]:
            raise ValueError(f"the state of parameter {odd[0]} does not fit: {type(self).__name__} has "
                             f"{len(self.params)} parameters, each with {', '.join(sorted(self.needs)) or 'anything'}")
        if len(group["params"]) != len(self.params) or not set(self.settings) <= set(group):
            raise ValueError(f"the state is of {len(group['params'])} parameters and settings {sorted(group)}, this "
                             f"{type(self).__name__} has {len(self.params)} parameters and {sorted(self.settings)}")
        for i, name, shape in ((i, k, np.shape(v)) for i, entry in entries.items() for k, v in entry.items()):
            if shape not in ((), self.params[i].shape):
                raise ValueError(f"state {name} of parameter {i} has shape {shape}, expected {self.params[i].shape}")
        loaded = [{k: int(v) if k == "step" else _like(p.data, v) for k, v in entries.get(i, {}).items()}
                  for i, p in enumerate(self.params)]
        self._set({key: group[key] for key in self.settings})
        self.state = loaded


def _like(p, values):
    """The values as an array that lies in memory as p does: an update then runs through both side by side."""
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

    def __init__(self, params, lr=1e-3, *, momentum=0.0, weight_decay=0.0, nesterov=False):
        if nesterov and momentum == 0:
            raise ValueError("nesterov needs a momentum above 0")
        super().__init__(params, lr=lr, momentum=momentum, weight_decay=weight_decay, nesterov=nesterov)

    def _update(self, rows):
        for p, g, state in rows:
            g = g + self.weight_decay * p if self.weight_decay else g
            if self.momentum:
                buf = _remember(state, "momentum_buffer", self.momentum, g)
                g = g + self.momentum * buf if self.nesterov else buf
            p -= self.lr * g


class RMSprop(Optimizer):
    """v = alpha v + (1 - alpha) grad^2; p -= lr grad / (sqrt(v) + eps) (Tieleman and Hinton 2012)."""

    needs = {"square_avg"}

    def __init__(self, params, lr=1e-2, *, alpha=0.99, eps=1e-8, weight_decay=0.0, momentum=0.0):
        super().__init__(params, lr=lr, alpha=alpha, eps=eps, weight_decay=weight_decay, momentum=momentum)

    def _update(self, rows):
        for p, g, state in rows:
            g = g + self.weight_decay * p if self.weight_decay else g
            state["step"] = state.get("step", 0) + 1  # which nothing here needs, but PyTorch's
            v = _remember(state, "square_avg", self.alpha, (1 - self.alpha) * g * g)
            d = g / (devices.xp.sqrt(v) + self.eps)
            p -= self.lr * (_remember(state, "momentum_buffer", self.momentum, d) if self.momentum else d)


class Adam(Optimizer):
    """Kingma and Ba 2015: p -= lr m^ / (sqrt(v^) + eps), with the bias-corrected moments of the gradient."""

    needs = {"step", "exp_avg", "exp_avg_sq"}

    def __init__(self, params, lr=1e-3, *, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
        super().__init__(params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)

    def _update(self, rows):
        groups = {}  # by step: one group, unless some parameter was frozen for a while
        for p, g, state in rows:
            if not state:
                state.update(step=0, exp_avg=devices.xp.zeros_like(p), exp_avg_sq=devices.xp.zeros_like(p))
            state["step"] += 1
            groups.setdefault(state["step"], []).append((p, g, state["exp_avg"], state["exp_avg_sq"]))
        for step, group in groups.items():
            devices.kernels.adam(*map(list, zip(*group)), step, self.lr, self.betas, self.eps, self.weight_decay)


class LambdaLR:
    """A learning-rate schedule: lr = initial lr * factor(number of ``step()`` calls so far)."""

    def __init__(self, optimizer, factor):
        self.optimizer, self.factor = optimizer, factor
        self.load_state_dict({"count": 0, "base": optimizer.lr})

    def step(self):
        """Move on by one."""
        self.load_state_dict({"count": self.count + 1, "base": self.base})

    def state_dict(self):
        return {"count": self.count, "base": self.base}

    def load_state_dict(self, state):
        self.count, self.base = state["count"], state["base"]
        self.optimizer.lr = self.base * self.factor(self.count)


def ExponentialLR(optimizer, gamma):
    """lr * gamma^step."""
    return LambdaLR(optimizer, lambda step: gamma ** step)


def StepLR(optimizer, step_size, gamma=0.1):
    """lr * gamma^(step // step_size)."""
    if step_size < 1:
        raise ValueError(f"StepLR: step_size is {step_size}, expected at least 1")
    return LambdaLR(optimizer, lambda step: gamma ** (step // step_size))


def ConstantThenLinearLR(optimizer, constant, linear):
    """lr for ``constant`` steps, then down in a straight line to 0 over ``linear`` more (CycleGAN's schedule)."""
    if constant < 0 or linear < 1:
        raise ValueError(f"ConstantThenLinearLR: constant is {constant} and linear {linear}, expected at least 0 and 1")
    return LambdaLR(optimizer, lambda step: 1 - max(0, min(step, constant + linear) - constant) / linear)


class ExponentialMovingAverage:
    """A second copy of a network whose weights follow the first: average += (1 - decay) (weight - average).

    ``module`` is the averaged network, ready to sample from. Running statistics are copied, not averaged. In its first
    steps the decay is (1 + n) / (10 + n), so that the average forgets the random start.
    """

    def __init__(self, module, decay=0.999):
        if not 0 <= decay < 1:
            raise ValueError(f"decay is {decay}, expected 0 <= decay < 1")
        self.module, self.decay, self.count = copy.deepcopy(module).requires_grad_(False), decay, 0

    def update(self, module):
        """Move the average towards the network's present weights."""
        self.count += 1
        decay = min(self.decay, (1 + self.count) / (10 + self.count))
        for average, weight in zip(self.module.parameters(), module.parameters()):
            average.copy_(average.data + (1 - decay) * (weight.data - average.data))
        for (_, own), (_, theirs) in zip(self.module.named_tensors(Buffer), module.named_tensors(Buffer)):
            own.copy_(theirs)

    def state_dict(self):
        return {"module": self.module.state_dict(), "count": self.count}

    def load_state_dict(self, state):
        self.module.load_state_dict(state["module"])
        self.count = state["count"]
