"""What a launch asked of memory: sectors of global memory, and turns of shared memory's banks.

The 32 lanes of a warp make one *request* when they run one instruction together. Global memory
answers it in sectors of 32 bytes, so lanes should read neighbouring numbers (coalesced access).
Shared memory has 32 banks that give 4 bytes each per turn, so lanes should read from different
banks, otherwise they wait for each other (a bank conflict).
"""

from typing import NamedTuple

import numpy as np

BANKS = 32
WORDS_PER_SECTOR = 8  # a word is 4 bytes

# What kernels/host/thread.h notes of every access of a thread.
ACCESS = np.dtype(
    [
        ("offset", "u8"),  # in bytes, of its place in memory
        ("interval", "u4"),  # between which two barriers of which block
        ("pc", "u4"),  # the address of the instruction
        ("thread", "u4"),  # in its block
        ("bytes", "u2"),
        ("is_global", "u2"),  # 1: to global memory, 0: to shared memory
    ]
)


class Line(NamedTuple):
    """What one source line asks of memory."""

    # (file, line) of the access and of the calls it was inlined into, innermost first
    places: tuple
    space: str  # "global": cost counts sectors of 32 bytes; "shared": turns of the 32 banks
    requests: int
    cost: int
    ideal: int  # the least that the same bytes can cost


class Report(NamedTuple):
    """What a launch did."""

    seed: int  # of its schedule
    lines: tuple  # a Line for each source line that touches memory, if they were counted

    def _sum(self, space, field):
        return sum(getattr(line, field) for line in self.lines if line.space == space)

    @property
    def bank_conflicts(self):
        """Turns of the shared memory's banks beyond the least."""
        return self._sum("shared", "cost") - self._sum("shared", "ideal")

    @property
    def sectors_per_request(self):
        """(taken, ideal) sectors of 32 bytes per request to global memory.

        4 are ideal for 32 floats.
        """
        requests = max(1, self._sum("global", "requests"))
        return self._sum("global", "cost") / requests, self._sum("global", "ideal") / requests


def lines_of(accesses, find_places):
    """The costs of a launch, by source line -> tuple of Lines.

    accesses: an array of ACCESS, in the order of time; there are millions, so each step below is a
    NumPy call on all of them. find_places: instruction addresses -> {address: places}.
    """
    request_of = _requests(accesses)
    _, first_access = np.unique(request_of, return_index=True)  # of each request
    costs = np.zeros(len(first_access), int)
    ideals = np.zeros(len(first_access), int)
    is_global = accesses["is_global"] == 1
    for chosen, cost_of in ((is_global, _sectors), (~is_global, _bank_turns)):
        if chosen.any():
            requests, numbers = np.unique(request_of[chosen], return_inverse=True)
            costs[requests], ideals[requests] = cost_of(accesses[chosen], numbers)
    return _sum_by_line(accesses[first_access], costs, ideals, find_places)


def _sum_by_line(accesses, costs, ideals, find_places):
    """The Lines of requests, given one access of each request and its costs."""
    pcs, instruction_of = np.unique(accesses["pc"], return_inverse=True)
    places = find_places(tuple(pcs.tolist()))
    totals = {}  # (places, space) -> requests, cost, ideal
    for i, pc in enumerate(pcs.tolist()):
        for is_global, space in enumerate(("shared", "global")):
            chosen = (instruction_of == i) & (accesses["is_global"] == is_global)
            if not chosen.any():
                continue
            line = totals.setdefault((places.get(pc, ()), space), [0, 0, 0])
            line[0] += int(np.count_nonzero(chosen))
            line[1] += int(costs[chosen].sum())
            line[2] += int(ideals[chosen].sum())
    return tuple(Line(*key, *numbers) for key, numbers in sorted(totals.items()))


def _requests(accesses):
    """The number of the request to which each access belongs.

    A request is what the lanes of a warp do the n-th time that they come to one instruction
    between two barriers.
    """
    _, pc = np.unique(accesses["pc"], return_inverse=True)
    instruction = _group_numbers(pc, accesses["is_global"], accesses["interval"])
    visit = _occurrences(_group_numbers(instruction, accesses["thread"]))
    return _group_numbers(instruction, accesses["thread"] // 32, visit)


def _sectors(accesses, request_of):
    """(sectors of 32 bytes that global memory sends, the fewest that hold as many words).

    Two arrays, with a number for each request. Lanes that want the same word share it.
    """
    access_of, words = _words(accesses)
    requests = request_of[access_of]
    distinct = _distinct(requests, words)
    words_of_request = np.bincount(requests[distinct])
    sectors = _distinct(requests, words // WORDS_PER_SECTOR)
    sectors_of_request = np.bincount(requests[sectors])
    fewest = -(-words_of_request // WORDS_PER_SECTOR)
    return sectors_of_request, fewest


def _bank_turns(accesses, request_of):
    """(turns of the banks, the fewest), two arrays with a number for each request.

    The banks serve 32 lanes of 4 bytes at a time, 16 lanes of 8, or 8 of 16. Such a group of
    lanes takes as many turns as the words that its busiest bank must give.
    """
    lanes_at_once = 32 // _words_per_lane(accesses)
    part_of_warp = accesses["thread"] % 32 // lanes_at_once
    group_of = _group_numbers(request_of, part_of_warp)
    access_of, words = _words(accesses)
    groups = group_of[access_of]
    distinct = _distinct(groups, words)  # lanes that want the same word share it
    banks = words[distinct] % BANKS
    served, words_of_bank = np.unique(groups[distinct] * BANKS + banks, return_counts=True)
    turns_of_group = np.zeros(group_of.max() + 1, int)
    np.maximum.at(turns_of_group, served // BANKS, words_of_bank)
    _, an_access = np.unique(group_of, return_index=True)  # of each group
    request_of_group = request_of[an_access]
    turns = np.bincount(request_of_group, weights=turns_of_group)
    return turns.astype(int), np.bincount(request_of_group)


def _words_per_lane(accesses):
    """Words of 4 bytes of each access: a byte costs as much as a word."""
    return np.maximum(1, accesses["bytes"].astype(int) // 4)


def _words(accesses):
    """All words of 4 bytes that are asked for -> (the number of the access, the word)."""
    counts = _words_per_lane(accesses)
    access_of = np.repeat(np.arange(len(accesses)), counts)
    first_row = np.cumsum(counts) - counts  # of each access, in the result
    place_in_access = np.arange(len(access_of)) - first_row[access_of]
    first_word = accesses["offset"].astype(int) // 4
    return access_of, first_word[access_of] + place_in_access


# ---- rows with equal values ----------------------------------------------------------------------


def _key(*columns):
    """One integer for each row of some columns of integers: equal where the rows are equal."""
    key = np.zeros(len(columns[0]), int)
    for column in columns:
        key = key * (int(column.max()) + 1) + column
    return key


def _group_numbers(*columns):
    """Numbers the groups of equal rows from 0 on -> the group of each row."""
    _, groups = np.unique(_key(*columns), return_inverse=True)
    return groups


def _distinct(*columns):
    """The first row of each group of equal rows."""
    _, rows = np.unique(_key(*columns), return_index=True)
    return rows


def _occurrences(groups):
    """How many earlier rows belong to the same group, for each row."""
    order = np.argsort(groups, kind="stable")
    counts = np.bincount(groups)
    first = np.cumsum(counts) - counts  # of each group, in this order
    earlier = np.empty(len(groups), int)
    earlier[order] = np.arange(len(groups)) - first[groups[order]]
    return earlier
