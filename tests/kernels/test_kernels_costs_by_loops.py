"""The simulator's counts of sectors and bank conflicts, against loops over random accesses."""

from typing import NamedTuple

import counted_by_loops
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigan.backends.host.costs import ACCESS, lines_of

PLACES = [8, 200, 2**33]  # so many places in memory: most accesses meet, or hardly any
THREADS = [3, 64, 1024]


class Instruction(NamedTuple):
    """What an access does: the same number of bytes every time."""

    pc: int
    bytes: int


def some_instructions(rng):
    found = []
    for size in (1, 2, 4, 8, 16):
        pc = rng.integers(1, 2**32 - 1)
        found.append(Instruction(int(pc), size))
    return found


def some_accesses(rng, count):
    """Rows of ACCESS, of a few instructions, threads and intervals."""
    instructions = some_instructions(rng)
    places = rng.choice(PLACES)
    threads = rng.choice(THREADS)
    accesses = []
    for _ in range(count):
        instruction = instructions[rng.integers(5)]
        offset = rng.integers(places) * instruction.bytes
        interval = rng.integers(4)
        thread = rng.integers(threads)
        is_global = rng.integers(2)
        row = (offset, interval, instruction.pc, thread, instruction.bytes, is_global)
        accesses.append(row)
    return np.array(accesses, ACCESS)


@given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 600))
def test_the_counts_are_those_of_the_loops(seed, count):
    rng = np.random.default_rng(seed)
    accesses = some_accesses(rng, count)

    def places_of(addresses):
        return {address: (("x.cu", address),) for address in addresses}

    found = {}
    for line in lines_of(accesses, places_of):
        ((_, address),) = line.places
        found[address, line.space] = (line.requests, line.cost, line.ideal)
    assert found == counted_by_loops.totals(accesses)


@pytest.mark.parametrize("is_global, space", [(0, "shared"), (1, "global")])
def test_instructions_of_one_source_line_are_added_up(is_global, space):
    first = (0, 0, 7, 0, 4, is_global)
    second = (0, 0, 9, 0, 4, is_global)
    accesses = np.array([first, second], ACCESS)
    place = (("x.cu", 1),)
    (line,) = lines_of(accesses, lambda addresses: dict.fromkeys(addresses, place))
    assert line == (place, space, 2, 2, 2)
