"""Every differentiable operation, value and VJP side by side.

Each file is a family: elementwise, shapes (with sums), indexing, joining, products, conv, norm,
activation, loss, resizing, noise; dtypes says in which dtype they compute. in_place, logic and
data_model say what Python and NumPy do to a Tensor. The methods of Tensor (minigan/methods.py) call
what is imported here.
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
