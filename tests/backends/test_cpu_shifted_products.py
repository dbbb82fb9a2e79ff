"""Transposed convolution into few channels: the order in which its products are added."""

import numpy as np
from cpu_kernels import random_arrays

from minigan.backends import cpu
from minigan.backends.cpu import shifted_products


def test_products_are_added_in_the_same_order_by_any_number_of_threads(monkeypatch):
    rng = np.random.default_rng(0)
    x_shape = 2, 64, 20, 24
    w_shape = 64, 3, 7, 7
    x, w = random_arrays(rng, np.float32, x_shape, w_shape)
    monkeypatch.setattr(shifted_products, "_PRODUCTS", 1 << 14)

    def with_threads(count):
        monkeypatch.setattr(shifted_products, "thread_count", lambda: count)
        return cpu.conv_transpose2d(x, w, (1, 1), (3, 3), (0, 0))

    one = with_threads(1)
    two = with_threads(2)
    five = with_threads(5)
    np.testing.assert_array_equal(two, one)
    np.testing.assert_array_equal(five, one)
