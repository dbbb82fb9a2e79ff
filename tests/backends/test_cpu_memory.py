"""Memory of the CPU backend: where arrays start, and when memory is used again."""

import numpy as np

from minigan.backends.cpu import memory

LINE = 64  # bytes in a cache line
SHAPE = (1001, 300)


def float32_array(shape=SHAPE):
    return memory.empty(shape, np.float32)


def address(a):
    return a.ctypes.data


def test_arrays_start_on_a_cache_line():
    a = float32_array()
    b = memory.scratch("test", SHAPE, np.float64)
    assert address(a) % LINE == 0
    assert address(b) % LINE == 0


def test_scratch_is_the_same_memory_at_each_call():
    a = memory.scratch("test", SHAPE, np.float64)
    again = memory.scratch("test", (7, 3), np.float32)
    assert np.shares_memory(a, again)


def test_memory_serves_again_as_soon_as_no_array_lies_in_it():
    a = float32_array((300, 1001))  # as many numbers as SHAPE
    first = address(a)
    view = a.T[1:, ::2]
    del a
    other = float32_array()
    assert not np.shares_memory(other, view)
    del view
    assert address(float32_array()) == first


def test_memory_is_kept_for_a_limited_number_of_sizes():
    a = float32_array()
    for i in range(2 * memory._SIZES):
        size = 100_000 + i
        memory.empty((size,), np.uint8)
    assert len(memory.buffers.of_size) == memory._SIZES
    assert a.base is not None  # an array outlives the list of its buffer
    assert not np.shares_memory(a, float32_array())
