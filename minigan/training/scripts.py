"""How a script reads its arguments and how it ends: each mistake is one sentence, not a traceback.

def main(argv=None):
    parser = scripts.Parser(description=__doc__)
    parser.add_argument("-n", type=scripts.at_least(1), help="how many")
    args = parser.parse_args(argv)
    with scripts.one_sentence():
        ...                                   # read what the arguments name
    ...

scripts.program(main)
"""

import argparse
import contextlib
import math
import re
import sys
from pathlib import Path

from .. import nn
from ..devices import DeviceError
from ..files import messages
from ..sizes import plain_size
from .run_config import option

# How a message about an argument begins: "batch_size is", "DCGAN: image_size is".
SUBJECT = re.compile(r"(?P<owner>(?:\w+: )?)(?P<name>\w+)(?= is )")

# ---- reading arguments


class Parser(argparse.ArgumentParser):
    """A parser that keeps the lines of its description, and whose errors are one sentence.

    argparse would print the whole usage with an error, and accept abbreviated names.
    """

    def __init__(self, **options):
        super().__init__(
            formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, **options
        )

    def error(self, message):
        said = messages.shortened(f"{self.prog}: {message}")
        self.exit(2, messages.printable(f"{said} (--help lists the arguments)") + "\n")


def refuse(message):
    """End a script whose arguments do not fit each other, with one sentence and status 2."""
    Parser().error(message)


def add_networks(parser):
    """Add --networks, which names a file of the user's own networks."""
    parser.add_argument(
        "--networks",
        metavar="FILE.py",
        type=file_name,
        help="your own networks: it defines Generator and Discriminator",
    )


def add_skip_unreadable(parser):
    """Add --skip-unreadable, which otherwise is an error."""
    parser.add_argument(
        "--skip-unreadable",
        action="store_true",
        help="name the unreadable files of a folder and go on without them",
    )


def number(convert, expected, holds):
    """The type of an argument that is a number -> a function from its text to its value.

    convert: int or float. holds: whether a value is allowed; expected: the same in words.
    """

    def checked(text):
        """The value of the text. Raises ArgumentTypeError if it is not what is expected."""
        with contextlib.suppress(ValueError):
            value = convert(text)
            if holds(value):
                return value
        raise argparse.ArgumentTypeError(f"{text} is not {expected}")

    return checked


def at_least(low):
    """The type of an argument that is a whole number, `low` or more."""
    return number(int, f"a whole number of at least {low}", lambda n: n >= low)


positive = number(float, "a number above 0", lambda x: 0 < x < math.inf)
not_negative = number(float, "a number of at least 0", lambda x: 0 <= x < math.inf)
at_least_one = number(float, "a number of at least 1", lambda x: 1 <= x < math.inf)
fraction = number(float, "a number from 0 to below 1", lambda x: 0 <= x < 1)


def image_size(text):
    """The type of --image-size: 64, or 96x160, height x width."""
    with contextlib.suppress(ValueError):
        return plain_size(text if "x" in text else int(text))
    raise argparse.ArgumentTypeError(
        f"{text} is not a size, expected a whole number of at least 1, or height x width, as 96x160"
    )


def augmentation(text):
    """The type of --augment: what nn.DiffAugment takes."""
    try:
        return nn.checked_policy(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def file_name(text):
    """The type of an argument that names a file."""
    if not text:
        raise argparse.ArgumentTypeError("'' names no file")
    return text


def data_name(text):
    """The type of --data: what data.load takes.

    "digits" has one spelling here, because its defaults are others.
    """
    if not text:
        raise argparse.ArgumentTypeError("'' is neither a name nor a path")
    return text.lower() if text.lower() == "digits" else text


# ---- ending


@contextlib.contextmanager
def one_sentence(args=None):
    """``with one_sentence():`` around the reading of input. An error is said in one line.

    The script then ends with status 2. args: the script's arguments. With them, an error about one,
    "batch_size is 5000", is said of its option, "--batch-size is 5000".
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
        complain(_with_option(messages.reason(error), args))
        sys.exit(2)


def _with_option(text, args):
    """A message that begins with an argument's name, or with a class and that -> with its option.

    "DCGAN: image_size is 48" becomes "DCGAN: --image-size is 48".
    """
    found = SUBJECT.match(text)
    if args is None or found is None or found["name"] not in vars(args):
        return text
    return f"{found['owner']}{option(found['name'])}{text[found.end() :]}"


def complain(text):
    """Print one line on stderr: the script's name, and what is wrong."""
    messages.warn(f"{Path(sys.argv[0]).name}: {text}")


def program(main, output="results"):
    """Run a script, and end it as a shell expects: with a status, one line on stderr, no traceback.

    main: takes no arguments. Exit status: 130 after Ctrl-C; 2 where the environment asks for a
    device that is not here; 1 if memory is short or the system refuses a file. Printing never ends
    the script: text that nobody reads is dropped, and letters that the terminal lacks are shown as
    escape sequences.

    output: "results" if what the script prints is its result; then the status is 1 if not all of it
    could be written to stdout. "progress" if its results are files, as those of a training.
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
