"""Memory that NumPy arrays use again, because fresh memory is slower than most operations."""

import math
import os
import threading

import numpy as np

_KEPT_LIMIT = 64 << 20  # bytes; memory of a larger array is not kept
_SMALL = 1 << 16  # bytes; for a smaller array alignment is not worth a microsecond
_SIZES = 32  # memory is kept for this many sizes: those used last
_LINE = 64  # bytes in a cache line, and in an AVX-512 register


class _Buffer:
    """Some bytes of memory, and the address of the first cache line that begins in them."""

    def __init__(self, size):
        self.memory = np.empty(size + _LINE, np.uint8)
        address = self.memory.ctypes.data
        self.address = address + -address % _LINE


class _Loan:
    """A buffer that an array and its views use: when they are gone, it is free again."""

    __slots__ = ("__array_interface__", "_buffer", "_free")

    def __init__(self, buffer, free, shape, dtype):
        self._buffer = buffer
        self._free = free
        self.__array_interface__ = {
            "version": 3,
            "data": (buffer.address, False),  # False: it may be written to
            "shape": tuple(shape),
            "typestr": dtype.str,
        }

    def __del__(self):
        self._free.append(self._buffer)


class Buffers:
    """Memory of arrays that are gone, for the next arrays of the same size.

    The problem: a new 8 MB array costs 1.4 ms in page faults, because the system maps and clears
    its pages at the first touch, one by one. Reading and writing the array takes less time. Also,
    NumPy's own large arrays start 16 bytes into a cache line, so every AVX-512 load and store
    straddles two lines, and adding two arrays that lie in the cache takes twice as long.

    The solution: every array, and every view of it, refers to a loan. Python counts references
    anyway, and the last one to go gives the buffer back. The buffer given back last is used first,
    because it may still lie in the cache. Arrays start on a cache line. Buffers are kept for the
    sizes that were used last.
    """

    def __init__(self):
        self.of_size = {}  # bytes -> free buffers; the size used last stands last
        self._lock = threading.Lock()

    def array(self, shape, dtype, size):
        """An uninitialised array of this many bytes."""
        with self._lock:
            free = self.of_size.pop(size, [])
            self.of_size[size] = free
            if len(self.of_size) > _SIZES:
                oldest = next(iter(self.of_size))
                del self.of_size[oldest]
            buffer = free.pop() if free else None
        loan = _Loan(buffer or _Buffer(size), free, shape, dtype)
        return np.asarray(loan)

    def forget_lock(self):
        """Make a new lock: in a forked child, the old one may be held by a thread that is gone."""
        self._lock = threading.Lock()


buffers = Buffers()
_workspaces = threading.local()  # .kept: {name: buffer} of this thread

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=buffers.forget_lock)


def empty(shape, dtype):
    """An uninitialised array, in memory that an array of its size no longer uses: see Buffers."""
    dtype = np.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    if not _SMALL <= size <= _KEPT_LIMIT:
        return np.empty(shape, dtype)
    return buffers.array(shape, dtype, size)


def scratch(name, shape, dtype):
    """An uninitialised array, the same memory at each call by this thread with this name."""
    dtype = np.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    kept = _workspaces.__dict__.setdefault("kept", {})
    buffer = kept.get(name)
    if buffer is None or buffer.nbytes < size:
        buffer = empty((max(size, _SMALL),), np.uint8)
        if size <= _KEPT_LIMIT:
            kept[name] = buffer
    return buffer[:size].view(dtype).reshape(shape)
