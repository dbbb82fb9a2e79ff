"""What a program says: in one line, whatever the text holds, and whether or not anybody can read
it.

A message is a courtesy, the work is what counts. Text from outside (a file name, an
argument, what a server answers) may hold line breaks or letters that the terminal lacks: these are
shown as escape sequences. A stream may be closed, on a full disk, or a pipe whose reader has gone:
then what is said is dropped, and the work goes on. Nothing here writes to a descriptor by its
number, because the number 2 of a process that was started without stderr belongs to the next file
that it opens.
"""

import contextlib
import errno
import io
import os
import select
import sys


def printable(text):
    """The text in one line: control characters, line breaks and lone surrogates become escape
    sequences as in repr."""
    return "".join(_escaped(character) for character in str(text))


def _escaped(character):
    if character.isprintable():
        return character
    return character.encode("unicode_escape").decode("ascii")


def shortened(text):
    """The text itself or, if it is very long, its beginning and its end: a damaged file may hold
    any name.
    """
    text = str(text)
    return text if len(text) <= 2000 else f"{text[:1500]} ... {text[-300:]}"


def reason(error):
    """What an exception says, in one line: of the system's answers "No space left on device
    (runs/log.csv)"."""
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return printable(f"{error.strerror} ({shortened(os.fsdecode(error.filename))})")
    if isinstance(error, OSError) and error.strerror:
        return printable(error.strerror)
    return printable(shortened(error) or type(error).__name__)


def is_terminal(stream):
    """Whether somebody sees at once what is written to the stream."""
    return stream is not None and not stream.closed and stream.isatty()


def say(text):
    """Print a text on stdout at once; where it cannot be written, it is dropped."""
    _write(str(text), sys.stdout)


def warn(text, end="\n"):
    """Say a line on stderr, its control characters escaped; where it cannot be written, it is
    dropped."""
    _write(printable(text), sys.stderr, end)


def _write(text, stream, end="\n"):
    if stream is None:  # the process was started without it
        return
    encoding = getattr(stream, "encoding", None) or "utf-8"
    line = text.encode(encoding, "backslashreplace").decode(encoding)
    with contextlib.suppress(OSError, ValueError):  # ValueError: the stream was closed
        print(line, file=stream, end=end, flush=True)


class Unbreakable(io.RawIOBase):
    """A raw stream that writes to another, and notes the first error instead of raising it:
    `failed`, or None."""

    def __init__(self, raw):
        self.raw = raw
        self.failed = None

    def writable(self):
        """True: it is made for writing."""
        return True

    def fileno(self):
        """The descriptor of the stream below."""
        return self.raw.fileno()

    def isatty(self):
        """Whether the stream below is a terminal."""
        return self.raw.isatty()

    def write(self, data):
        """Write the bytes, or drop them -> how many are done with."""
        try:
            written = self.raw.write(data)
            while written is None:  # a pipe that is full for now, and was set not to wait
                select.select([], [self.raw], [])
                written = self.raw.write(data)
            return written
        except OSError as error:
            self.failed = self.failed or error
            return len(data)


class Nowhere(io.RawIOBase):
    """A raw stream that drops everything."""

    def writable(self):
        """True: it is made for writing."""
        return True

    def write(self, data):
        """Drop the bytes -> how many."""
        return len(data)


@contextlib.contextmanager
def steady_streams():
    """``with steady_streams() as lost:`` stdout and stderr take every text, and no print inside the
    block can raise.

    Letters that a stream's encoding lacks are shown as escape sequences. Descriptors 0 to 2 that
    were closed when the process began are opened on the null device, so that no other file gets
    their numbers. lost() -> the OSError that kept something from stdout, or None; a reader that has
    read enough, as head has, is not an error.
    """
    _fill_descriptors()
    before = sys.stdout, sys.stderr
    sys.stdout, output = _steady(sys.stdout)
    sys.stderr, _ = _steady(sys.stderr)

    def lost():
        sys.stdout.flush()
        error = output.failed if output else None
        return None if error is None or error.errno == errno.EPIPE else error

    try:
        yield lost
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(ValueError):  # somebody closed it
                stream.flush()
        sys.stdout, sys.stderr = before


def _steady(stream):
    """(a text stream that writes where `stream` does, or nowhere for None, and never raises; its
    Unbreakable)."""
    if stream is None or stream.closed:
        null = Unbreakable(Nowhere())
        return _text(null, "utf-8", line_buffering=False), null
    if not hasattr(stream, "buffer"):  # io.StringIO, or a notebook's: it takes every text as it is
        return stream, None
    with contextlib.suppress(OSError):
        stream.flush()
    below = getattr(stream.buffer, "raw", stream.buffer)  # python -u has no buffer between
    raw = Unbreakable(below)
    # python -u sets write_through: whoever asks for it wants to see each line when it is said.
    by_lines = stream.line_buffering or getattr(stream, "write_through", False)
    return _text(raw, stream.encoding, by_lines), raw


def _text(raw, encoding, line_buffering):
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=encoding,
        errors="backslashreplace",
        line_buffering=line_buffering,
    )


def _fill_descriptors():
    """Open those of the descriptors 0, 1 and 2 that are closed on the null device."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # It gets the lowest number that is free, which is this one.
            opened = os.open(os.devnull, os.O_RDWR)
            os.set_inheritable(opened, True)
