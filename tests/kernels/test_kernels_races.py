"""The simulator reports a race exactly where the definition says that there is one."""

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


def random_program(rng, blocks):
    """ops (blocks, steps, 64) and barriers (steps): in each step a few threads read or write, of
    one cell mostly.
    """
    steps, whole = rng.integers(1, 8), rng.random() < 0.5
    ops, barriers = np.full((blocks, steps, 64), -1, np.int32), np.zeros(steps, np.int32)
    for s in range(steps):
        write, cell = rng.random() < 0.3, rng.random() < 0.1
        for t in rng.choice(LANES, size=1 if write else rng.integers(1, 5)):
            part = 0 if whole or rng.random() < 0.3 else rng.integers(1, 5)
            ops[rng.integers(blocks), s, t] = write + 2 * cell + 4 * part
        barriers[s] = rng.choice(
            [0, 2, 4 * 255 + 1, 4 * rng.integers(1, 16) + 1], p=(0.1, 0.2, 0.2, 0.5)
        )
    return ops, barriers


def has_race(ops, barriers):
    """The definition: two accesses to one byte, one of them a write, and no barriers that order
    the two.
    """
    known = np.zeros((64, 64), int)  # of how many steps of thread u thread t knows
    accesses, warps = [], np.arange(64) // 32
    for s, barrier in enumerate(barriers):
        for block, t in zip(*np.nonzero(ops[:, s] >= 0)):
            op = ops[block, s, t]
            part, cell, write = op // 4, op // 2 % 2, op % 2
            for block2, s2, t2, part2, cell2, write2 in accesses:
                ordered = block == block2 and (t == t2 or known[t, t2] > s2)
                if (
                    cell == cell2
                    and (part == part2 or not part * part2)
                    and (write or write2)
                    and not ordered
                ):
                    return True
            accesses.append((block, s, t, part, cell, write))
        known[np.arange(64), np.arange(64)] = s + 1
        lanes = np.uint32(2**32 - 1 if barrier // 4 == 255 or barrier == 2 else barrier // 4)
        mask = (lanes >> np.arange(64) % 32 & 1 > 0) & (barrier > 0)
        for group in [warps >= 0] if barrier == 2 else [warps == 0, warps == 1]:
            known[group & mask] = known[group & mask].max(0, initial=0)
    return False


@given(st.integers(0, 2**32 - 1), st.sampled_from((0, 0, 1, 2)))
def test_a_race_is_reported_exactly_where_there_is_one(seed, blocks):
    """Random programs of 64 threads in shared memory (blocks = 0), or in global memory by one or
    two blocks.
    """
    rng = np.random.default_rng(seed)
    for _ in range(20):
        ops, barriers = random_program(rng, max(1, blocks))
        arguments = [ops, barriers, np.int32(len(barriers)), np.zeros(2, np.float32)]
        try:
            run(PROGRAMS[blocks > 0], max(1, blocks), 64, arguments, seed=seed)
            found = False
        except machine.KernelError as error:
            assert error.kind == "race", error
            found = True
        assert found == has_race(ops, barriers), (ops, barriers)


def test_the_programs_are_of_both_kinds():
    rng = np.random.default_rng(0)
    found = [has_race(*random_program(rng, 1)) for _ in range(300)]
    assert 60 < sum(found) < 240
