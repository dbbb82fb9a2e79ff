"""Two cores for NumPy: a small pool of threads over bands of an array, single-threaded BLAS
inside each.

NumPy lets go of Python's lock inside every large operation, so ordinary threads run truly in
parallel. BLAS can only divide its own matrix products; dividing a whole pass (gather, product,
write) instead keeps each thread's band in its own cache. BLAS's own threads must then rest: they
spin after every product and slow whatever follows. Only networks of products alone leave them
their work (products.py). How many threads there are follows BLAS's setting (OPENBLAS_NUM_THREADS,
threadpoolctl) and the cores allowed.
"""

import collections
import math
import os
import queue
import sys
import threading

import numpy as np
from threadpoolctl import ThreadpoolController

from ...files import messages

_KEPT_LIMIT = 64 << 20  # bytes; memory of a larger array or workspace is not kept
# Elements in a piece: half a dozen of them should share a second-level cache, but each NumPy call
# must be long enough (tens of microseconds) that two threads seldom meet at Python's lock.
PIECE = 1 << 17
_SMALL = 1 << 16  # bytes; for a smaller array alignment is not worth a microsecond
_SIZES = 32  # of this many sizes, those used last, the memory is kept
_LINE = 64  # bytes in a cache line, and in an AVX-512 register

_buffers = {}  # size in bytes: buffers and where their first line starts, see `empty`
_local = threading.local()  # .busy: inside a task; .scratch: this thread's workspaces
_lock = threading.Lock()
_jobs = queue.SimpleQueue()
_workers = 0
_refused = False  # the system has refused to start another thread
_regions = 0  # parallel regions now open, in all threads of the program
_blas = ThreadpoolController().select(user_api="blas").lib_controllers
_blas_threads = None  # BLAS's own setting, while a region holds it at one


def thread_count():
    """How many threads `parallel` uses: BLAS's setting, at most the cores this process may run
    on.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    allowed = _blas_threads or [library.get_num_threads() for library in _blas]
    return max(1, min([cores] + allowed))


def split(size, parts):
    """`range(size)` as at most `parts` slices of nearly equal length, none of them empty."""
    parts = max(1, min(size, parts))
    ends = [size * i // parts for i in range(parts + 1)]
    return [slice(a, b) for a, b in zip(ends, ends[1:])]


def parallel(task, items):
    """Call task(item) for each item, on all threads at once; the first exception of any of them
    is raised here.

    Which thread runs an item is left to chance, so a task writes only to what belongs to its item.
    """
    todo = collections.deque(items)
    _enter()
    try:
        helpers = 0
        if len(todo) > 1 and not getattr(_local, "busy", False):
            helpers = _workers_for(min(thread_count(), len(todo)) - 1)
        done = _share_out(helpers, task, todo)
        errors = [_drain(task, todo)] + [done.get() for _ in range(helpers)]
    finally:
        _leave()
    for error in errors:
        if error is not None:
            raise error


def _workers_for(helpers):
    """Start the threads that are missing -> how many of `helpers` there are.

    Where the system starts no more, those that run do all of the work: the items are the same,
    and so are the results.
    """
    global _workers, _refused
    with _lock:
        while _workers < helpers and not _refused:
            worker = threading.Thread(target=_work, args=(_jobs,), name="minigan", daemon=True)
            try:
                worker.start()
            except RuntimeError:
                _refused = True
                messages.warn(
                    f"the system starts no more threads: minigan goes on with {_workers + 1}"
                )
                break
            _workers += 1
        return min(helpers, _workers)


def _share_out(helpers, task, todo):
    """Wake the helpers; each puts one answer into the queue returned: None, or the exception that
    ended it.
    """
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
            except IndexError:  # another thread took the last item after we looked
                return None
            task(item)
    except BaseException as error:  # handed to the caller of `parallel`, which raises it
        todo.clear()
        return error
    finally:
        _local.busy = was_busy
    return None


def _work(jobs):
    while True:
        task, todo, done = jobs.get()
        done.put(_drain(task, todo))
        del task, todo, done  # or the arrays they hold would live until the next job


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
    global _lock, _jobs, _workers, _refused, _regions, _blas_threads
    for library, count in zip(_blas, _blas_threads or []):
        library.set_num_threads(count)
    _lock = threading.Lock()
    _jobs = queue.SimpleQueue()
    _workers = 0
    _refused = False
    _regions = 0
    _blas_threads = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def _references(pair):
    return sys.getrefcount(pair[0])


_UNUSED = _references(
    (np.empty(0), 0)
)  # to a buffer that no array uses; measured, for versions of Python differ


def empty(shape, dtype):
    """An uninitialised array that starts on a cache line, in memory that an array of its size no
    longer uses.

    NumPy's own large arrays start 16 bytes into a line, so that every AVX-512 load and store
    straddles two: adding two arrays that lie in the cache then takes twice as long. And they are
    new pages, which the system maps and clears at the first touch, one by one: that takes longer
    than most operations. Here every array, and every view of it, refers to a buffer that stays in
    `_buffers`; one that nothing else refers to is free.
    """
    dtype = np.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    if not _SMALL <= size <= _KEPT_LIMIT:
        return np.empty(shape, dtype)
    with _lock:
        buffers = _buffers[size] = _buffers.pop(size, [])  # the size used last stands last
        buffer, start = next((pair for pair in buffers if _references(pair) == _UNUSED), (None, 0))
        if buffer is None:
            buffer = np.empty(size + _LINE, np.uint8)
            start = -buffer.ctypes.data % _LINE
            buffers.append((buffer, start))
            if len(_buffers) > _SIZES:
                del _buffers[next(iter(_buffers))]
        return np.ndarray(shape, dtype, buffer, start)


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
        if size <= _KEPT_LIMIT:
            kept[name] = buffer
    return buffer[:size].view(dtype).reshape(shape)
