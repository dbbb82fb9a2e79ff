"""Averages of a network's weights over the training: they give better images than the last ones."""

import copy

from ..files.foreign import check_names, check_stored_int, shown
from ..nn.module import Buffer


class ExponentialMovingAverage:
    """A copy of a network whose weights are moving averages of the network's weights.

    average += (1 - decay) * (weight - average). In the first steps the decay is
    (1 + n) / (10 + n), so that the average forgets the random start. Running statistics are
    copied, not averaged. ``module`` is the averaged network, ready to sample from.
    """

    def __init__(self, module, decay=0.999):
        if not 0 <= decay < 1:
            raise ValueError(f"decay is {decay}, expected 0 <= decay < 1")
        self.module = copy.deepcopy(module).requires_grad_(False)
        self.decay = decay
        self.count = 0  # updates so far

    def update(self, module):
        """Move the average towards the network's present weights.

        Raises ValueError, and changes nothing, if the network no longer has the average's
        parameters and buffers.
        """
        own = dict(self.module.named_tensors())
        self._check_fits(own, module)
        self.count += 1
        decay = min(self.decay, (1 + self.count) / (10 + self.count))
        for name, weight in module.named_parameters():
            average = own[name].array
            own[name].copy_(average + (1 - decay) * (weight.array - average))
        for name, buffer in module.named_tensors(Buffer):
            own[name].copy_(buffer)

    def _check_fits(self, own, module):
        theirs = dict(module.named_tensors())
        missing = [name for name in own if name not in theirs]
        extra = [name for name in theirs if name not in own]
        other = [name for name in own if name in theirs and own[name].shape != theirs[name].shape]
        if missing or extra or other:
            raise ValueError(
                f"the average does not fit the network: missing {shown(missing)}, unexpected "
                f"{shown(extra)}, of another shape {shown(other)}"
            )
        trained = {name for name, _ in module.named_parameters()}
        averaged = {name for name, _ in self.module.named_parameters()}
        if trained != averaged:
            raise ValueError(
                "the average does not fit the network: it shares other parameters under two names"
            )

    def state_dict(self):
        return {"module": self.module.state_dict(), "count": self.count}

    def load_state_dict(self, state):
        """Continue from what ``state_dict`` gave. ValueError for anything else changes nothing."""
        check_names("the average's state", state, {"module", "count"})
        count = check_stored_int("the average's count", state["count"])
        self.module.load_state_dict(state["module"])
        self.count = count
