"""The operators and methods of Tensor: which operation each of them is."""

import numpy as np

from .. import creation
from ..engine import bind
from .dtypes import _pair, astype
from .elementwise import abs, add, clamp, div, exp, log, mul, neg, pow, sigmoid, sqrt, sub, tanh
from .indexing import getitem
from .products import matmul
from .shapes import amax, expand, flatten, mean, permute, reshape, sum, transpose, var

METHODS = {
    "__add__": add,
    "__radd__": add,
    "__sub__": sub,
    "__rsub__": lambda x, y: sub(y, x),
    "__neg__": neg,
    "__mul__": mul,
    "__rmul__": mul,
    "__truediv__": div,
    "__rtruediv__": lambda x, y: div(y, x),
    "__pow__": pow,
    "__rpow__": lambda x, y: pow(*_pair(y, x)[:2]),
    "__matmul__": matmul,
    "__rmatmul__": lambda x, y: matmul(y, x),
    "__getitem__": getitem,
    "__abs__": abs,
    "sum": sum,
    "mean": mean,
    "var": var,
    "amax": amax,
    "exp": exp,
    "log": log,
    "sqrt": sqrt,
    "abs": abs,
    "tanh": tanh,
    "sigmoid": sigmoid,
    "clamp": clamp,
    "reshape": reshape,
    "flatten": flatten,
    "transpose": transpose,
    "permute": permute,
    "expand": expand,
    "float": lambda x: astype(x, np.float32),
    "double": lambda x: astype(x, np.float64),
    **creation.METHODS,
}
bind(METHODS)
