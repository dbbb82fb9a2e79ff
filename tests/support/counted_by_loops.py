"""The costs of memory accesses, counted one request after another: what costs.py must agree with.

A request is a list of accesses, those of the lanes of a warp.
"""

from collections import Counter, defaultdict

BANKS = 32
WORDS_PER_SECTOR = 8


def totals(accesses):
    """{(pc, space): (requests, cost, ideal)} of rows of costs.ACCESS, in the order of time."""
    found = defaultdict(lambda: (0, 0, 0))
    for (pc, is_global, *_), lanes in requests(accesses).items():
        space = "global" if is_global else "shared"
        cost, ideal = sectors(lanes) if is_global else bank_turns(lanes)
        count, costs, ideals = found[pc, space]
        found[pc, space] = (count + 1, costs + cost, ideals + ideal)
    return dict(found)


def requests(accesses):
    """What the lanes of a warp do the n-th time that they come to an instruction in an interval."""
    found = defaultdict(list)
    visits = Counter()
    for access in accesses:
        instruction = (int(access["pc"]), int(access["is_global"]), int(access["interval"]))
        thread = int(access["thread"])
        visit = visits[instruction, thread]
        visits[instruction, thread] += 1
        found[(*instruction, thread // 32, visit)].append(access)
    return found


def words(lanes):
    """The distinct words of 4 bytes; a byte costs as much as a word."""
    wanted = set()
    for access in lanes:
        first = int(access["offset"]) // 4
        count = max(1, int(access["bytes"]) // 4)
        wanted.update(range(first, first + count))
    return wanted


def sectors(lanes):
    """(sectors taken, the fewest that hold as many words)."""
    wanted = words(lanes)
    taken = {word // WORDS_PER_SECTOR for word in wanted}
    return len(taken), -(-len(wanted) // WORDS_PER_SECTOR)


def bank_turns(lanes):
    """(turns of the banks, the fewest): 32 lanes of 4 bytes at a time, 16 of 8, or 8 of 16."""
    lanes_at_once = 32 // max(1, int(lanes[0]["bytes"]) // 4)
    groups = defaultdict(list)
    for access in lanes:
        groups[int(access["thread"]) % 32 // lanes_at_once].append(access)
    turns = 0
    for group in groups.values():
        words_of_bank = Counter(word % BANKS for word in words(group))
        turns += max(words_of_bank.values())
    return turns, len(groups)
