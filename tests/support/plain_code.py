"""How hard is a Python file to read aloud? Its lines of code, and the tokens on each.

    python tests/support/plain_code.py minigan/ops tests/nn/test_init.py

prints what is over a limit, and the mean of all files. A token is a name, an operator, a number or
a string that ends on its line; a line of code is one that has a token. Docstrings and comments do
not count.
"""

import ast
import io
import sys
import tokenize
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

MOST_LINES = 300  # of code in a file
MOST_FUNCTION_LINES = 40  # of code in a function
MOST_COLUMNS = 100
MOST_TOKENS_PER_LINE = 10.5  # the mean of a file; micrograd has 8.3, Chainer 8.5, DeZero 8.6

COUNTED = {tokenize.NAME, tokenize.OP, tokenize.NUMBER, tokenize.STRING}
# From Python 3.12 on, an f-string comes in pieces. It counts as one string, as before.
FSTRING_START = getattr(tokenize, "FSTRING_START", None)
FSTRING_END = getattr(tokenize, "FSTRING_END", None)


@dataclass
class Measure:
    """What was found in one file."""

    lines: int  # of code
    tokens: int
    faults: list  # sentences: what is over a limit, and where

    @property
    def density(self):
        """Tokens per line of code."""
        return self.tokens / max(1, self.lines)


def tokens_per_line(text):
    """The number of tokens on each line of code, as a Counter from line numbers."""
    counts = Counter()
    depth = 0  # inside how many f-strings
    start = 0  # the line on which the outermost one began
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if FSTRING_START is not None and token.type == FSTRING_START:
            if depth == 0:
                start = token.start[0]
            depth += 1
        elif FSTRING_END is not None and token.type == FSTRING_END:
            depth -= 1
            if depth == 0 and token.end[0] == start:
                counts[start] += 1
        elif depth == 0 and token.type in COUNTED and token.start[0] == token.end[0]:
            counts[token.start[0]] += 1
    return counts


def _without_docstrings(counts, tree):
    """The same counts without the lines of docstrings."""
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    counts = counts.copy()
    for node in ast.walk(tree):
        if isinstance(node, kinds) and ast.get_docstring(node) is not None:
            docstring = node.body[0]
            for line in range(docstring.lineno, docstring.end_lineno + 1):
                counts.pop(line, None)
    return counts


def _nested_conditionals(tree):
    """The lines of conditional expressions inside a conditional expression."""
    for node in ast.walk(tree):
        if isinstance(node, ast.IfExp):
            inner = [other for child in ast.iter_child_nodes(node) for other in ast.walk(child)]
            if any(isinstance(other, ast.IfExp) for other in inner):
                yield node.lineno


def _misplaced_walruses(tree):
    """The lines of assignment expressions that stand outside the test of an if or a while."""
    allowed = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.If, ast.While)):
            allowed.update(id(inner) for inner in ast.walk(node.test))
    for node in ast.walk(tree):
        if isinstance(node, ast.NamedExpr) and id(node) not in allowed:
            yield node.lineno


def measure(text):
    """The text of a Python file -> its Measure."""
    tree = ast.parse(text)
    counts = _without_docstrings(tokens_per_line(text), tree)
    found = Measure(len(counts), sum(counts.values()), [])
    if found.lines > MOST_LINES:
        found.faults.append(f"{found.lines} lines of code, at most {MOST_LINES}")
    if found.density > MOST_TOKENS_PER_LINE:
        limit = f"at most {MOST_TOKENS_PER_LINE}"
        found.faults.append(f"{found.density:.1f} tokens per line of code, {limit}")
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            length = sum(node.lineno <= line <= node.end_lineno for line in counts)
            if length > MOST_FUNCTION_LINES:
                what = f"{node.name} has {length} lines of code, at most {MOST_FUNCTION_LINES}"
                found.faults.append(f"line {node.lineno}: {what}")
    for number, line in enumerate(text.splitlines(), start=1):
        if len(line) > MOST_COLUMNS:
            found.faults.append(f"line {number}: {len(line)} columns, at most {MOST_COLUMNS}")
    for line in _nested_conditionals(tree):
        found.faults.append(f"line {line}: a conditional expression in another")
    for line in _misplaced_walruses(tree):
        found.faults.append(f"line {line}: := outside the test of an if or a while")
    return found


def main(arguments):
    """Print what is over a limit in the files and folders named."""
    lines = tokens = 0
    for argument in map(Path, arguments):
        paths = sorted(argument.rglob("*.py")) if argument.is_dir() else [argument]
        for path in paths:
            found = measure(path.read_text(encoding="utf-8"))
            lines += found.lines
            tokens += found.tokens
            for fault in found.faults:
                print(f"{path}: {fault}")
    print(f"all: {lines} lines of code, {tokens / max(1, lines):.1f} tokens per line")


if __name__ == "__main__":
    main(sys.argv[1:])
