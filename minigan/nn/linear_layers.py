"""Linear layers: Linear, Maxout, and Embedding, whose rows are looked up instead of multiplied."""

from .. import functional as F
from .. import rng
from ..checks import whole_number
from .module import Module, Parameter
from .weights import draw_weights, weight_of


class Linear(Module):
    """A linear map: y = x weight^T + bias, with weight (out_features, in_features).

    (..., in_features) -> (..., out_features).
    """

    def __init__(self, in_features, out_features, bias=True):
        weight, bias = draw_weights((out_features, in_features), out_features, bias)
        self.in_features = in_features
        self.out_features = out_features
        self.weight = weight
        self.register_parameter("bias", bias)

    def forward(self, x):
        return F.linear(x, weight_of(self), self.bias)  # (..., out_features)


class Maxout(Module):
    """The maximum over ``pieces`` linear maps (Goodfellow et al. 2013).

    y_j = max over i of (x w_ij^T + b_ij): a convex activation that the layer learns itself.
    (N, in_features) -> (N, out_features).
    """

    def __init__(self, in_features, out_features, pieces):
        whole_number("Maxout: pieces", pieces, 1)
        self.linear = Linear(in_features, out_features * pieces)
        self.pieces = pieces

    def forward(self, x):
        x = self.linear(x)  # (N, out_features * pieces)
        return F.maxout(x, self.pieces)  # (N, out_features)


class Embedding(Module):
    """A table with a row for each class: integers (...) -> rows (..., embedding_dim).

    weight (num_embeddings, embedding_dim), which begins as N(0, 1). Of PyTorch's other arguments
    only the defaults are allowed.
    """

    def __init__(
        self,
        num_embeddings,
        embedding_dim,
        padding_idx=None,
        max_norm=None,
        norm_type=2.0,
        scale_grad_by_freq=False,
        sparse=False,
    ):
        if (padding_idx, max_norm, scale_grad_by_freq, sparse) != (None, None, False, False):
            raise ValueError(
                f"Embedding: padding_idx is {padding_idx!r}, max_norm {max_norm!r}, "
                f"scale_grad_by_freq {scale_grad_by_freq!r} and sparse {sparse!r}, expected their "
                "defaults, None and False"
            )
        self.num_embeddings = whole_number("num_embeddings", num_embeddings, 1)
        self.embedding_dim = whole_number("embedding_dim", embedding_dim, 1)
        self.weight = Parameter(rng.randn(num_embeddings, embedding_dim))

    def forward(self, index):
        return F.embedding(index, weight_of(self))  # (..., embedding_dim)
