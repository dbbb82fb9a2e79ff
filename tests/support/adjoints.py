"""What tests of identities need: <a, b>, tensors of arrays, and how close two results are."""

import numpy as np

import minigan as mg
from minigan.engine import Tensor


def dot(a, b):
    """<a, b>: the sum of all products of two tensors of one shape."""
    products = a.numpy() * b.numpy()
    return float(products.sum())


def T(array):
    """The array, or number, as a Tensor on the same memory."""
    return Tensor(np.asarray(array))


def close(a, b, tolerance=1e-12):
    """Tensors or arrays within a tolerance, relative to their size and absolute."""
    if isinstance(a, Tensor):
        a = a.numpy()
    if isinstance(b, Tensor):
        b = b.numpy()
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def check_gradient_of_cast():
    """A cast to float32 returns the gradient in the dtype of its input, float64.

    float32 has too few digits for finite differences, so the formula checks the gradient.
    """
    x = Tensor(np.linspace(0, 1, 5), requires_grad=True)
    y = x.float()
    (g,) = mg.grad((y * y).sum(), x)
    assert y.dtype == np.float32
    assert g.dtype == np.float64
    close(g, 2 * x.numpy(), 1e-6)
