"""Is the kernels' suite awake? Change one thing at a time in the real .cu and .cuh files, and
demand that it notices.

Rules make the mutants from the text (kernel_mutants.py). Each is compiled for the host device from
a copy of kernels/, and held against the tests of the kernels (kernel_suite.py) in a process of its
own, which may hang or crash. Usually a fixed sample runs. MINIGAN_MUTANTS=all takes all (half an
hour on two cores), a number so many, and a word those in whose names it occurs: "gemm.cuh",
"barrier".
"""

import multiprocessing
import os
import resource
import shutil
import time
from collections import Counter
from multiprocessing.connection import wait
from typing import NamedTuple
from unittest import mock

import pytest
from kernel_mutants import Mutant, mutants, sample
from kernel_suite import CONVOLUTIONS, MEMORY, TESTS_OF, checks

from minigan.backends.cuda import launch, sources
from minigan.backends.host import compiler, machine

FORK = multiprocessing.get_context("fork")
SECONDS = 10  # of processor time for one check: a mutant that takes more never ends
PROCESSES = 2
SAMPLE = 15
NOTHING_CHANGED = Mutant("README.md", 0, "", "", "", "")


class Verdict(NamedTuple):
    """What became of a mutant."""

    mutant: Mutant
    name: str  # the check that noticed it: "" where the process crashed; None: nothing noticed it
    message: str

    @property
    def is_of_a_program(self):
        """Whether the mutant was a program; one that the host device's own warnings refuse is."""
        return "g++ failed" not in self.message or "[-Werror=" in self.message


def judge(pipe, mutant, folder, some):
    """Send (the first of the checks that notices the mutant, or None, and what it said).

    In a process of its own. That process is a fork: what its parent had loaded are the kernels as
    they are, and must be forgotten.
    """
    (folder / mutant.file).write_text(mutant.text, encoding="utf-8")
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
                limit_the_time()
                check()
            except Exception as error:  # of any kind: the check has failed
                message = f"{type(error).__name__}: {error}"
                pipe.send((name, message[:9999]))  # a pipe holds no more than 64 KiB
                return
    pipe.send((None, ""))


def limit_the_time():
    """From now on this process has SECONDS of processor time."""
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time()) + SECONDS, most))


class Trial:
    """A process that judges a mutant in a copy of kernels/."""

    def __init__(self, mutant, folder, some):
        shutil.copytree(compiler.kernels_folder(), folder, dirs_exist_ok=True)
        self.mutant = mutant
        self.folder = folder
        self.answer, theirs = FORK.Pipe(duplex=False)
        self.process = FORK.Process(target=judge, args=(theirs, mutant, folder, some))
        self.process.start()

    def verdict(self):
        """Wait for the process's end."""
        self.process.join()
        if self.process.exitcode or not self.answer.poll():
            return Verdict(self.mutant, "", f"exit {self.process.exitcode}")
        return Verdict(self.mutant, *self.answer.recv())


def verdicts(mutants, folder):
    """A Verdict for each mutant, as they come. What was useful before is tried first."""
    todo = mutants[::-1]
    free = [folder / f"kernels{i}" for i in range(PROCESSES)]
    running = {}
    useful = Counter()
    while todo or running:
        while todo and free:
            mutant = todo.pop()
            some = sorted(checks(*TESTS_OF[mutant.file]), key=lambda check: -useful[check[0]])
            trial = Trial(mutant, free.pop(), some)
            running[trial.process.sentinel] = trial
        for sentinel in wait(list(running)):
            trial = running.pop(sentinel)
            verdict = trial.verdict()
            free.append(trial.folder)
            useful[verdict.name] += 1
            yield verdict


def chosen():
    """The mutants that MINIGAN_MUTANTS asks for."""
    wanted = os.environ.get("MINIGAN_MUTANTS") or str(SAMPLE)
    if wanted.isdecimal():
        return sample(int(wanted))
    return [mutant for mutant in mutants() if wanted == "all" or wanted in str(mutant)]


@pytest.mark.slow
def test_mutated_kernels_are_noticed(tmp_path):
    found = [verdict for verdict in verdicts(chosen(), tmp_path) if verdict.is_of_a_program]
    survivors = [verdict.mutant for verdict in found if verdict.name is None]
    print(f"{len(found) - len(survivors)} of {len(found)} mutants noticed", *survivors, sep="\n")
    assert len(survivors) <= 0.05 * len(found), "\n".join(map(str, survivors))
    used = {verdict.name for verdict in found if verdict.name}
    some = [check for check in checks(*MEMORY, *CONVOLUTIONS) if check[0] in used]
    of_the_kernels_as_they_are = Trial(NOTHING_CHANGED, tmp_path / "kernels0", some).verdict()
    assert of_the_kernels_as_they_are.name is None, of_the_kernels_as_they_are
