"""Reads the pages in docs/: their tables, and the programs in them, which the tests run.

A cell of a table holds programs, each line of them between backquotes. Lines of one program are
separated by <br>, programs by commas.
"""

import ast
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

import minigan as mg

DOCS = Path(__file__).parents[2] / "docs"
FENCE = re.compile(r"```python\n(.*?)```", re.S)
LINES = re.compile(r"`([^`]+)`(<br>)?")


def text_of(name):
    """The text of a page."""
    return (DOCS / name).read_text(encoding="utf-8")


def links(name):
    """The files and folders that a page links to, seen from docs/."""
    without_code = re.sub(r"`[^`]*`", "", text_of(name))
    return re.findall(r"\]\(([^)#:]+)\)", without_code)


def blocks(text):
    """The blocks of Python code in a text."""
    return FENCE.findall(text)


def section(text, heading):
    """What stands below a heading of the second level."""
    _, _, rest = text.partition(f"\n## {heading}\n")
    below, _, _ = rest.partition("\n## ")
    assert below, f"there is no heading {heading}"
    return below


def rows(text):
    """The rows of all tables in a text, each a list of cells, without the heads."""
    found = []
    lines = text.splitlines()
    for i, line in enumerate(lines):
        is_head = i + 1 < len(lines) and lines[i + 1].startswith("|---")
        if line.startswith("| ") and not is_head:
            _, *cells, _ = line.split("|")
            found.append([cell.strip() for cell in cells])
    return found


def programs(cell):
    """The programs in a cell, each a text of one or several lines."""
    found = []
    continues = False
    for line, is_followed in LINES.findall(cell):
        if continues:
            found[-1] += "\n" + line
        else:
            found.append(line)
        continues = bool(is_followed)
    return found


def in_minigan(program):
    """PyTorch's text with mg in the place of torch."""
    return re.sub(r"\btorch\.", "mg.", program)


# ---- the tables of coming-from-pytorch.md --------------------------------------------------------

PAGE = "coming-from-pytorch.md"


class Pair(NamedTuple):
    """Programs that do the same in both libraries."""

    theirs: str
    ours: str


class Difference(NamedTuple):
    """Programs, and for each an expression for its value, or the error that it raises."""

    theirs: str
    their_outcome: str
    ours: str
    our_outcome: str


class Refusal(NamedTuple):
    """A program of PyTorch's, the error that it raises in minigan, and what works there."""

    theirs: str
    error: str
    instead: list


def the_same():
    """The table "The same" -> Pairs."""
    found = []
    for theirs, ours, _ in rows(section(text_of(PAGE), "The same")):
        lefts = programs(theirs)
        rights = programs(ours) or [in_minigan(program) for program in lefts]
        found += [Pair(left, right) for left, right in zip(lefts, rights, strict=True)]
    return found


def what_differs():
    """The table "What differs" -> Differences."""
    found = []
    for *cells, _ in rows(section(text_of(PAGE), "What differs")):
        parts = []
        for cell in cells:
            (program,) = programs(cell)
            parts.append(program)
        found.append(Difference(*parts))
    return found


def what_is_refused():
    """The table "What is refused" -> Refusals."""
    found = []
    for theirs, error, instead, _ in rows(section(text_of(PAGE), "What is refused")):
        (words,) = programs(error)
        for program in programs(theirs):
            found.append(Refusal(program, words, programs(instead)))
    return found


# ---- running a program ---------------------------------------------------------------------------


def our_names(path):
    """What the page imports and makes, in minigan."""
    names = {"mg": mg, "np": np, "nn": mg.nn, "F": mg.functional, "optim": mg.optim}
    return names | tensors(mg.tensor) | {"path": str(path)}


def tensors(tensor):
    """The tensors that the page makes at its beginning, made by this function."""
    (program,) = [block for block in blocks(text_of(PAGE)) if "rng" in block]
    names = {"np": np, "tensor": tensor}
    exec(program, names)
    return names


def run(program, names):
    """Run a program -> the value of its last line, if that is an expression."""
    statements = ast.parse(program).body
    last = None
    if isinstance(statements[-1], ast.Expr):
        last = statements.pop().value
    exec(compile(ast.Module(statements, []), "<page>", "exec"), names)
    if last is not None:
        return eval(compile(ast.Expression(last), "<page>", "eval"), names)


def check_outcome(program, outcome, names):
    """A program has the value, or raises the error, that the page says."""
    kind, _, words = outcome.partition(": ")
    if not kind.endswith("Error"):
        assert run(program, names) == run(outcome, names)
        return
    try:
        value = run(program, names)
    except Exception as error:
        assert type(error).__name__ == kind
        assert words in str(error)
    else:
        raise AssertionError(f"{program} gives {value}, expected {outcome}")
