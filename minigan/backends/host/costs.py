"""What a launch asked of memory: sectors of global memory, and turns of shared memory's banks.

The one idea: the 32 lanes of a warp make one *request* when they run one instruction together.
Global memory answers it in sectors of 32 bytes, so lanes should read neighbouring numbers
(coalesced access). Shared memory has 32 banks that give 4 bytes each per turn, so lanes should
read from different banks, otherwise they wait for each other (a bank conflict).
"""

from collections import Counter, defaultdict
from typing import NamedTuple

import numpy as np

BANKS = 32
WORDS_PER_SECTOR = 8  # a word is 4 bytes

# What kernels/host/thread.h notes of every access of a thread.
ACCESS = np.dtype(
    [
        ("offset", "u8"),
        ("interval", "u4"),
        ("pc", "u4"),
        ("thread", "u4"),
        ("bytes", "u2"),
        ("is_global", "u2"),
    ]
)


class Access(NamedTuple):
    """One access of one thread."""

    offset: int  # in bytes, of its place in memory
    interval: int  # between which two barriers of which block
    pc: int  # the address of the instruction
    thread: int  # in its block
    bytes: int
    is_global: int  # 1: to global memory, 0: to shared memory


class Line(NamedTuple):
    """What one source line asks of memory."""

    places: (
        tuple  # (file, line) of the access and of the calls it was inlined into, innermost first
    )
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

    accesses: an array of ACCESS, in the order of time. find_places: instruction addresses ->
    {address: places}.
    """
    requests = _requests(accesses)
    places = find_places(tuple(sorted({lanes[0].pc for lanes in requests})))
    totals = defaultdict(lambda: [0, 0, 0])  # (places, space) -> requests, cost, ideal
    for lanes in requests:
        pc, is_global = lanes[0].pc, lanes[0].is_global
        space = "global" if is_global else "shared"
        cost, ideal = _sectors(lanes) if is_global else _bank_turns(lanes)
        line = totals[places.get(pc, ()), space]
        line[0] += 1
        line[1] += cost
        line[2] += ideal
    return tuple(Line(*key, *numbers) for key, numbers in sorted(totals.items()))


def _requests(accesses):
    """The accesses grouped into requests -> [the Accesses of the lanes of a warp].

    A request is what the lanes of a warp do the n-th time that they come to one instruction
    between two barriers.
    """
    requests = defaultdict(list)
    visits = Counter()  # how often a thread has come to an instruction in an interval
    for access in map(Access._make, accesses.tolist()):
        instruction = (access.pc, access.is_global, access.interval)
        visit = visits[instruction, access.thread]
        visits[instruction, access.thread] += 1
        requests[instruction, access.thread // 32, visit].append(access)
    return list(requests.values())


def _words(lanes):
    """The distinct words of 4 bytes that the lanes want; lanes that want the same word share it."""
    words = set()
    for access in lanes:
        first = access.offset // 4
        words.update(range(first, first + _words_per_lane(access)))
    return words


def _words_per_lane(access):
    """Words of one access: a byte costs as much as a word."""
    return max(1, access.bytes // 4)


def _sectors(lanes):
    """(sectors of 32 bytes that global memory sends, the fewest that hold as many words)."""
    words = _words(lanes)
    sectors = {word // WORDS_PER_SECTOR for word in words}
    return len(sectors), -(-len(words) // WORDS_PER_SECTOR)


def _bank_turns(lanes):
    """(turns of the banks, the fewest) of a request to shared memory.

    The banks serve 32 lanes of 4 bytes at a time, 16 lanes of 8, or 8 of 16. Such a group of
    lanes takes as many turns as the words that its busiest bank must give.
    """
    lanes_at_once = 32 // _words_per_lane(lanes[0])
    groups = defaultdict(list)
    for access in lanes:
        groups[access.thread % 32 // lanes_at_once].append(access)
    turns = 0
    for group in groups.values():
        words_of_bank = Counter(word % BANKS for word in _words(group))
        turns += max(words_of_bank.values())
    return turns, len(groups)
