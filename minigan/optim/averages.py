"""Averages of weights over the course of the training, from which better images are sampled."""

import copy

from ..files.foreign import check_names, check_whole
from ..nn.module import Buffer


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
        """Continue from what ``state_dict`` gave. ValueError for anything else changes nothing."""
        check_names("the average's state", state, {"module", "count"})
        count = check_whole("the average's count", state["count"])
        self.module.load_state_dict(state["module"])
        self.count = count
