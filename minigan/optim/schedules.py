"""Learning-rate schedules: the learning rate as a function of the number of steps so far.

``step()`` is called once after each step of the optimiser, or once an epoch. Every parameter group
keeps its own initial learning rate.
"""

import math

import numpy as np

from ..files.foreign import check_finite, check_names, check_stored_int


class Schedule:
    """The base of the schedules: lr = lr_at(initial lr, count), count being the calls of step()."""

    def __init__(self, optimizer, last_epoch=-1):
        if last_epoch != -1:
            raise ValueError(
                f"last_epoch is {last_epoch}, expected -1: load_state_dict() continues a schedule"
            )
        self.optimizer = optimizer
        base = [group["lr"] for group in optimizer.param_groups]
        self.load_state_dict({"count": 0, "base": base[0] if len(base) == 1 else base})

    def lr_at(self, base, count):
        """The learning rate after ``count`` steps, where ``base`` is the initial one."""
        raise NotImplementedError(f"{type(self).__name__} does not define lr_at")

    def step(self):
        """Count one step, and set the learning rate."""
        self.load_state_dict({"count": self.count + 1, "base": self.base})

    def get_last_lr(self):
        """The learning rate of each parameter group, a list."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self):
        """{"count": steps so far, "base": the initial learning rate, or a list of one per group}"""
        return {"count": self.count, "base": self.base}

    def load_state_dict(self, state):
        """Continue from what ``state_dict`` gave. ValueError for anything else changes nothing."""
        check_names("the schedule's state", state, {"count", "base"})
        count = check_stored_int("the schedule's count", state["count"])
        groups = self.optimizer.param_groups
        bases = state["base"] if len(groups) > 1 else [state["base"]]
        if not isinstance(bases, list) or len(bases) != len(groups):
            raise ValueError(
                f"the schedule's base is {state['base']!r:.60}, expected {len(groups)} numbers"
            )
        rates = []
        for base in bases:
            check_finite("the schedule's base", base)
            rates.append(self._checked_rate(base, count))
        self.count = count
        self.base = state["base"]
        for group, lr in zip(groups, rates):
            group["lr"] = lr

    def _checked_rate(self, base, count):
        try:
            lr = self.lr_at(base, count)
        except OverflowError:
            lr = np.inf
        if not 0 <= lr < np.inf:
            raise ValueError(
                f"the schedule's learning rate at count {count} is {lr}, expected a "
                "finite number of at least 0"
            )
        return lr


class LambdaLR(Schedule):
    """lr = initial lr * lr_lambda(count).

    lr_lambda: a function of the count, the same for all groups; a list may hold only one.
    """

    def __init__(self, optimizer, lr_lambda, last_epoch=-1):
        if isinstance(lr_lambda, (list, tuple)):
            if len(lr_lambda) != 1:
                raise ValueError(
                    f"LambdaLR got {len(lr_lambda)} functions, expected one for all groups"
                )
            (lr_lambda,) = lr_lambda
        self.factor = lr_lambda
        super().__init__(optimizer, last_epoch)

    def lr_at(self, base, count):
        return base * self.factor(count)


def ExponentialLR(optimizer, gamma, last_epoch=-1):
    """lr * gamma^step."""
    return LambdaLR(optimizer, lambda step: gamma**step, last_epoch)


def StepLR(optimizer, step_size, gamma=0.1, last_epoch=-1):
    """lr * gamma^(step // step_size)."""
    if step_size < 1:
        raise ValueError(f"StepLR: step_size is {step_size}, expected at least 1")
    return LambdaLR(optimizer, lambda step: gamma ** (step // step_size), last_epoch)


def MultiStepLR(optimizer, milestones, gamma=0.1, last_epoch=-1):
    """lr * gamma^(how many milestones, which are steps, are past)."""
    milestones = sorted(milestones)

    def factor(step):
        past = [milestone for milestone in milestones if milestone <= step]
        return gamma ** len(past)

    return LambdaLR(optimizer, factor, last_epoch)


def LinearLR(optimizer, start_factor=1 / 3, end_factor=1.0, total_iters=5, last_epoch=-1):
    """lr times a factor that goes from start_factor to end_factor in total_iters steps."""
    if not 0 < start_factor <= 1 or not 0 <= end_factor <= 1 or total_iters < 1:
        raise ValueError(
            f"LinearLR: start_factor is {start_factor}, end_factor {end_factor}, total_iters "
            f"{total_iters}, expected factors up to 1, the first above 0, and at least 1 step"
        )

    def factor(step):
        share = min(step, total_iters) / total_iters
        return start_factor + (end_factor - start_factor) * share

    return LambdaLR(optimizer, factor, last_epoch)


class CosineAnnealingLR(Schedule):
    """Half a cosine from the initial lr down to eta_min in T_max steps (Loshchilov 2017)."""

    def __init__(self, optimizer, T_max, eta_min=0.0, last_epoch=-1):
        if T_max < 1 or eta_min < 0:
            raise ValueError(
                f"CosineAnnealingLR: T_max is {T_max} and eta_min {eta_min}, expected at least 1 "
                "and 0"
            )
        self.T_max = T_max
        self.eta_min = eta_min
        super().__init__(optimizer, last_epoch)

    def lr_at(self, base, count):
        height = (1 + math.cos(math.pi * count / self.T_max)) / 2
        return self.eta_min + (base - self.eta_min) * height


def ConstantThenLinearLR(optimizer, constant, linear):
    """lr for ``constant`` steps, then a straight line down to 0 over ``linear`` more steps.

    This is CycleGAN's schedule (Zhu et al. 2017).
    """
    if constant < 0 or linear < 1:
        raise ValueError(
            f"ConstantThenLinearLR: constant is {constant} and linear {linear}, expected at least "
            "0 and 1"
        )

    def factor(step):
        step = min(step, constant + linear)
        return 1 - max(0, step - constant) / linear

    return LambdaLR(optimizer, factor)


class ReduceLROnPlateau:
    """lr times ``factor`` whenever a metric has not improved for ``patience`` steps.

    mode: "min" or "max", what counts as better. threshold, threshold_mode: how much better it must
    be, "rel" as a share of the best so far, "abs" as a difference. cooldown: steps after a
    reduction in which nothing is counted. min_lr: the least learning rate. eps: a smaller change is
    not made.
    """

    kept = ("best", "num_bad_epochs", "cooldown_counter", "last_epoch")

    def __init__(
        self,
        optimizer,
        mode="min",
        factor=0.1,
        patience=10,
        threshold=1e-4,
        threshold_mode="rel",
        cooldown=0,
        min_lr=0.0,
        eps=1e-8,
    ):
        if mode not in ("min", "max") or threshold_mode not in ("rel", "abs"):
            raise ValueError(
                f"ReduceLROnPlateau: mode is {mode!r} and threshold_mode {threshold_mode!r}, "
                "expected min or max, and rel or abs"
            )
        if not 0 <= factor < 1:
            raise ValueError(f"ReduceLROnPlateau: factor is {factor}, expected from 0 to below 1")
        self.optimizer = optimizer
        self.mode = mode
        self.factor = factor
        self.patience = patience
        self.threshold = threshold
        self.threshold_mode = threshold_mode
        self.cooldown = cooldown
        self.min_lr = min_lr
        self.eps = eps
        self.best = None  # of the metric; None before the first step
        self.num_bad_epochs = 0  # steps in a row without an improvement
        self.cooldown_counter = 0  # steps for which nothing is counted
        self.last_epoch = 0  # how many steps there were

    def step(self, metrics):
        """Look at the metric, a number, and reduce the learning rate if it is time."""
        metric = float(metrics)
        self.last_epoch += 1
        if self._is_better(metric):
            self.best = metric
            self.num_bad_epochs = 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self._reduce()
            self.cooldown_counter = self.cooldown
            self.num_bad_epochs = 0

    def _is_better(self, metric):
        if self.best is None:
            return True
        sign = 1 if self.mode == "max" else -1  # in which direction better lies
        if self.threshold_mode == "rel":
            bound = self.best * (1 + sign * self.threshold)
        else:
            bound = self.best + sign * self.threshold
        return sign * metric > sign * bound

    def _reduce(self):
        for group in self.optimizer.param_groups:
            lr = max(group["lr"] * self.factor, self.min_lr)
            if group["lr"] - lr > self.eps:
                group["lr"] = lr

    def get_last_lr(self):
        """The learning rate of each parameter group, a list."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self):
        """What has been counted so far, and the learning rates."""
        return {name: getattr(self, name) for name in self.kept} | {"lr": self.get_last_lr()}

    def load_state_dict(self, state):
        """Continue from what ``state_dict`` gave. ValueError for other names changes nothing."""
        check_names("the schedule's state", state, {*self.kept, "lr"})
        for name in self.kept:
            setattr(self, name, state[name])
        for group, lr in zip(self.optimizer.param_groups, state["lr"]):
            group["lr"] = lr


def decayed(lr, decay, steps, least=1e-6):
    """lr / decay^steps, but at least ``least``: the schedule of Goodfellow et al. 2014.

    decay: at least 1. After enough steps the exponent stays, because a larger power would not fit
    into a float.
    """
    if decay > 1:
        enough = math.ceil((math.log(lr) - math.log(least)) / math.log(decay))
        steps = min(steps, max(0, enough))
        lr = lr / decay**steps
    return max(lr, least)
