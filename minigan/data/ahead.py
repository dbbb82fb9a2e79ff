"""Work that threads do ahead of the training step: decoding the images of the next batches.

Which images come next is known long before they are needed, because the order does
not depend on the training. A copy of the order runs some batches ahead, and each of its images is
one job for whichever thread is free. A job writes only to its own place in its own batch, so the
bits are the same with any number of threads.
"""

import copy
import queue
import threading
import weakref
from collections import deque
from concurrent.futures import Future
from typing import NamedTuple

from ..files.cores import allowed_cores

BATCHES = 2  # that are prepared ahead; this bounds the memory
MOST_WORKERS = 16  # threads, if nobody says how many


class Batch(NamedTuple):
    """One batch that is prepared."""

    arrays: list  # that the jobs fill
    jobs: list  # of Futures, done when their image is in its place


def default_workers():
    """One thread for each core that this process may run on, at most MOST_WORKERS."""
    return min(allowed_cores(), MOST_WORKERS)


class Ahead:
    """Prepares the batches of an order ahead of time.

    order: an iterator of Draws; a copy of it runs ahead. filler: a batches.BatchFiller, which
    knows how to fill a batch. workers: the number of threads. They are daemons: a program that ends
    does not wait for them.
    """

    def __init__(self, order, filler, workers):
        self._scout = copy.deepcopy(order)
        self._filler = filler
        self._batches = deque()
        self._jobs = queue.SimpleQueue()
        self._workers = _start(workers, self._jobs)
        # The threads know only the queue, so they keep nothing alive, and end with this object.
        self.close = weakref.finalize(self, _stop, self._batches, self._jobs, self._workers)

    def take(self):
        """Wait for the next batch -> its arrays. Raises what a job raised."""
        while len(self._batches) <= BATCHES:
            self._batches.append(self._begin(next(self._scout)))
        batch = self._batches.popleft()
        for job in batch.jobs:
            job.result()
        return batch.arrays

    def _begin(self, draw):
        arrays = self._filler.allocate(draw)
        batch = Batch(arrays, [])
        for i in range(len(draw.chosen)):
            future = Future()
            batch.jobs.append(future)
            job = (future, self._filler.fill, arrays, draw, i)
            if self._workers:
                self._jobs.put(job)
            else:
                _do(*job)
        return batch


def _start(workers, jobs):
    """Start threads -> how many; fewer than asked for where the system starts no more."""
    for started in range(workers):
        thread = threading.Thread(target=_work, args=(jobs,), name="decoder", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            return started
    return workers


def _work(jobs):
    """What each thread does: one job after another, until it gets None."""
    while True:
        job = jobs.get()
        if job is None:
            return
        _do(*job)
        del job  # a waiting thread keeps no batch alive


def _do(future, fill, arrays, draw, i):
    """Do one job, unless it was cancelled, and note in its Future how it ended."""
    if not future.set_running_or_notify_cancel():
        return
    try:
        fill(arrays, draw, i)
        future.set_result(None)
    except BaseException as error:
        future.set_exception(error)
        del future  # the error knows this frame: the two would keep each other alive


def _stop(batches, jobs, workers):
    """Cancel the jobs that nobody has begun, and end the threads."""
    for batch in batches:
        for job in batch.jobs:
            job.cancel()
    for _ in range(workers):
        jobs.put(None)
