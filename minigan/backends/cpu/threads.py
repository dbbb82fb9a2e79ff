"""Threads for NumPy: a small pool that shares out the blocks of an array.

NumPy releases Python's lock inside every large operation, so ordinary threads run truly in
parallel. BLAS has threads too, but it can only divide its own matrix products. It is better to
divide a whole pass (gather, multiply, write), because each thread's block then stays in its own
cache. Meanwhile BLAS is set to one thread: its own threads spin after every product, and slow
whatever follows. Only a network that is nothing but matrix products uses them (products.py).

The number of threads follows BLAS's setting (OPENBLAS_NUM_THREADS, threadpoolctl) and the number of
cores that the process may use. Each number gives the same bits every time. Another number changes
the last bits of sums that the threads share, which are weight gradients.
"""

import collections
import os
import queue
import threading

from threadpoolctl import ThreadpoolController

from ...files import messages
from ...files.cores import allowed_cores

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
    of_blas = _blas_threads or [library.get_num_threads() for library in _blas]
    return max(1, min([allowed_cores(), *of_blas]))


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
        errors = [_drain(task, todo)]
        for _ in range(helpers):
            errors.append(done.get())
    finally:
        _leave()
    for error in errors:
        if error is not None:
            raise error


def _workers_for(helpers):
    """Start the threads that are missing -> how many of the `helpers` there are.

    If the system refuses to start one, those that run do all of the work. The items are the same,
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
    """Wake the helpers -> a queue, into which each puts what _drain returned."""
    done = queue.SimpleQueue()
    for _ in range(helpers):
        _jobs.put((task, todo, done))
    return done


def _drain(task, todo):
    """Do items until none is left -> None, or the exception that ended it."""
    was_busy = getattr(_local, "busy", False)
    _local.busy = True
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
    """A thread of the pool: one job after the other, for as long as the program runs."""
    while True:
        task, todo, done = jobs.get()
        done.put(_drain(task, todo))
        del task, todo, done  # or the arrays they hold would live until the next job


def _enter():
    """A region begins; the first one sets BLAS to one thread."""
    global _regions, _blas_threads
    with _lock:
        _regions += 1
        if _regions == 1:
            _blas_threads = [library.get_num_threads() for library in _blas]
            for library in _blas:
                library.set_num_threads(1)


def _leave():
    """A region ends; the last one gives BLAS its threads back."""
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
