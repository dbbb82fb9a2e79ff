"""Matrix products on the CPU, by BLAS: on its own threads, or shared out to ours.

After a product, BLAS's threads spin for some 100 ms. If the next product comes in that time, it
need not wait 50 us for threads to wake. This saves a tenth of the step of a network that is nothing
but products. But spinning threads slow whatever runs on our threads meanwhile: a network of
convolutions with one linear layer by a fifth. So linear layers use ``matmul``, and convolutions use
``shared_matmul``.
"""

import numpy as np

from .memory import empty
from .threads import parallel, split, thread_count

_BLAS_THREADS_FROM = 1 << 18  # multiplications in a product from which OpenBLAS uses its threads
_BLAS_THREADS_FROM_VECTOR = 9216  # the same in a product with a vector
_THREADS_FROM = 1 << 21  # multiplications that take longer than waking another thread
_TERMS = 1 << 8  # terms that float32 adds up in a product with a vector
_ROWS = 128  # rows of a product that are worth dividing even if it has more columns


def linear(x, weight, bias=None):
    """x weight^T + bias: x (N, in), weight (out, in), bias (out,) -> (N, out).

    It is the transpose of weight x^T, because BLAS is slowest at a few rows times a transposed
    matrix. So the result is stored feature by feature.
    """
    y = matmul(weight, x.T)
    if bias is not None:
        y += bias[:, None]
    return y.T


def matmul(x, y):
    """x @ y on BLAS's own threads; leading axes broadcast."""
    if x.ndim != 2 or y.ndim != 2 or x.dtype != y.dtype:
        return x @ y
    if is_long_sum(x, y):
        return long_sum(x, y)
    buffer = empty((len(x), y.shape[1]), x.dtype)
    return np.matmul(x, y, out=buffer)


def shared_matmul(x, y):
    """x @ y for matrices, shared out to our threads by rows or by columns where it is large."""
    if is_long_sum(x, y):
        return long_sum(x, y)
    m, k = x.shape
    n = y.shape[1]
    z = empty((m, n), x.dtype)
    work = m * k * n

    def block(rows=slice(None), columns=slice(None)):
        np.matmul(x[rows], y[:, columns], out=z[rows, columns])

    parts = thread_count() if work >= _THREADS_FROM else 1
    blas_threads_from = _BLAS_THREADS_FROM if min(m, n) > 1 else _BLAS_THREADS_FROM_VECTOR
    if work < blas_threads_from:
        block()
    elif m >= min(n, _ROWS):
        parallel(block, split(m, parts))
    else:
        parallel(lambda columns: block(columns=columns), split(n, parts))
    return z


def is_long_sum(x, y):
    """Whether x @ y is a product with a vector, and each number a sum of many terms.

    In a product of matrices, BLAS adds up the terms of a block, and then the sums of the blocks. In
    a product with a vector, it adds the terms one after the other. Then a sum of a million float32
    numbers of one sign loses three digits.
    """
    return min(len(x), y.shape[1]) == 1 and x.shape[1] > 2 * _TERMS


def long_sum(x, y):
    """x @ y for matrices, one of them a vector: float64 adds up the sums of _TERMS terms each."""
    if len(x) > 1:
        return long_sum(y.T, x.T).T
    terms, columns = y.shape
    blocks = terms // _TERMS
    whole = blocks * _TERMS
    left = x[:, :whole].reshape(blocks, 1, _TERMS)
    right = y[:whole].reshape(blocks, _TERMS, columns)
    sums = np.matmul(left, right).sum(axis=0, dtype=np.float64)
    sums += x[:, whole:] @ y[whole:]
    return sums.astype(x.dtype)
