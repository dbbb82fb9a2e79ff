"""How a script reads its arguments and ends: one sentence for every mistake, and no traceback."""

import argparse
import contextlib
import math
import sys
from pathlib import Path

from ..devices import DeviceError
from ..files import messages


class Parser(argparse.ArgumentParser):
    """A parser whose description keeps its lines, and whose error is one sentence instead of the
    whole usage.
    """

    def __init__(self, **options):
        super().__init__(
            formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, **options
        )

    def error(self, message):
        said = messages.shortened(f"{self.prog}: {message}")
        self.exit(2, messages.printable(f"{said} (--help lists the arguments)") + "\n")


@contextlib.contextmanager
def one_sentence():
    """``with one_sentence():`` around the reading of input: what is wrong with it is said in a
    line; exit status 2.
    """
    try:
        yield
    except (
        ValueError,
        TypeError,
        KeyError,
        OSError,
        ImportError,
        RuntimeError,
        OverflowError,
    ) as error:
        complain(messages.reason(error))
        sys.exit(2)


def complain(text):
    """Say on stderr, in one line, what is wrong, behind the script's name."""
    messages.warn(f"{Path(sys.argv[0]).name}: {text}")


def refuse(message):
    """End a script whose arguments do not fit each other, with one sentence and status 2."""
    Parser().error(message)


def program(main, output="results"):
    """Run a script, and end it as shells expect, with a line on stderr and no traceback, whatever
    the system answers.

    main: takes no arguments. Exit status: 130 after Ctrl-C; 2 where the environment asks for a
    device that is not here; 1 for want of memory, or where the system refuses a file. Nothing
    that is printed can end the script: what nobody reads is dropped, and letters that the
    terminal lacks are shown as escape sequences. output: "results", then the status is 1 if not
    all of them could be written to stdout, or "progress", as of a training, whose files are its
    results.
    """
    with messages.steady_streams() as lost:
        status = _run(main)
        if error := lost():
            complain(
                f"not all that it printed could be written to stdout: {messages.reason(error)}"
            )
            if output == "results":
                status = status or 1
    if status:
        sys.exit(status)


def _run(main):
    """Call main() -> the exit status."""
    try:
        main()
    except SystemExit as stop:
        if isinstance(stop.code, str):
            messages.warn(stop.code)
            return 1
        return stop.code
    except KeyboardInterrupt:
        return 130
    except DeviceError as error:
        complain(messages.reason(error))
        return 2
    except MemoryError as error:
        complain(f"not enough memory: {error}")
        return 1
    except OSError as error:
        complain(messages.reason(error))
        return 1
    return 0


def number(convert, expected, holds):
    """An argument's type: what `convert` makes of a text, if it `holds`; `expected` says so in
    words.
    """

    def checked(text):
        """What the text of an argument says, checked."""
        with contextlib.suppress(ValueError):
            if holds(value := convert(text)):
                return value
        raise argparse.ArgumentTypeError(f"{text} is not {expected}")

    return checked


def at_least(low):
    """An argument's type: a whole number, `low` or more."""
    return number(int, f"a whole number of at least {low}", lambda n: n >= low)


def file_name(text):
    """An argument's type: the name of a file."""
    if not text:
        raise argparse.ArgumentTypeError("'' names no file")
    return text


def data_name(text):
    """An argument's type: what data.load takes; scripts have other defaults for "digits", however
    it is written.
    """
    if not text:
        raise argparse.ArgumentTypeError("'' is neither a name nor a path")
    return text.lower() if text.lower() == "digits" else text


positive = number(float, "a number above 0", lambda x: 0 < x < math.inf)
not_negative = number(float, "a number of at least 0", lambda x: 0 <= x < math.inf)
at_least_one = number(float, "a number of at least 1", lambda x: 1 <= x < math.inf)
fraction = number(float, "a number from 0 to below 1", lambda x: 0 <= x < 1)
