"""Losses as layers, for people who bring code along: each calls the function of F."""

from .. import functional as F
from .module import Module


class _Loss(Module):
    """A loss of an output and a target. reduction: "mean", "sum" or "none"."""

    def __init__(self, reduction="mean"):
        F.check_reduction(reduction)
        self.reduction = reduction


class BCEWithLogitsLoss(_Loss):
    """The cross-entropy between targets in [0, 1] and sigmoid(logits)."""

    def forward(self, logits, target):
        return F.binary_cross_entropy_with_logits(logits, target, reduction=self.reduction)


class BCELoss(_Loss):
    """The cross-entropy between targets and probabilities, both in [0, 1].

    BCEWithLogitsLoss is exact where a probability rounds to 0 or 1; this is not.
    """

    def forward(self, probabilities, target):
        return F.binary_cross_entropy(probabilities, target, reduction=self.reduction)


class MSELoss(_Loss):
    """(x - target)^2"""

    def forward(self, x, target):
        return F.mse_loss(x, target, reduction=self.reduction)


class L1Loss(_Loss):
    """|x - target|"""

    def forward(self, x, target):
        return F.l1_loss(x, target, reduction=self.reduction)


class SmoothL1Loss(_Loss):
    """|x - target|, rounded off within beta of 0."""

    def __init__(self, reduction="mean", beta=1.0):
        super().__init__(reduction)
        self.beta = beta

    def forward(self, x, target):
        return F.smooth_l1_loss(x, target, reduction=self.reduction, beta=self.beta)


class CrossEntropyLoss(_Loss):
    """-log softmax(logits)[label]"""

    def forward(self, logits, labels):
        return F.cross_entropy(logits, labels, reduction=self.reduction)


class NLLLoss(_Loss):
    """-log_probabilities[label], for the outputs of a LogSoftmax."""

    def forward(self, log_probabilities, labels):
        return F.nll_loss(log_probabilities, labels, reduction=self.reduction)
