"""Every differentiable operation, value and VJP side by side.

Each file is a family. Entry by entry: elementwise, activation (ReLU), smooth (other activations),
error_function. Axes and sums: shapes, axes, extremes (max, min), magnitudes (norm, std), indexing,
joining. Products: products, einstein (einsum), conv. Of networks: normalisation, loss, padding,
resizing, noise. dtypes has the type promotion, conversions what PyTorch calls to(). Changes in
place, comparisons and the answers to Python and NumPy are in in_place, filling, logic and
data_model. The methods of Tensor (minigan/methods.py) call the names that are imported here.
"""

import sys

from .. import methods, torch_forms
from ..factories import new, new_full, new_tensor
from . import data_model, filling, grouped, in_place, logic
from .activation import leaky_relu, log_softmax, relu
from .axes import (
    chunk,
    clone,
    expand_as,
    flip,
    repeat,
    split,
    squeeze,
    t,
    unbind,
    unsqueeze,
    view,
)
from .conversions import to
from .dtypes import SCALARS, astype, floating, from_elsewhere, to_float32, to_float64
from .einstein import einsum
from .elementwise import (
    abs,
    add,
    check_bounds,
    clamp,
    cos,
    div,
    exp,
    log,
    mul,
    neg,
    pow,
    power_of,
    sigmoid,
    sin,
    softplus,
    sqrt,
    sub,
    tanh,
    where,
)
from .error_function import erf
from .extremes import amin, argmax, argmin, max, maximum, min, minimum
from .gathering import embedding, gather, one_hot, scatter_
from .indexing import EVERYTHING, Selection, getitem, pick, put, select
from .joining import cat, stack
from .logic import isnan
from .magnitudes import norm, normalize, rsqrt, square, std
from .meshes import meshgrid, roll
from .products import bmm, dot, linear, matmul, maxout, mm, mv
from .shapes import (
    amax,
    centred,
    expand,
    flatten,
    mean,
    permute,
    reshape,
    sum,
    sum_to,
    transpose,
    var,
)
from .shifts import shift
from .smooth import elu, gelu, silu, softmax

methods.ops = sys.modules[__name__]
torch_forms.ops = sys.modules[__name__]
