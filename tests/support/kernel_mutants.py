"""Mutants of the kernels: their text with one thing changed, made by rules.

A rule is a pattern and what takes its place. What nobody can notice is listed with the reason.
"""

import functools
import hashlib
import itertools
import re
from collections import Counter
from typing import NamedTuple

from kernel_suite import TESTS_OF

from minigan.backends.host import compiler

CONDITION = r"\(((?:[^()]|\((?:[^()]|\([^()]*\))*\))*)\)"  # with brackets two deep
AXES = (
    ("stride_h", "stride_w"),
    ("pad_h", "pad_w"),
    ("H", "W"),
    ("P", "Q"),
    ("R", "S"),
    ("threadIdx.x", "threadIdx.y"),
    ("blockIdx.x", "blockIdx.y"),
    ("blockDim.x", "blockDim.y"),
)
KINDS = {  # kind: (what the text has, what the mutant has in its place) ...
    "barrier dropped": [(r"__syncthreads\(\);", ";")],
    "wait dropped": [(r"cp_async_wait<[^;]*;", ";")],
    "wait weakened": [(r"(cp_async_wait<[^;]*)>", r"\1 + 1>")],
    "commit dropped": [(r"cp_async_commit\(\);", ";")],
    "shuffle moved": [(r"(__shfl_\w+\(ALL_LANES, \w+(?:\[k\])?, \w+)\)", r"\1 + 1)")],
    "bound moved": [(" < ", " <= "), (" <= ", " < "), (" > ", " >= "), (" >= ", " > ")],
    "last turn lost": [(r"(for \([^;]*;[^;]* < )([^;]+);", r"\1\2 - 1;")],
    "first turn lost": [(r"(for \([^;]* = )0;", r"\g<1>1;")],
    "digits confused": [
        (r"auto \[(\w), (\w), (\w)\]", r"auto [\2, \1, \3]"),
        (r"auto \[(\w), (\w), (\w)\]", r"auto [\1, \3, \2]"),
        (r"(digits_of\(.*), ([\w.]+), ([\w.]+)\)", r"\1, \3, \2)"),
    ],
    "choice made": [
        (r"(?<=[^<>=!][=(,?:] )[\w.]+(?: (?:==|[<>]=?) [\w.]+)? \? (?=[^;\n]* : )", f"{value} ? ")
        for value in ("true", "false")
    ],
    "condition turned": [(" == ", " != "), (" && ", " || "), (r" \|\| ", " && ")],
    "guard dropped": [
        (rf"\bif {CONDITION} (?=return|continue)", "if (false) "),
        (rf"\bif {CONDITION}(?! return| continue)", "if (true)"),
    ],
    "term skipped": [(r" \+= ", " = ")],
    "sign changed": [(r" \+ ", " - "), (" - ", " + "), (r" \+= ", " -= "), (" -= ", " += ")],
    "operator changed": [(r" \* ", " + "), (" / ", " % "), (" % ", " / "), (r" \^ ", " + ")],
    "extreme changed": [(r"\bmin\(", "max("), (r"\bmax\(", "min(")],
    "axes swapped": [
        (rf"\b{re.escape(a)}\b", b) for pair in AXES for a, b in itertools.permutations(pair)
    ],
}

# What is no part of a kernel here, and is left as it is.
UNTOUCHED = "|".join(
    (
        r"//[^\n]*|/\*.*?\*/",  # comments
        r"#ifdef MINIGAN_HOST.*?#endif",  # the GPU's instructions, and what stands for them here
        r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*",  # other directives
        r"template <[^;{]*?>(?= |$)|<[\w:]+ROWS, [^;]*?>",  # parameters, not comparisons
        # compiled, never run
        r"static_assert\(.*?\);|__launch_bounds__\([^\n]*?\)|static constexpr int BLOCKS = .*?;",
    )
)

# (where, what is changed, why nobody can notice). Held against "file: kind: the line".
EQUIVALENT = [
    (
        r"last turn lost: .*\+= (CHUNK<T>|8|2)\)",
        "the bound is a multiple of the step: one less makes as many turns",
    ),
    (r"shuffle moved: .*xor", "17, 9, 5, 3, 2 instead of 16, 8, 4, 2, 1 unite all lanes as well"),
    (r"threadIdx\.x <=? DEPTH && length", "what threads beyond DEPTH hold is not used"),
    (r"bound moved: return \(?x >=? 0 \?", "at x = 0 both sides give the same number"),
    (r"bound moved: if \((slope == 0 && )?x [<>]=? 0\) return", "as before"),
    (
        r"condition turned: (static constexpr int STAGES|Place own\[).* \|\| ",
        "not the best number, but enough",
    ),
    (r"last turn lost: for \(; row \+ 3", "rows that do not go four at a time go one by one"),
    (
        r"-> if \(threadIdx\.x > DEPTH\) return",
        "one more thread writes to where the table has a gap",
    ),
    (
        r"-> if \(i <= Tile::ROWS && m < rows\)",
        "the next line gives this place to the column to which it belongs",
    ),
    (r"-> if \(!DEEP && i >= 0\)", "at i = 0 the line is the one whose step is there already"),
    (
        r"sign changed: .* : (Q|S|across\.pixels) \+ 1;$",
        "a tile takes more steps than it must, of padding",
    ),
    (r"whole = end - \(end \+ first\) % V", "first is a multiple of V"),
    (r"-> for \(unsigned first = 0; first <= steps;", "one more turn adds zeros"),
    (
        r"-> const bool inside = m <= pixels && step < steps",
        "what is read for a pixel too many is not used",
    ),
    (
        r"-> if \((?!next \+ 1 < end\)).*find_steps\(next \+ 1\);",
        "steps beyond the end are found in vain",
    ),
]


class Mutant(NamedTuple):
    """One change."""

    file: str
    line: int
    kind: str
    before: str  # the line
    after: str
    text: str  # of the whole file

    def __str__(self):
        return f"{self.file}:{self.line}: {self.kind}: {self.before} -> {self.after}"


def mutants():
    """All of them, less those that are EQUIVALENT."""
    for file in TESTS_OF:
        text = (compiler.kernels_folder() / file).read_text(encoding="utf-8")
        for kind, rules in KINDS.items():
            for pattern, replacement in rules:
                for mutant in changes(file, text, kind, pattern, replacement):
                    if not is_equivalent(mutant):
                        yield mutant


def changes(file, text, kind, pattern, replacement):
    """A Mutant for each place where the rule applies."""
    for match in re.finditer(pattern, without_untouched(text)):
        changed = text[: match.start()] + match.expand(replacement) + text[match.end() :]
        number = text.count("\n", 0, match.start())
        before = text.splitlines()[number].strip()
        after = changed.splitlines()[number].strip()
        yield Mutant(file, number + 1, kind, before, after, changed)


@functools.cache
def without_untouched(text):
    """The text with zeros in the place of what is UNTOUCHED; lines stay where they are."""

    def blank(match):
        return re.sub(r"[^\n]", "\0", match[0])

    return re.sub(UNTOUCHED, blank, text, flags=re.DOTALL | re.MULTILINE)


def is_equivalent(mutant):
    """Whether nobody can notice it."""
    return any(re.search(where, str(mutant)) for where, _ in EQUIVALENT)


def digest(mutant):
    """A number that is always the same for a mutant, and random among mutants."""
    return hashlib.sha256(str(mutant).encode()).hexdigest()


def sample(count):
    """So many mutants, always the same while the text is: each kind and each file in turn."""
    of_kind = Counter()
    of_file = Counter()
    ordered = []
    for mutant in sorted(mutants(), key=digest):
        of_file[mutant.file] += 1
        of_kind[mutant.kind] += 1
        turn = of_kind[mutant.kind], of_file[mutant.file], digest(mutant)
        ordered.append((turn, mutant))
    ordered.sort()
    return [mutant for _, mutant in ordered[:count]]
