"""Transposed convolution into few channels: the order in which its products are added."""

from functools import partial

import numpy as np
from cpu_kernels import random_arrays

from minigan.backends import cpu
from minigan.backends.cpu import shifted_products


def test_products_are_added_in_the_same_order_by_any_number_of_threads(monkeypatch):
    rng = np.random.default_rng(0)
    x, w = random_arrays(rng, np.float32, (2, 64, 20, 24), (64, 3, 7, 7))
    monkeypatch.setattr(shifted_products, "_PRODUCTS", 1 << 14)
    found = []
    for count in (1, 2, 5):
        monkeypatch.setattr(shifted_products, "thread_count", partial(int, count))
        y = cpu.conv_transpose2d(x, w, (1, 1), (3, 3), (0, 0))
        found.append(y)
    np.testing.assert_array_equal(found[1], found[0])
    np.testing.assert_array_equal(found[2], found[0])
