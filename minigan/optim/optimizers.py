"""Optimisers: SGD, RMSprop, Adam and AdamW, exactly as PyTorch defines them.

What they share, and how they are saved, is in base.py.
"""

from typing import NamedTuple

from .. import devices
from .base import Optimizer, setting


def _remember(state, name, decay, value):
    """state[name] = decay * state[name] + value, where state[name] begins as 0."""
    total = state.setdefault(name, devices.xp.zeros_like(value))
    total *= decay
    total += value
    return total


class SGD(Optimizer):
    """Stochastic gradient descent: buf = momentum * buf + (1 - dampening) * g;  p -= lr * buf.

    The first step has buf = g. nesterov=True: p -= lr * (g + momentum * buf). weight_decay:
    weight_decay * p is added to g.
    """

    may_have = {"momentum_buffer"}
    flags = {"nesterov"}
    momentum = setting("momentum")
    dampening = setting("dampening")
    weight_decay = setting("weight_decay")
    nesterov = setting("nesterov")

    def __init__(
        self,
        params,
        lr=1e-3,
        momentum=0.0,
        dampening=0,
        weight_decay=0.0,
        nesterov=False,
    ):
        super().__init__(
            params,
            lr=lr,
            momentum=momentum,
            dampening=dampening,
            weight_decay=weight_decay,
            nesterov=nesterov,
        )

    def _check_settings(self, settings):
        super()._check_settings(settings)
        if settings["nesterov"] and (settings["momentum"] == 0 or settings["dampening"] != 0):
            raise ValueError("nesterov needs a momentum above 0 and a dampening of 0")

    def _update(self, rows, group):
        momentum = group["momentum"]
        for p, g, state in rows:
            if group["weight_decay"]:
                g = g + group["weight_decay"] * p
            step = g
            if momentum:
                is_later = "momentum_buffer" in state
                new = g * (1 - group["dampening"]) if group["dampening"] and is_later else g
                buf = _remember(state, "momentum_buffer", momentum, new)
                step = g + momentum * buf if group["nesterov"] else buf
            p -= group["lr"] * step


class RMSprop(Optimizer):
    """v = alpha * v + (1 - alpha) * g^2;  p -= lr * g / (sqrt(v) + eps) (Tieleman and Hinton 2012).

    momentum: of the steps g / (sqrt(v) + eps). weight_decay: weight_decay * p is added to g.
    """

    needs = {"square_avg"}
    may_have = {"step", "momentum_buffer"}
    alpha = setting("alpha")
    eps = setting("eps")
    weight_decay = setting("weight_decay")
    momentum = setting("momentum")

    def __init__(
        self,
        params,
        lr=1e-2,
        alpha=0.99,
        eps=1e-8,
        weight_decay=0.0,
        momentum=0.0,
        centered=False,
    ):
        self._refuse(centered=centered)
        super().__init__(
            params, lr=lr, alpha=alpha, eps=eps, weight_decay=weight_decay, momentum=momentum
        )

    def _update(self, rows, group):
        alpha = group["alpha"]
        for p, g, state in rows:
            if group["weight_decay"]:
                g = g + group["weight_decay"] * p
            state["step"] = state.get("step", 0) + 1  # only so that PyTorch can load this state
            v = _remember(state, "square_avg", alpha, (1 - alpha) * g * g)
            step = g / (devices.xp.sqrt(v) + group["eps"])
            if group["momentum"]:
                step = _remember(state, "momentum_buffer", group["momentum"], step)
            p -= group["lr"] * step


class Adam(Optimizer):
    """Adam (Kingma and Ba 2015): p -= lr * m^ / (sqrt(v^) + eps).

    m = beta1 * m + (1 - beta1) * g and v = beta2 * v + (1 - beta2) * g^2 are the running means of
    the gradient and its square; m^ = m / (1 - beta1^step) and v^ = v / (1 - beta2^step) correct
    their start at 0. weight_decay: weight_decay * p is added to g.
    """

    needs = {"step", "exp_avg", "exp_avg_sq"}
    betas = setting("betas")
    eps = setting("eps")
    weight_decay = setting("weight_decay")

    def __init__(
        self,
        params,
        lr=1e-3,
        betas=(0.9, 0.999),
        eps=1e-8,
        weight_decay=0.0,
        amsgrad=False,
    ):
        self._refuse(amsgrad=amsgrad)
        super().__init__(params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)

    def _update(self, rows, group):
        self._move(rows, group, group["weight_decay"])

    def _move(self, rows, group, weight_decay):
        """A step with this weight decay in the gradient."""
        launches = {}  # step -> its tensors: one launch, unless a parameter was frozen for a while
        for p, g, state in rows:
            if not state:
                state["step"] = 0
                state["exp_avg"] = devices.xp.zeros_like(p)
                state["exp_avg_sq"] = devices.xp.zeros_like(p)
            state["step"] += 1
            if state["step"] not in launches:
                launches[state["step"]] = _Tensors([], [], [], [])
            tensors = launches[state["step"]]
            tensors.params.append(p)
            tensors.grads.append(g)
            tensors.exp_avgs.append(state["exp_avg"])
            tensors.exp_avg_sqs.append(state["exp_avg_sq"])
        settings = group["lr"], group["betas"], group["eps"], weight_decay
        for step, tensors in launches.items():
            devices.kernels.adam(*tensors, step, *settings)


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019).

    p is multiplied by 1 - lr * weight_decay before the step; the gradient stays as it is.
    """

    fixed = {**Adam.fixed, "decoupled_weight_decay": True}

    def __init__(
        self,
        params,
        lr=1e-3,
        betas=(0.9, 0.999),
        eps=1e-8,
        weight_decay=1e-2,
        amsgrad=False,
    ):
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad)

    def _update(self, rows, group):
        for p, _, _ in rows:
            p *= 1 - group["lr"] * group["weight_decay"]
        self._move(rows, group, weight_decay=0.0)


class _Tensors(NamedTuple):
    """The arrays that one launch of Adam's kernel updates."""

    params: list
    grads: list
    exp_avgs: list  # running means of the gradients
    exp_avg_sqs: list  # running means of their squares
