"""Two cores for NumPy: a small pool of threads over bands of an array, single-threaded BLAS inside each.

NumPy lets go of Python's lock inside every large operation, so ordinary threads run truly in parallel. BLAS can
only divide its own matrix products; dividing a whole pass (gather, product, write) instead keeps each thread's
band in its own cache. BLAS's own threads must then rest: they spin after every product and slow whatever follows.
How many threads there are follows BLAS's setting (OPENBLAS_NUM_THREADS, threadpoolctl) and the cores allowed.
"""
import collections
import math
import os
import queue
import threading

import numpy as np
from threadpoolctl import ThreadpoolController

_SCRATCH_LIMIT = 64 << 20       # bytes; a larger workspace is not kept between calls
_SMALL = 1 << 16                # bytes; for a smaller array alignment is not worth a microsecond
_LINE = 64                      # bytes in a cache line, and in an AVX-512 register

_BLAS_THREADS_FROM = 1 << 18    # multiplications in a product from which OpenBLAS uses its threads
_THREADS_FROM = 1 << 23         # multiplications that take longer than waking another thread

_local = threading.local()      # .busy: inside a task; .scratch: this thread's workspaces
_lock = threading.Lock()
_jobs = queue.SimpleQueue()
_workers = 0
_regions = 0                    # parallel regions now open, in all threads of the program
_blas = ThreadpoolController().select(user_api="blas").lib_controllers
_blas_threads = None            # BLAS's own setting, while a region holds it at one


def thread_count():
    """How many threads `parallel` uses: BLAS's setting, at most the cores this process may run on."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    allowed = _blas_threads or [library.get_num_threads() for library in _blas]
    return max(1, min([cores] + allowed))


def split(size, parts):
    """`range(size)` as at most `parts` slices of nearly equal length, none of them empty."""
    parts = max(1, min(size, parts))
    ends = [size * i // parts for i in range(parts + 1)]
    return [slice(a, b) for a, b in zip(ends, ends[1:])]


def parallel(task, items):
    """Call task(item) for each item, on all threads at once; the first exception of any of them is raised here.

    Which thread runs an item is left to chance, so a task writes only to what belongs to its item.
    """
    todo = collections.deque(items)
    helpers = 0 if getattr(_local, "busy", False) else min(thread_count(), len(todo)) - 1
    _enter()
    try:
        if helpers > 0:
            done = _share_out(helpers, task, todo)
            errors = [_drain(task, todo)] + [done.get() for _ in range(helpers)]
        else:
            errors = [_drain(task, todo)]
    finally:
        _leave()
    for error in errors:
        if error is not None:
            raise error


def _share_out(helpers, task, todo):
    """Wake the helpers; each puts one answer into the queue returned: None, or the exception that ended it."""
    global _workers
    with _lock:
        while _workers < helpers:
            threading.Thread(target=_work, args=(_jobs,), name="minigan", daemon=True).start()
            _workers += 1
    done = queue.SimpleQueue()
    for _ in range(helpers):
        _jobs.put((task, todo, done))
    return done


def _drain(task, todo):
    was_busy, _local.busy = getattr(_local, "busy", False), True
    try:
        while todo:
            try:
                item = todo.popleft()
            except IndexError:          # another thread took the last item after we looked
                return None
            task(item)
    except BaseException as error:      # handed to the caller of `parallel`, which raises it
        todo.clear()
        return error
    finally:
        _local.busy = was_busy
    return None


def _work(jobs):
    while True:
        task, todo, done = jobs.get()
        done.put(_drain(task, todo))
        del task, todo, done            # or the arrays they hold would live until the next job


def _enter():
    global _regions, _blas_threads
    with _lock:
        _regions += 1
        if _regions == 1:
            _blas_threads = [library.get_num_threads() for library in _blas]
            for library in _blas:
                library.set_num_threads(1)


def _leave():
    global _regions, _blas_threads
    with _lock:
        _regions -= 1
        if _regions == 0:
            for library, count in zip(_blas, _blas_threads):
                library.set_num_threads(count)
            _blas_threads = None


def _forget():
    """A forked child has none of its parent's threads: it starts its own when it needs them."""
    global _lock, _jobs, _workers, _regions, _blas_threads
    for library, count in zip(_blas, _blas_threads or []):
        library.set_num_threads(count)
    _lock, _jobs, _workers, _regions, _blas_threads = threading.Lock(), queue.SimpleQueue(), 0, 0, None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def empty(shape, dtype):
    """An uninitialised array that starts on a cache line.

    NumPy's own large arrays start 16 bytes into one, so that every AVX-512 load and store straddles two lines: adding
    two arrays that lie in the cache then takes twice as long.
    """
    dtype = np.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    if size < _SMALL:
        return np.empty(shape, dtype)
    buffer = np.empty(size + _LINE, np.uint8)
    start = -buffer.ctypes.data % _LINE
    return buffer[start:start + size].view(dtype).reshape(shape)


def scratch(name, shape, dtype):
    """An uninitialised array, the same memory at each call by this thread with this name.

    A fresh 8 MB array costs 1.4 ms in page faults, more than reading and writing it.
    """
    dtype = np.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    kept = _local.__dict__.setdefault("scratch", {})
    buffer = kept.get(name)
    if buffer is None or buffer.nbytes < size:
        buffer = empty((max(size, _SMALL),), np.uint8)
        if size <= _SCRATCH_LIMIT:
            kept[name] = buffer
    return buffer[:size].view(dtype).reshape(shape)


def matmul(x, y):
    """x @ y. A product of matrices that BLAS would use threads for is shared out here, by rows or by columns.

    BLAS's own threads would spin for a tenth of a second afterwards, and halve the speed of all that follows.
    """
    work = x.size * y.shape[-1]
    if x.ndim != 2 or y.ndim != 2 or x.dtype != y.dtype or work < _BLAS_THREADS_FROM:
        return x @ y
    z = empty((len(x), y.shape[1]), x.dtype)
    parts = thread_count() if work >= _THREADS_FROM else 1
    if len(x) > y.shape[1]:
        parallel(lambda rows: np.matmul(x[rows], y, out=z[rows]), split(len(x), parts))
    else:
        parallel(lambda columns: np.matmul(x, y[:, columns], out=z[:, columns]), split(y.shape[1], parts))
    return z
