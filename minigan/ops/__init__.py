"""Every differentiable operation, value and VJP side by side.

Each file is a family: elementwise, shapes (with sums), indexing, joining, products, conv, norm,
activation, loss, resizing, noise; dtypes says in which dtype they compute. in_place, logic and
data_model say what Python and NumPy do to a Tensor, and methods binds all of these to it.
"""

from . import data_model, in_place, logic, methods  # they bind Tensor's methods
from .dtypes import SCALARS, astype, floating, from_elsewhere
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
