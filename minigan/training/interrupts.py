"""Signals that ask a training to end: Ctrl-C, the end of a terminal, or what a service manager
sends.

The one idea: a handler only notes the signal. It may run at any moment, in the midst of a print or
of the writing of a file, so it prints nothing and saves nothing; the training looks at the note
between two steps, and a thread of its own, which is woken by a queue that is made for this, says
that the signal has come.
"""

import contextlib
import queue
import signal
import threading
import time

from ..files import messages

ENDS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
# Signals that come within so many seconds are one request: `timeout` asks a process and its group.
AT_ONCE = 0.2


class Interrupts:
    """``with Interrupts() as interrupts:`` notes the first signal of ENDS in `interrupts.signal`,
    else None.

    Another one, a moment later, ends the process at once, as it would have without this. A SIGHUP
    that is ignored, as under nohup, stays so.
    """

    def __init__(self):
        self.signal = None
        self._noted_at = 0.0
        self._noted = queue.SimpleQueue()  # its put() may interrupt its own get() or put()
        self._before = {}

    def __enter__(self):
        for number in ENDS:
            ignored = signal.getsignal(number) is signal.SIG_IGN
            if not ignored or number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._note)
        self._announcer = threading.Thread(target=self._announce, name="interrupts", daemon=True)
        # Where no thread can be started, nothing is said before the step is over.
        with contextlib.suppress(RuntimeError):
            self._announcer.start()
        return self

    def __exit__(self, *exception):
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._noted.put(None)
        if self._announcer.is_alive():
            self._announcer.join(1.0)  # seconds: a stderr that takes nothing must not keep us

    def _note(self, number, frame):
        now = time.monotonic()
        if self.signal is None:
            self.signal = number
            self._noted_at = now
            self._noted.put(number)
        elif now - self._noted_at > AT_ONCE:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)

    def _announce(self):
        """Say that a signal was noted, once another would no longer count as the same."""
        if self._noted.get() is None:  # the training has ended
            return
        with contextlib.suppress(queue.Empty):
            self._noted.get(timeout=AT_ONCE)  # the end of the training, which need not wait
        messages.warn("")  # behind a progress bar, or the ^C that a terminal shows
        messages.warn("stopping after this step; once more stops at once")
