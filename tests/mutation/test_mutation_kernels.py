"""Is the kernels' suite awake? Change one thing at a time in the real .cu and .cuh files, and
demand that it notices.

Rules make the mutants from the text. Each is compiled for the host device from a copy of kernels/
and held against the very functions of test_kernels_*.py, of which those that Hypothesis drives
get fixed cases, in a process of its own, which may hang or crash. Usually a fixed sample runs;
MINIGAN_MUTANTS=all takes all (half an hour on two cores), a number so many, and a word those in
whose names it occurs: "gemm.cuh", "barrier".
"""

import functools
import hashlib
import inspect
import itertools
import multiprocessing
import os
import re
import resource
import shutil
import time
from collections import Counter
from multiprocessing.connection import wait
from typing import NamedTuple
from unittest import mock

import numpy as np
import pytest
import test_kernels_adam
import test_kernels_batch_norm
import test_kernels_conv2d
import test_kernels_conv2d_weight_grad
import test_kernels_conv_transpose2d
import test_kernels_pointwise
import test_kernels_steps
from strategies import DTYPES, LAYOUTS, fixed_case

from minigan.backends.cuda import launch, sources
from minigan.backends.host import compiler, machine

MEMORY = test_kernels_adam, test_kernels_batch_norm, test_kernels_pointwise
CONVOLUTIONS = (
    test_kernels_conv2d,
    test_kernels_conv_transpose2d,
    test_kernels_conv2d_weight_grad,
    test_kernels_steps,
)
TESTS = {
    "common.cuh": MEMORY + CONVOLUTIONS,
    "memory.cuh": MEMORY,
    "gemm.cuh": CONVOLUTIONS,
    "conv2d.cu": CONVOLUTIONS[::3],
    "conv_transpose2d.cu": CONVOLUTIONS[1::2],
    "conv2d_weight_grad.cu": CONVOLUTIONS[2:],
    "adam.cu": MEMORY[:1],
    "batch_norm.cu": MEMORY[1:2],
    "channels.cu": MEMORY[2:],
    "leaky_relu.cu": MEMORY[2:],
    "bce_with_logits.cu": MEMORY[2:],
}
PRODUCTS = (
    ("naive", np.float32),
    ("naive", np.float64),
    ("tiled", np.float32),
    ("tiled", np.float64),
    ("tensor", np.float32),
)
RUNGS = {module: PRODUCTS for module in CONVOLUTIONS} | {
    module: ("naive", "tiled") for module in MEMORY
}
RUNGS[test_kernels_conv2d] = PRODUCTS + (("shared", np.float32), ("shared", np.float64))
FORK = multiprocessing.get_context("fork")
CASES = 40  # fixed ones, of each test that Hypothesis drives
SECONDS = 10  # of processor time for one check: a mutant that takes more never ends
SAMPLE = 15

# ---- mutants -------------------------------------------------------------------------------------

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
    (
        r"condition turned: (static constexpr int STAGES|Place own\[).* \|\| ",
        "not the best number, but enough",
    ),
    (r"last turn lost: for \(; row \+ 3", "rows that do not go four at a time go one by one"),
    (
        r"-> if \(threadIdx\.x > DEPTH\) return",
        "one more thread writes to where the table has a gap",
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
    for file in TESTS:
        text = (compiler.kernels_folder() / file).read_text(encoding="utf-8")
        code = re.sub(
            UNTOUCHED,
            lambda match: re.sub(r"[^\n]", "\0", match[0]),
            text,
            flags=re.DOTALL | re.MULTILINE,
        )
        for kind, rules in KINDS.items():
            for pattern, replacement in rules:
                for match in re.finditer(pattern, code):
                    changed = (
                        text[: match.start()] + match.expand(replacement) + text[match.end() :]
                    )
                    number = text.count("\n", 0, match.start())
                    before, after = (
                        lines.splitlines()[number].strip() for lines in (text, changed)
                    )
                    mutant = Mutant(file, number + 1, kind, before, after, changed)
                    if not any(re.search(where, str(mutant)) for where, _ in EQUIVALENT):
                        yield mutant


def sample(count):
    """So many mutants, always the same while the text is: each kind and each file in turn."""

    def number(mutant):
        return hashlib.sha256(str(mutant).encode()).hexdigest()

    ordered, turn, taken = [], Counter(), sorted(mutants(), key=number)
    for mutant in taken:
        turn[mutant.file] += 1
        turn[mutant.kind] += 1
        ordered.append((turn[mutant.kind], turn[mutant.file], number(mutant), mutant))
    return [mutant for *_, mutant in sorted(ordered)][:count]


# ---- what must notice them -----------------------------------------------------------------------


def drawn(name, seed, module):
    """What Hypothesis would draw for a parameter of a test."""
    case = fixed_case(1000 * seed + sum(name.encode()))
    return {
        "case": case,
        "seed": seed,
        "rung": case.of(*RUNGS[module]),
        "dtype": case.of(*DTYPES),
        "lanes": 2 ** case.choose(0, 5),
        "band": case.of(1, 4, 33, 90),
    }.get(name, case.of(*LAYOUTS))


def checks(*modules, cases=CASES):
    """[(name, function)] for the tests of some modules and their parameters: first one of each
    test, then another.
    """
    found = []
    for name, module in [(key, each) for each in modules for key in vars(each)]:
        test = getattr(module, name)
        if not name.startswith("test_"):
            continue
        tables = [
            [
                dict(zip(mark.args[0].split(", "), row if ", " in mark.args[0] else [row]))
                for row in mark.args[1]
            ]
            for mark in getattr(test, "pytestmark", ())
            if mark.name == "parametrize"
        ]
        rows = [
            {key: value for row in rows for key, value in row.items()}
            for rows in itertools.product(*tables)
        ]
        calls = [
            (f"{module.__name__}.{name}[{', '.join(map(str, given.values()))}]", given)
            for given in rows
        ]
        if not hasattr(test, "hypothesis"):
            found.append([(title, functools.partial(test, **given)) for title, given in calls])
            continue
        test = test.hypothesis.inner_test
        for title, given in calls:
            free = set(inspect.signature(test).parameters) - set(given)
            found.append(
                [
                    (
                        f"{title} {n}",
                        functools.partial(test, **given, **{k: drawn(k, n, module) for k in free}),
                    )
                    for n in range(cases)
                ]
            )
    return [check for some in itertools.zip_longest(*found) for check in some if check]


def judge(pipe, mutant, folder, some):
    """Send (the first of the checks that notices the mutant, or None, and what it said). In a
    process of its own.

    That process is a fork: what its parent had loaded are the kernels as they are, and must be
    forgotten.
    """
    (folder / mutant.file).write_text(mutant.text, encoding="utf-8")
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    launch._prepared.cache_clear()
    with (
        mock.patch.object(compiler, "kernels_folder", lambda: folder),
        mock.patch.object(sources, "kernels_folder", lambda: folder),
        mock.patch.object(machine, "instantiations", {}),
        mock.patch.dict(compiler.loaded, clear=True),
        mock.patch.dict(os.environ, MINIGAN_CACHE=str(folder.parent / "cache")),
    ):
        for name, check in some:
            try:
                resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time()) + SECONDS, most))
                check()
            except Exception as error:  # of any kind: the check has failed
                pipe.send(
                    (name, f"{type(error).__name__}: {error}"[:9999])
                )  # a pipe holds no more than 64 KiB
                return
    pipe.send((None, ""))


def start(mutant, folder, some):
    """A process that judges the mutant in a copy of kernels/ -> (process, the pipe that it
    answers through).
    """
    shutil.copytree(compiler.kernels_folder(), folder, dirs_exist_ok=True)
    ours, theirs = FORK.Pipe(duplex=False)
    process = FORK.Process(target=judge, args=(theirs, mutant, folder, some))
    process.start()
    return process, ours


def verdicts(mutants, folder, processes=2):
    """(mutant, the check that noticed it or None, the message), as they come. What was useful
    before is tried first.
    """
    todo, running, useful = mutants[::-1], {}, Counter()
    free = [folder / f"kernels{i}" for i in range(processes)]
    while todo or running:
        while todo and free:
            mutant, place = todo.pop(), free.pop()
            some = sorted(checks(*TESTS[mutant.file]), key=lambda check: -useful[check[0]])
            process, pipe = start(mutant, place, some)
            running[process.sentinel] = process, pipe, mutant, place
        for sentinel in wait(list(running)):
            process, pipe, mutant, place = running.pop(sentinel)
            free.append(place)
            process.join()
            name, message = (
                pipe.recv()
                if pipe.poll() and not process.exitcode
                else ("", f"exit {process.exitcode}")
            )
            useful[name] += 1
            yield mutant, name, message


def compiles(message):
    """Whether the mutant was a program; one that the host device's own warnings refuse is."""
    return "g++ failed" not in message or "[-Werror=" in message


def chosen():
    """The mutants that MINIGAN_MUTANTS asks for."""
    wanted = os.environ.get("MINIGAN_MUTANTS") or str(SAMPLE)
    if wanted.isdecimal():
        return sample(int(wanted))
    return [mutant for mutant in mutants() if wanted == "all" or wanted in str(mutant)]


@pytest.mark.slow
def test_mutated_kernels_are_noticed(tmp_path):
    found = [verdict for verdict in verdicts(chosen(), tmp_path) if compiles(verdict[2])]
    survivors = [mutant for mutant, name, _ in found if name is None]
    print(f"{len(found) - len(survivors)} of {len(found)} mutants noticed", *survivors, sep="\n")
    assert len(survivors) <= 0.05 * len(found), "\n".join(map(str, survivors))
    used = {name for _, name, _ in found if name}
    some = [check for check in checks(*MEMORY, *CONVOLUTIONS) if check[0] in used]
    process, answer = start(Mutant("README.md", 0, "", "", "", ""), tmp_path / "kernels0", some)
    process.join()
    assert not process.exitcode and answer.recv() == (None, ""), (
        "a check fails for the kernels as they are"
    )
