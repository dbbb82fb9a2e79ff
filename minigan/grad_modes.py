"""Is the computation graph recorded? no_grad, and PyTorch's other names around it."""

from contextlib import contextmanager
from contextvars import ContextVar

recording = ContextVar("recording", default=True)  # does engine.record() build the graph?


@contextmanager
def recording_set_to(flag):
    """Inside the block, engine.record() builds the graph only if flag is true."""
    before = recording.set(flag)
    try:
        yield
    finally:
        recording.reset(before)


def no_grad():
    """``with no_grad():`` or ``@no_grad()``: no graph is kept, and results require no gradient."""
    return recording_set_to(False)


def enable_grad():
    """``with enable_grad():`` records the graph again inside a ``no_grad()`` block."""
    return recording_set_to(True)


def inference_mode(mode=True):
    """As no_grad(), or with False as nothing."""
    return no_grad() if mode else recording_set_to(recording.get())


def is_grad_enabled():
    """Is the graph recorded at the moment?"""
    return recording.get()


class set_grad_enabled:
    """``with set_grad_enabled(flag):`` records the graph only if flag is true.

    As in PyTorch, without ``with`` it holds from now on.
    """

    def __init__(self, flag):
        self._token = recording.set(bool(flag))

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        recording.reset(self._token)
