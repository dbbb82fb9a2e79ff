"""What a program says comes out in one line, in any encoding, and never ends the program."""

import argparse
import errno
import io
import os
import select
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from dead_streams import DEAD, full_device, text_stream
from hypothesis import given
from hypothesis import strategies as st

from minigan.files import messages
from minigan.training import scripts

ROOT = Path(__file__).resolve().parents[2]


@given(st.text(st.integers(0, 0x10FFFF).map(chr)))
def test_what_is_printable_stays_and_what_is_not_is_escaped_in_one_line(text):
    shown = messages.printable(text)
    assert shown.isprintable() and len(shown.splitlines()) <= 1
    assert shown.isprintable() and (shown == text) == text.isprintable()
    plain = "".join(character for character in text if character.isprintable())
    rest = iter(shown)
    assert all(character in rest for character in plain)  # in this order, and none is lost


@pytest.mark.parametrize(
    "text, shown",
    [
        ("a\nb", "a\\nb"),
        ("a\r\n\tb", "a\\r\\n\\tb"),
        ("\x1b[31m", "\\x1b[31m"),
        ("\x85", "\\x85"),
        ("\u2028", "\\u2028"),
        ("torn\udcff.png", "torn\\udcff.png"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("ラン é 😀 C:\\new", "ラン é 😀 C:\\new"),
    ],
)
def test_control_characters_are_escaped_as_in_python(text, shown):
    assert messages.printable(text) == shown


@pytest.mark.parametrize(
    "error, said",
    [
        (
            OSError(errno.ENOSPC, "No space left on device", "runs/log.csv"),
            "No space left on device (runs/log.csv)",
        ),
        (OSError(errno.EIO, "Input/output error"), "Input/output error"),
        (OSError("no\nlines"), "no\\nlines"),
        (
            FileNotFoundError(errno.ENOENT, "No such file", b"a\nb\xff"),
            "No such file (a\\nb\\udcff)",
        ),
        (ValueError("3 is no prime"), "3 is no prime"),
        (EOFError(), "EOFError"),
    ],
)
def test_an_exception_has_its_reason_in_one_line(error, said):
    assert messages.reason(error) == said


# ---- streams that take nothing


@pytest.mark.parametrize("kind", DEAD)
def test_what_cannot_be_said_is_dropped(streams, kind):
    streams(DEAD[kind]())
    messages.say("to nobody")
    messages.warn("to nobody")


@pytest.mark.parametrize("kind", DEAD)
def test_no_print_raises_inside_steady_streams_and_the_old_streams_come_back(streams, kind):
    before = DEAD[kind]()
    streams(before)
    with messages.steady_streams() as lost:
        for stream in (sys.stdout, sys.stderr):
            print("x" * 100_000, "\udcff", file=stream, flush=True)
        error = lost()
    assert sys.stdout is before and sys.stderr is before
    assert (error and error.errno) == (errno.ENOSPC if kind == "a full disk" else None)


def test_letters_that_a_stream_lacks_are_shown_as_escape_sequences(streams):
    bytes_written = io.BytesIO()
    streams(io.TextIOWrapper(bytes_written, encoding="cp1252"))
    messages.say("ラン é")
    with messages.steady_streams():
        print("ラン é \udcff")
    assert bytes_written.getvalue().splitlines() == [
        b"\\u30e9\\u30f3 \xe9",
        b"\\u30e9\\u30f3 \xe9 \\udcff",
    ]


def test_a_pipe_that_is_full_for_now_is_waited_for(streams):
    """A pipe may be set not to wait, by whoever shares it: then a write into a full one says so,
    and takes nothing.
    """
    read, write = os.pipe()
    os.set_blocking(write, False)
    streams(text_stream(write))
    received = []

    def reader():
        time.sleep(0.1)
        while chunk := os.read(read, 65536):
            received.append(chunk)

    thread = threading.Thread(target=reader)
    thread.start()
    with messages.steady_streams():
        print("x" * 500_000, flush=True)
    sys.stdout.close()
    thread.join()
    os.close(read)
    assert b"".join(received) == b"x" * 500_000 + b"\n"


SPEAKER = """
import sys
from minigan.files.messages import steady_streams

with steady_streams():
    print("said", file=getattr(sys, sys.argv[1]))
    sys.stdin.read()
"""


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_an_unbuffered_python_says_each_line_at_once(stream):
    command = [sys.executable, "-u", "-c", SPEAKER, stream]
    pipes = {"stdin": subprocess.PIPE, stream: subprocess.PIPE}
    with subprocess.Popen(command, cwd=ROOT, **pipes) as speaker:
        said = getattr(speaker, stream)
        ready, _, _ = select.select([said], [], [], 20)  # seconds, though it waits for more input
        speaker.stdin.close()
        assert ready
        assert said.read() == b"said\n"


def test_streams_in_memory_are_left_as_they_are(streams):
    text = io.StringIO()
    streams(text)
    with messages.steady_streams() as lost:
        print("a\udcffb")
        assert lost() is None
    assert text.getvalue() == "a\udcffb\n"


# ---- scripts


def ends(main, output="results"):
    """The exit status of a script."""
    with pytest.raises(SystemExit) as stop:
        scripts.program(main, output)
    return stop.value.code


def raising(error):
    def main():
        raise error

    return main


@pytest.mark.parametrize(
    "error, status, said",
    [
        (KeyboardInterrupt(), 130, ""),
        (MemoryError("3 GB"), 1, "not enough memory: 3 GB"),
        (
            OSError(errno.ENOSPC, "No space left on device", "a\nb.npz"),
            1,
            "No space left on device (a\\nb.npz)",
        ),
        (OSError(errno.EMFILE, "Too many open files", "x"), 1, "Too many open files (x)"),
        (scripts.DeviceError("unknown device 'tpu'"), 2, "unknown device 'tpu'"),
        (SystemExit(3), 3, ""),
    ],
)
def test_a_script_ends_in_a_sentence(error, status, said, capfd):
    assert ends(raising(error)) == status
    name = Path(sys.argv[0]).name
    assert capfd.readouterr() == ("", f"{name}: {said}\n" if said else "")


@pytest.mark.parametrize(
    "error, said",
    [
        ("batch_size is 9, expected 5", "--batch-size is 9, expected 5"),
        ("DCGAN: batch_size is 9", "DCGAN: --batch-size is 9"),
        ("its batch_size is 9", "its batch_size is 9"),
        ("image_size is 9", "image_size is 9"),
        ("batch_sizes are 9", "batch_sizes are 9"),
    ],
)
def test_an_argument_that_is_wrong_is_called_by_its_option(error, said, capfd):
    args = argparse.Namespace(batch_size=9)
    with pytest.raises(SystemExit), scripts.one_sentence(args):
        raise ValueError(error)
    assert capfd.readouterr().err.endswith(f": {said}\n")


def test_a_sentence_that_a_script_exits_with_is_one_line(capfd):
    assert ends(raising(SystemExit("step 3: a\nb\x1b.npz is lost"))) == 1
    assert capfd.readouterr().err == "step 3: a\\nb\\x1b.npz is lost\n"


def test_a_mistake_of_the_program_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        scripts.program(lambda: 1 / 0)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("a\nb"),
        FileNotFoundError(errno.ENOENT, "No such file", "a\nb"),
        KeyError("a\nb"),
        OSError("a\nb"),
    ],
)
def test_a_line_break_in_what_is_refused_is_escaped(error, capfd):
    with pytest.raises(SystemExit) as stop, scripts.one_sentence():
        raise error
    said = capfd.readouterr().err
    assert stop.value.code == 2 and said.count("\n") == 1 and "\\n" in said


def test_a_line_break_in_an_argument_is_escaped(capfd):
    with pytest.raises(SystemExit) as stop:
        scripts.Parser(prog="script.py").parse_args(["--un\nknown\x1b"])
    assert stop.value.code == 2
    assert capfd.readouterr().err == (
        "script.py: unrecognized arguments: --un\\nknown\\x1b (--help lists the arguments)\n"
    )


def test_results_that_could_not_be_printed_are_an_error_and_progress_is_none(streams, capfd):
    for output, status in (("results", 1), ("progress", 0)):
        errors = io.StringIO()
        streams(text_stream(full_device()))
        sys.stderr = errors
        try:
            scripts.program(lambda: print("42"), output)
            ended = 0
        except SystemExit as stop:
            ended = stop.code
        assert ended == status
        assert errors.getvalue().endswith(
            "not all that it printed could be written to stdout: No space left on device\n"
        )


# What stdout and stderr of a real script may be -> its exit status, for results and for progress.
REDIRECTED = {
    "> /dev/full": (1, 0),
    ">&-": (0, 0),
    "2>&-": (0, 0),
    ">&- 2>&-": (0, 0),
    "<&- >&- 2>&-": (0, 0),
    "2> /dev/full": (0, 0),
    "> /dev/full 2>&1": (1, 0),
    "<&-": (0, 0),
}


@pytest.mark.parametrize("redirection", REDIRECTED)
def test_a_script_works_whatever_its_streams_are(redirection, tmp_path):
    (tmp_path / "script.py").write_text("""
import os, sys
from minigan.training import scripts

def main():
    print("results \\udcff", "x" * 10000)
    print("complaints", file=sys.stderr)
    with open("file", "wb") as file:
        assert file.fileno() > 2, "a file has the number of a standard stream"
        os.system("echo child; echo child >&2")

scripts.program(main, sys.argv[1])
""")
    for output, status in zip(("results", "progress"), REDIRECTED[redirection]):
        command = f"{sys.executable} script.py {output} {redirection}; echo $? > status"
        done = subprocess.run(
            command,
            shell=True,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT}/examples"},
        )
        assert (tmp_path / "status").read_text() == f"{status}\n", done.stderr
        assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr


def test_a_reader_that_has_read_enough_is_no_error(tmp_path):
    script = (
        "from minigan.training import scripts\n"
        'scripts.program(lambda: print(*["line"] * 100000, sep="\\n"))'
    )
    done = subprocess.run(
        f"({sys.executable} -c '{script}'; echo $? >&2) | head -1",
        shell=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT}/examples"},
    )
    assert (done.stdout, done.stderr) == ("line\n", "0\n")
