"""Matrix products, for which minigan has no kernel: cuBLAS's on a GPU, by way of CuPy.

On the host device arrays are NumPy's, and the CPU's products take the place of cuBLAS.
"""

import numpy as np

from ..cpu import products


def matmul(x, y):
    """x @ y; leading axes broadcast."""
    if isinstance(x, np.ndarray):
        return products.matmul(x, y)
    return x @ y


def linear(x, weight, bias=None):
    """x weight^T + bias: x (N, in), weight (out, in), bias (out,) -> (N, out)."""
    if isinstance(x, np.ndarray):
        return products.linear(x, weight, bias)
    y = x @ weight.T
    return y if bias is None else y + bias
