"""The simulator reports a race exactly where the definition says that there is one."""

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulator import (
    PROGRAMS,
    compile_patterns,
    needs_a_compiler,
    run,
)

from minigan.backends.host import machine

pytestmark = needs_a_compiler


@pytest.fixture(scope="module", autouse=True)
def compiled():
    compile_patterns()


LANES = (0, 1, 2, 3, 32, 33)


class Program(NamedTuple):
    """What 64 threads of each block do: in each step a few of them read or write a cell."""

    ops: np.ndarray  # (blocks, steps, 64): -1 for nothing, otherwise write + 2 cell + 4 part
    barriers: np.ndarray  # (steps,): 0 for none, 2 for all threads, 1 + 4 mask for a warp's lanes


def random_program(rng, blocks):
    """A Program whose accesses are to one cell mostly."""
    steps = rng.integers(1, 8)
    is_whole = rng.random() < 0.5  # all accesses are to the whole cell
    ops = np.full((blocks, steps, 64), -1, np.int32)
    barriers = np.zeros(steps, np.int32)
    for step in range(steps):
        write = rng.random() < 0.3
        cell = rng.random() < 0.1
        count = 1 if write else rng.integers(1, 5)
        for thread in rng.choice(LANES, size=count):
            part = 0  # the whole cell; 1 to 4: one of its bytes
            if not is_whole and rng.random() >= 0.3:
                part = rng.integers(1, 5)
            block = rng.integers(blocks)
            ops[block, step, thread] = write + 2 * cell + 4 * part
        some_lanes = 4 * rng.integers(1, 16) + 1
        barriers[step] = rng.choice([0, 2, 4 * 255 + 1, some_lanes], p=(0.1, 0.2, 0.2, 0.5))
    return Program(ops, barriers)


class Access(NamedTuple):
    """One access of a Program."""

    block: int
    step: int
    thread: int
    part: int
    cell: int
    write: int


def conflict(a, b):
    """Whether two accesses are to the same byte, one of them a write."""
    same_byte = a.part == b.part or a.part == 0 or b.part == 0
    return a.cell == b.cell and same_byte and (a.write or b.write)


def has_race(program):
    """The definition: two accesses that conflict, and no barriers that order the two."""
    known = np.zeros((64, 64), int)  # of how many steps of thread u thread t knows
    earlier = []
    for step, barrier in enumerate(program.barriers):
        for block, thread in zip(*np.nonzero(program.ops[:, step] >= 0)):
            op = program.ops[block, step, thread]
            now = Access(block, step, thread, op // 4, op // 2 % 2, op % 2)
            for before in earlier:
                if conflict(before, now) and not is_ordered(before, now, known):
                    return True
            earlier.append(now)
        np.fill_diagonal(known, step + 1)
        for group in groups_of(barrier):
            known[group] = known[group].max(0, initial=0)
    return False


def is_ordered(before, now, known):
    """Whether `before` has certainly happened when `now` does."""
    if before.block != now.block:
        return False
    return before.thread == now.thread or known[now.thread, before.thread] > before.step


def groups_of(barrier):
    """The threads that wait for each other at a barrier, as masks of 64."""
    if barrier == 0:
        return []
    threads = np.arange(64)
    if barrier == 2:
        return [threads >= 0]
    is_all = barrier // 4 == 255
    lanes = np.uint32(2**32 - 1 if is_all else barrier // 4)
    is_there = lanes >> threads % 32 & 1 > 0
    return [is_there & (threads // 32 == warp) for warp in (0, 1)]


@given(st.integers(0, 2**32 - 1), st.sampled_from((0, 0, 1, 2)))
def test_a_race_is_reported_exactly_where_there_is_one(seed, blocks):
    """Random programs of 64 threads in shared memory (blocks = 0), or in global memory by one or
    two blocks.
    """
    rng = np.random.default_rng(seed)
    for _ in range(20):
        program = random_program(rng, max(1, blocks))
        steps = np.int32(len(program.barriers))
        arguments = [program.ops, program.barriers, steps, np.zeros(2, np.float32)]
        try:
            run(PROGRAMS[blocks > 0], max(1, blocks), 64, arguments, seed=seed)
            found = False
        except machine.KernelError as error:
            assert error.kind == "race", error
            found = True
        assert found == has_race(program), program


def test_the_programs_are_of_both_kinds():
    rng = np.random.default_rng(0)
    found = [has_race(random_program(rng, 1)) for _ in range(300)]
    assert 60 < sum(found) < 240
