"""The code can be read aloud: no file is too dense or too long, no line too wide.

plain_code.py in support/ measures, and has the limits. One more is about the whole: the reading
path, the files that a newcomer reads from the first line to the last, fits into an evening.
"""

from pathlib import Path

import plain_code
import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("minigan", "examples", "tests")
FILES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))

READING_PATH = (
    "minigan/engine.py",
    "minigan/ops/elementwise.py",
    "minigan/ops/conv.py",
    "minigan/ops/normalisation.py",
    "minigan/models/dcgan.py",
    "examples/train_dcgan.py",
)
MOST_ON_THE_PATH = 1100  # lines of code


def name_of(path):
    """A path as it is seen from the top of the repository."""
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_file_can_be_read_aloud(path):
    found = plain_code.measure(path.read_text(encoding="utf-8"))
    assert not found.faults


KERNELS = [
    path
    for folder in ("kernels", "tests/kernels")
    for path in sorted((ROOT / folder).rglob("*"))
    if path.suffix in (".cu", ".cuh", ".cpp", ".h")
]


@pytest.mark.parametrize("path", KERNELS, ids=name_of)
def test_a_line_of_c_plus_plus_has_at_most_100_columns(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if len(line) > plain_code.MOST_COLUMNS] == []


def test_the_reading_path_fits_into_an_evening():
    texts = [(ROOT / name).read_text(encoding="utf-8") for name in READING_PATH]
    assert sum(plain_code.measure(text).lines for text in texts) <= MOST_ON_THE_PATH


CODE = '''"""A docstring of many words, which are no code."""

def f(x):
    """Another."""
    y = x + 1  # a comment
    return y
'''


def test_docstrings_and_comments_are_no_code():
    found = plain_code.measure(CODE)
    assert found.lines == 3
    assert found.tokens == 6 + 5 + 2
    assert not found.faults


@pytest.mark.parametrize(
    "text, words",
    [
        ("x = 1\n" * 301, "301 lines of code"),
        ("def f():\n" + "    x = 1\n" * 40, "f has 41 lines of code"),
        ("x = [1, 2, 3, 4]\n", "11.0 tokens per line"),
        ("x = '" + "a" * 100 + "'\n", "106 columns"),
        ("x = 1 if a else (2 if b else 3)\n", "a conditional expression in another"),
        ("x = 1 if a else [2 if b else 3]\n", "a conditional expression in another"),
        ("f(x := 1)\n", ":= outside"),
        ("if a:\n    f(x := 1)\n", ":= outside"),
        ("x = [y for y in z if (a := y)]\n", ":= outside"),
    ],
)
def test_what_is_over_a_limit_is_found(text, words):
    faults = plain_code.measure(text).faults
    assert any(words in fault for fault in faults)


def test_what_is_within_the_limits_is_not_found():
    assert not plain_code.measure("if x := f():\n    pass\nwhile y := g():\n    pass\n").faults
    assert not plain_code.measure("x = 1\n" * 300).faults
    assert not plain_code.measure("def f():\n" + "    x = 1\n" * 39).faults


def test_an_f_string_counts_as_one_token_on_every_python():
    assert plain_code.measure("x = f'{a + 1} and {b!r:>{width}}'\n").tokens == 3
