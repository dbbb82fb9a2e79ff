"""Signals that ask a training to end: Ctrl-C, a closed terminal, a service manager's SIGTERM.

A handler only notes the signal. It may run at any moment, while something is printed or a
file is written, so it prints nothing and saves nothing. The training looks at the note between two
steps. A thread says that the signal has come; a queue, which a handler may use safely, wakes it.
"""

import contextlib
import queue
import signal
import threading
import time

from ..files import messages

ENDS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
AT_ONCE = 0.2  # seconds: signals this close are one request, as `timeout` signals twice


class Interrupts:
    """``with Interrupts() as interrupts:`` notes the first signal in `interrupts.signal`.

    It is None as long as no signal of ENDS has come. A second signal, at least AT_ONCE later, ends
    the process at once, as it would without this class. If SIGHUP is ignored, as under nohup, it
    stays ignored.
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
        # If no thread can be started, nothing is said before the step is over.
        with contextlib.suppress(RuntimeError):
            self._announcer.start()
        return self

    def __exit__(self, *exception):
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._noted.put(None)
        if self._announcer.is_alive():
            self._announcer.join(1.0)  # seconds at most, because stderr may be blocked

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
        """Say that a signal was noted, once a second one would count as another request."""
        if self._noted.get() is None:  # the training has ended
            return
        with contextlib.suppress(queue.Empty):
            self._noted.get(timeout=AT_ONCE)  # unless the training ends meanwhile
        messages.warn("")  # ends the line of a progress bar, or of the ^C that a terminal shows
        messages.warn("stopping after this step; once more stops at once")
