"""Learning-rate schedules: the learning rate as a function of the number of steps so far."""

import math

import numpy as np

from ..files.foreign import check_finite, check_names, check_whole


class LambdaLR:
    """lr = initial lr * factor(count), where count is the number of ``step()`` calls so far."""

    def __init__(self, optimizer, factor):
        self.optimizer = optimizer
        self.factor = factor
        self.load_state_dict({"count": 0, "base": optimizer.lr})

    def step(self):
        """Move on by one."""
        self.load_state_dict({"count": self.count + 1, "base": self.base})

    def state_dict(self):
        return {"count": self.count, "base": self.base}

    def load_state_dict(self, state):
        """Continue from what ``state_dict`` gave. ValueError for anything else changes nothing."""
        check_names("the schedule's state", state, {"count", "base"})
        count = check_whole("the schedule's count", state["count"])
        base = check_finite("the schedule's base", state["base"])
        try:
            lr = base * self.factor(count)
        except OverflowError:
            lr = np.inf
        if not 0 <= lr < np.inf:
            raise ValueError(
                f"the schedule's learning rate at count {count} is {lr}, expected a "
                "finite number of at least 0"
            )
        self.count = count
        self.base = base
        self.optimizer.lr = lr


def ExponentialLR(optimizer, gamma):
    """lr * gamma^step."""
    return LambdaLR(optimizer, lambda step: gamma**step)


def StepLR(optimizer, step_size, gamma=0.1):
    """lr * gamma^(step // step_size)."""
    if step_size < 1:
        raise ValueError(f"StepLR: step_size is {step_size}, expected at least 1")
    return LambdaLR(optimizer, lambda step: gamma ** (step // step_size))


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
