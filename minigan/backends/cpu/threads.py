"""Threads for NumPy: a small pool over blocks of an array, with single-threaded BLAS inside each.

NumPy lets go of Python's lock inside every large operation, so ordinary threads run truly in
parallel. BLAS can only divide its own matrix products; dividing a whole pass (gather, product,
write) instead keeps each thread's block in its own cache. BLAS's own threads must then rest: they
spin after every product and slow whatever follows. BLAS's own threads are used only for pure
perceptrons (products.py). How many threads there are follows BLAS's setting (OPENBLAS_NUM_THREADS,
threadpoolctl) and the cores allowed.
"""

import collections
import os
import queue
import threading

from threadpoolctl import ThreadpoolController

from ...files import messages

_local = threading.local()  # .busy: inside a task
_lock = threading.Lock()
_jobs = queue.SimpleQueue()
_workers = 0
_refused = False  # the system has refused to start another thread
_regions = 0  # parallel regions now open, in all threads of the program
_blas = ThreadpoolController().select(user_api="blas").lib_controllers
_blas_threads = None  # BLAS's own setting, while a region holds it at one


def thread_count():
    """How many threads `parallel` uses: BLAS's setting, at most the cores that are allowed."""
    cores = os.cpu_count()
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    allowed = _blas_threads or [library.get_num_threads() for library in _blas]
    return max(1, min([cores, *allowed]))


def split(size, parts):
    """`range(size)` as at most `parts` slices of nearly equal length, none of them empty."""
    parts = max(1, min(size, parts))
    ends = [size * i // parts for i in range(parts + 1)]
    return [slice(a, b) for a, b in zip(ends, ends[1:])]


def parallel(task, items):
    """Call task(item) for each item, on all threads at once; an exception of any is raised here.

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
