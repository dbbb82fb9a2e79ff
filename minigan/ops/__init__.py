"""Every differentiable operation, value and VJP side by side.

Each file is a family: elementwise, shapes (with sums), indexing, joining, products, conv, norm,
activation, loss, resizing, noise. dtypes has the type promotion. Changes in place, comparisons and
the answers to Python and NumPy are in in_place, logic and data_model. The methods of Tensor
(minigan/methods.py) call the names that are imported here.
"""

import sys

from .. import methods
from . import data_model, in_place, logic
from .dtypes import SCALARS, astype, floating, from_elsewhere, to_float32, to_float64
from .elementwise import (
    abs,
    add,
    check_bounds,
    clamp,
    div,
    exp,
    log,
    mul,
    neg,
    pow,
    power_of,
    sigmoid,
    softplus,
    sqrt,
    sub,
    tanh,
)
from .indexing import EVERYTHING, Selection, getitem, pick, put, select
from .joining import cat, stack
from .products import linear, matmul, maxout
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

methods.ops = sys.modules[__name__]
