"""Activations as layers, to be put into a Sequential. ``inplace=True`` has PyTorch's effect.

The input tensor itself becomes the output: whoever holds it sees the new values. That saves no
memory here while gradients are recorded; it is there for networks whose text relies on it.
"""

from .. import functional as F
from ..factories import full
from .checks import number
from .module import Module, Parameter


class LeakyReLU(Module):
    """max(x, 0) + negative_slope min(x, 0), see F.leaky_relu."""

    inplace = False

    def __init__(self, negative_slope=0.01, inplace=False):
        self.negative_slope = number("negative_slope", negative_slope, 0)
        if inplace:
            self.inplace = True

    def forward(self, x):
        return F.leaky_relu(x, self.negative_slope, self.inplace)


class ReLU(Module):
    """max(x, 0), see F.relu."""

    negative_slope = 0.0
    inplace = False

    def __init__(self, inplace=False):
        if inplace:
            self.inplace = True

    def forward(self, x):
        return F.relu(x, self.inplace)


class PReLU(Module):
    """max(x, 0) + weight min(x, 0), with a weight that is learned (He et al. 2015).

    num_parameters: 1, or the number of channels, for a weight for each. See F.prelu.
    """

    def __init__(self, num_parameters=1, init=0.25):
        self.weight = Parameter(full((num_parameters,), init))

    def forward(self, x):
        return F.prelu(x, self.weight)


class ELU(Module):
    """x where x > 0, and alpha (exp(x) - 1) elsewhere, see F.elu."""

    def __init__(self, alpha=1.0, inplace=False):
        self.alpha = number("alpha", alpha, 0)
        self.inplace = bool(inplace)

    def forward(self, x):
        return F.elu(x, self.alpha, self.inplace)


class SiLU(Module):
    """x sigmoid(x), see F.silu."""

    def __init__(self, inplace=False):
        self.inplace = bool(inplace)

    def forward(self, x):
        return F.silu(x, self.inplace)


class GELU(Module):
    """x Phi(x), see F.gelu."""

    def __init__(self, approximate="none"):
        self.approximate = approximate

    def forward(self, x):
        return F.gelu(x, approximate=self.approximate)


class Softplus(Module):
    """log(1 + exp(x)), see F.softplus."""

    def forward(self, x):
        return F.softplus(x)


class Softmax(Module):
    """exp(x) / sum(exp(x)) along dim, see F.softmax."""

    def __init__(self, dim=-1):
        self.dim = dim

    def forward(self, x):
        return F.softmax(x, self.dim)


class LogSoftmax(Module):
    """log(softmax(x)) along dim, see F.log_softmax."""

    def __init__(self, dim=-1):
        self.dim = dim

    def forward(self, x):
        return F.log_softmax(x, self.dim)


class Tanh(Module):
    """The hyperbolic tangent, with outputs in (-1, 1)."""

    forward = staticmethod(F.tanh)


class Sigmoid(Module):
    """1 / (1 + exp(-x)), with outputs in (0, 1)."""

    forward = staticmethod(F.sigmoid)


class Identity(Module):
    """The input as it is. Any arguments are accepted and ignored."""

    def __init__(self, *arguments, **options):
        pass

    def forward(self, x):
        return x
