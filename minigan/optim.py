"""Optimisers, learning-rate schedules and weight averages, with PyTorch's definitions to the letter.

An optimiser holds one dict of settings and, per parameter, a dict of arrays. A step changes parameters in place and
counts a new version, so a backward pass through the old values is refused.
"""

import copy
import numbers

import numpy as np

from . import devices
from .engine import Tensor
from .nn import Buffer


class Optimizer:
    """The base: parameters, settings, per-parameter state, and its way into a checkpoint (PyTorch's layout)."""

    def __init__(self, params, **settings):
        self.params = list(params)
        if not self.params:
            raise ValueError(f"{type(self).__name__} got no parameters")
        for i, p in enumerate(self.params):
            if not isinstance(p, Tensor) or not p.requires_grad or p.node.leaf is None:
                what = "requires none" if not getattr(p, "requires_grad", 0) else f"is the output of {p.node.name}"
                raise TypeError(f"{type(self).__name__} needs leaf Tensors that require grad, number {i}, a "
                                f"{type(p).__name__}, {what}")
            if any(p is other for other in self.params[:i]):
                raise ValueError(f"{type(self).__name__} got parameter {i} of {len(self.params)} twice, expected once")
        for name, value in settings.items():
            if name != "betas" and not (isinstance(value, numbers.Real) and 0 <= value < np.inf):
                raise ValueError(f"{type(self).__name__}: {name} is {value!r}, expected a finite number of at least 0")
        self.settings = settings
        self.state = [{} for _ in self.params]

    @property
    def lr(self):
        """The learning rate; schedules write it."""
        return self.settings["lr"]

    @lr.setter
    def lr(self, value):
        self.settings["lr"] = value

    def zero_grad(self):
        """Forget the gradients of all parameters."""
        for p in self.params:
            p.grad = None

    def step(self):
        """Update every parameter that has a gradient."""
        active = [(p, s) for p, s in zip(self.params, self.state) if p.grad is not None]
        if active:
            self._update([p.data for p, _ in active], [p.grad.data for p, _ in active], [s for _, s in active])
        for p, _ in active:
            p._version[0] += 1

    def state_dict(self):
        """{"state": {index: {name: array or int}}, "param_groups": [settings and indices]}."""
        state = {i: {k: v.copy() if hasattr(v, "copy") else v for k, v in s.items()}
                 for i, s in enumerate(self.state) if s}
        return {"state": state, "param_groups": [{**self.settings, "params": list(range(len(self.params)))}]}

    def load_state_dict(self, state):
        """Continue from what ``state_dict`` gave. Raises ValueError where it is of other parameters or settings."""
        if not {"state", "param_groups"} <= set(state):
            raise ValueError(f"expected an optimiser's state with state and param_groups, got {sorted(state)}")
        group, entries = state["param_groups"][0], {int(i): s for i, s in state["state"].items()}
        if len(group["params"]) != len(self.params) or not set(self.settings) <= set(group):
            raise ValueError(f"the state is of an optimiser with {len(group['params'])} parameters and settings "
                             f"{sorted(set(group) - {'params'})}, this {type(self).__name__} has "
                             f"{len(self.params)} and {sorted(self.settings)}")
        for i, entry in entries.items():
            for name, value in entry.items():
                if np.ndim(value) and np.shape(value) != self.params[i].shape:
                    raise ValueError(f"optimiser state {name} of parameter {i} has shape {np.shape(value)}, expected "
                                     f"{self.params[i].shape}")
        self.settings = {k: tuple(group[k]) if isinstance(group[k], list) else group[k] for k in self.settings}
        self.state = [{k: int(v) if k == "step" else devices.xp.array(devices.to_numpy(v), p.dtype)
                       for k, v in entries.get(i, {}).items()} for i, p in enumerate(self.params)]


class SGD(Optimizer):
    """buf = momentum buf + grad; p -= lr buf (nesterov: p -= lr (grad + momentum buf))."""

    def __init__(self, params, lr=1e-3, *, momentum=0.0, weight_decay=0.0, nesterov=False):
        if nesterov and momentum == 0:
            raise ValueError("nesterov needs a momentum above 0")
        super().__init__(params, lr=lr, momentum=momentum, weight_decay=weight_decay, nesterov=nesterov)

    def _update(self, params, grads, states):
        lr, momentum, decay = self.lr, self.settings["momentum"], self.settings["weight_decay"]
        for p, g, state in zip(params, grads, states):
            g = g + decay * p if decay else g
            if momentum:
                buf = state["momentum_buffer"] = momentum * state["momentum_buffer"] + g if state else g.copy()
                g = g + momentum * buf if self.settings["nesterov"] else buf
            p -= lr * g


class RMSprop(Optimizer):
    """v = alpha v + (1 - alpha) grad^2; p -= lr grad / (sqrt(v) + eps) (Tieleman and Hinton 2012)."""

    def __init__(self, params, lr=1e-2, *, alpha=0.99, eps=1e-8, weight_decay=0.0, momentum=0.0):
        super().__init__(params, lr=lr, alpha=alpha, eps=eps, weight_decay=weight_decay, momentum=momentum)

    def _update(self, params, grads, states):
        lr, alpha, eps, decay, momentum = (self.settings[k] for k in ("lr", "alpha", "eps", "weight_decay", "momentum"))
        for p, g, state in zip(params, grads, states):
            g = g + decay * p if decay else g
            v = state.setdefault("square_avg", devices.xp.zeros_like(p))
            v *= alpha
            v += (1 - alpha) * g * g
            d = g / (devices.xp.sqrt(v) + eps)
            if momentum:
                buf = state.setdefault("momentum_buffer", devices.xp.zeros_like(p))
                buf *= momentum
                buf += d
                d = buf
            p -= lr * d


class Adam(Optimizer):
    """Kingma and Ba 2015: p -= lr m^ / (sqrt(v^) + eps), with the bias-corrected moments of the gradient."""

    def __init__(self, params, lr=1e-3, *, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
        if not (isinstance(betas, (tuple, list)) and len(betas) == 2 and all(0 <= b < 1 for b in betas)):
            raise ValueError(f"Adam: betas are {betas}, expected two numbers in [0, 1)")
        super().__init__(params, lr=lr, betas=tuple(betas), eps=eps, weight_decay=weight_decay)

    def _update(self, params, grads, states):
        for p, state in zip(params, states):
            if not state:
                state.update(step=0, exp_avg=devices.xp.zeros_like(p), exp_avg_sq=devices.xp.zeros_like(p))
            state["step"] += 1
        for step in sorted({s["step"] for s in states}):  # one, unless some parameter was frozen for a while
            rows = [(p, g, s["exp_avg"], s["exp_avg_sq"]) for p, g, s in zip(params, grads, states)
                    if s["step"] == step]
            devices.kernels.adam(*map(list, zip(*rows)), step, **self.settings)


class LambdaLR:
    """A learning-rate schedule: lr = initial lr * factor(number of ``step()`` calls so far)."""

    def __init__(self, optimizer, factor):
        self.optimizer, self.factor, self.base, self.count = optimizer, factor, optimizer.lr, 0
        optimizer.lr = self.base * factor(0)

    def step(self):
        """Move on by one."""
        self.count += 1
        self.optimizer.lr = self.base * self.factor(self.count)

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
        for (_, own), (_, theirs) in zip(self.module._named(Buffer), module._named(Buffer)):
            own.copy_(theirs)

    def state_dict(self):
        return {"module": self.module.state_dict(), "count": self.count}

    def load_state_dict(self, state):
        self.module.load_state_dict(state["module"])
        self.count = state["count"]
