"""The host device: kernels/*.cu compiled by the C++ compiler, and run thread by thread, strictly,
on the CPU.

The one idea: the compiler announces every access to memory (-fsanitize=thread), and kernels/host,
linked in place of the sanitizer's own library, judges each one: a race, an unwritten or misplaced
read, threads that part ways at a barrier are errors that name kernel, file, line and threads,
where a GPU is silently wrong. compiler.py compiles.
"""

import ctypes
import os
import re
import secrets
import threading
from typing import Any, NamedTuple

import numpy as np

from . import compiler

NULL = np.uintp(0)  # a pointer to nothing
_one_at_a_time = threading.Lock()  # a library has one set of threads, and its shared memory


class KernelError(RuntimeError):
    """What a kernel did wrong. kind: "race", "out of bounds", ...; places: the (file, line) where
    it did so and of the calls that this stands in, innermost first; seed: of the schedule.
    """

    def __init__(self, message, kind, places, seed):
        super().__init__(message)
        self.kind, self.places, self.seed = kind, places, seed


class Out(NamedTuple):
    """An array that a launch writes wholly and does not read before."""

    array: Any


class Line(NamedTuple):
    """What one source line asks of memory: the lanes of a warp make one request."""

    places: (
        tuple  # (file, line) of the access and of the calls it was inlined into, innermost first
    )
    space: str  # "global": cost counts sectors of 32 bytes; "shared": turns of the 32 banks
    requests: int
    cost: int
    ideal: int  # the least that so many bytes can cost


class Report(NamedTuple):
    """What a launch did: the seed of its schedule and, when it was counted, a Line for each that
    touches memory.
    """

    seed: int
    lines: tuple

    def _sum(self, space, field):
        return sum(getattr(line, field) for line in self.lines if line.space == space)

    @property
    def bank_conflicts(self):
        """Turns of the shared memory's banks beyond the least."""
        return self._sum("shared", "cost") - self._sum("shared", "ideal")

    @property
    def sectors_per_request(self):
        """(taken, ideal) sectors of 32 bytes per request to global memory; 4 are ideal for 32
        floats.
        """
        requests = max(1, self._sum("global", "requests"))
        return self._sum("global", "cost") / requests, self._sum("global", "ideal") / requests


# The structures of kernels/host/thread.h
_ARRAY = np.dtype([("begin", "u8"), ("bytes", "u8"), ("argument", "i4"), ("write_only", "i4")])
_LAUNCH = np.dtype(
    [
        ("grid", "u4", 3),
        ("block", "u4", 3),
        ("shared", "u4"),
        ("shared_most", "u4"),
        ("counting", "u4"),
        ("unused", "u4"),
        ("seed", "u8"),
        ("arrays", "u8"),
        ("array_count", "u8"),
    ]
)
_REQUEST = np.dtype(
    [
        ("offset", "u8"),
        ("interval", "u4"),
        ("pc", "u4"),
        ("thread", "u4"),
        ("bytes", "u2"),
        ("global", "u2"),
    ]
)
_REPORT = np.dtype(
    [("kind", "S32"), ("message", "S512"), ("requests", "u8"), ("request_count", "u8")]
)


def check_environment():
    """Raise ValueError if MINIGAN_HOST_SEED is no seed of a schedule."""
    _checked_seed(None)


def _checked_seed(seed):
    """A schedule's seed as an int; None: that of MINIGAN_HOST_SEED, or a fresh one."""
    if seed is None:
        seed = os.environ.get("MINIGAN_HOST_SEED") or secrets.randbits(32)
    text = str(seed)
    if not (text.isascii() and text.isdecimal() and len(text) <= 20 and int(text) < 2**64):
        raise ValueError(
            f"MINIGAN_HOST_SEED or seed is {text!r}, expected an integer from 0 to 2^64 - 1"
        )
    return int(text)


def run(
    file,
    expression,
    grid,
    block,
    arguments,
    *,
    shared=0,
    shared_most=227 << 10,
    touches=(),
    seed=None,
    counting=False,
    sanitize=None,
):
    """Run one kernel and wait for it -> Report.

    arguments: C-contiguous NumPy arrays and Out(array), passed as pointers; NumPy scalars and 0-d
    structured arrays, by value. touches: arrays reached through pointers inside a struct. shared:
    bytes of dynamic shared memory; shared_most: of all that a block may have, 227 KB on an sm_90.
    seed: of the schedule; MINIGAN_HOST_SEED, or a fresh one. counting: also count bank conflicts
    and sectors. Raises KernelError for what the kernel does wrong, ValueError or TypeError for
    what cannot be launched.
    """
    made = compiler.loaded.get((file, expression, sanitize)) or compiler.library(
        file, (expression,), sanitize=sanitize
    )
    seed = _checked_seed(seed)
    grid, block = ((*extent, 1, 1)[:3] for extent in (grid, block))
    if (
        not 1 <= np.prod(block) <= 1024
        or not 1 <= np.prod(grid) < 2**31
        or not 0 <= shared <= 256 << 10
    ):
        raise ValueError(
            f"{expression}: grid {grid}, block {block} or {shared} bytes of shared memory is no GPU's"
        )
    if np.prod(block) > (most := made.threads(expression)):
        raise ValueError(
            f"{expression}: block {block}, and its __launch_bounds__ allow {most} threads"
        )
    values, arrays = _marshal(arguments, touches)
    sizes, given = made.sizes(expression), [size for _, size in values]
    if len(given) != len(sizes) or any(
        a != b and not (b < 0 and (a == 0 or b in (-1, -16)))  # bytes, 16 at a time
        for a, b in zip(given, sizes)
    ):
        raise TypeError(
            f"{expression} takes arguments of {sizes} bytes, got {given}; minus says that a pointer points "
            "to so many"
        )
    arrays = np.array([*arrays, *((begin, size, -1, False) for begin, size in made.shared)], _ARRAY)
    launch = np.array(
        (grid, block, shared, shared_most, counting, 0, seed, arrays.ctypes.data, len(arrays)),
        _LAUNCH,
    )
    pointers, report = (
        np.array([value.ctypes.data for value, _ in values], np.uintp),
        np.zeros((), _REPORT),
    )
    with _one_at_a_time:
        failed = made.launch(
            made.index[expression], *(a.ctypes.data for a in (launch, pointers, report))
        )
        size = int(report["request_count"]) * _REQUEST.itemsize
        requests = np.frombuffer(ctypes.string_at(int(report["requests"]), size), _REQUEST)
    if failed:
        raise _error(made, expression, report, grid, block, seed)
    return Report(seed, _lines(made, requests))


def _marshal(arguments, touches):
    """The arguments, [(an array that holds it, its size as in Library.sizes)], and memory that a
    launch may touch.
    """
    values, spans = [], []
    for i, argument in enumerate([*arguments, *touches]):
        array = argument.array if isinstance(argument, Out) else argument
        if isinstance(array, np.generic) or isinstance(array, np.ndarray) and array.dtype.names:
            values.append((np.asarray(array), 0 if array is NULL else array.nbytes))
        elif isinstance(array, np.ndarray) and array.flags.c_contiguous:
            values.append((np.array(array.ctypes.data, np.uintp), -array.itemsize))
            spans.append((array.ctypes.data, array.nbytes, i, isinstance(argument, Out)))
        else:
            raise TypeError(
                f"argument {i} is a {type(array).__name__} of shape {np.shape(array)}, strides "
                f"{getattr(array, 'strides', ())}: expected C-contiguous NumPy arrays, NumPy scalars, Outs"
            )
    merged = []
    for begin, size, i, is_out in sorted(span for span in spans if span[1]):
        if merged and begin < sum(merged[-1][:2]):
            before = merged.pop()
            if is_out or before[3]:
                raise ValueError(
                    f"arguments {before[2]} and {i} share memory, and one of them is an Out"
                )
            begin, size, i = before[0], max(before[1], begin + size - before[0]), before[2]
        merged.append((begin, size, i, is_out))
    return values[: len(arguments)], merged


def _error(made, expression, report, grid, block, seed):
    """A failed launch: the numbers in its report turned into lines of the source and coordinates
    -> KernelError.
    """
    text, kind = report["message"].item().decode(), report["kind"].item().decode()
    found = made.places(
        addresses := tuple(int(pc, 16) for pc in re.findall(r"@([0-9a-f]{2,})", text))
    )

    def place(match):
        first, *rest = [f"{file}:{line}" for file, line in found.get(int(match[1], 16), ())] or [
            match[0]
        ]
        return first + (f" (called from {', '.join(rest)})" if rest else "")

    def coordinates(match):
        x, y, _ = block if match[1] == "thread" else grid
        return (
            f"{match[1]} ({int(match[2]) % x}, {int(match[2]) // x % y}, {int(match[2]) // x // y})"
        )

    text = re.sub(
        r"\b(thread|block) (\d+)",
        coordinates,
        re.sub(r"@([0-9a-f]{2,})", place, text.replace(" @0", "")),
    )
    note = "" if found or not addresses else "; line numbers need addr2line, of binutils"
    return KernelError(
        f"{expression}: {kind}: {text} (MINIGAN_HOST_SEED={seed} runs this schedule again{note})",
        kind,
        found.get(addresses[0], ()) if addresses else (),
        seed,
    )


def _lines(made, r):
    """What the requests of a launch cost -> tuple of Lines.

    A request is what the lanes of a warp do the n-th time that they come to one instruction
    between two barriers. The banks serve 32 lanes of 4 bytes at a time, 16 of 8, 8 of 16: such a
    part takes as many turns as its busiest bank.
    """

    def number(*columns):  # equal rows get equal numbers
        key = np.ravel_multi_index(
            [np.asarray(c, int) for c in columns], [int(c.max()) + 1 for c in columns]
        )
        return np.unique(key, return_index=True, return_inverse=True, return_counts=True)[1:]

    if not len(r):
        return ()
    r = r[
        np.lexsort((r["thread"], r["interval"], r["pc"], r["global"]))
    ]  # stable: inside, time goes on
    site, interval = r["pc"] * 2 + r["global"], r["interval"] - r["interval"].min()
    begin, visit, _ = number(site, interval, r["thread"])
    asked, request, _ = number(site, interval, r["thread"] // 32, np.arange(len(r)) - begin[visit])
    counts = np.maximum(1, r["bytes"] // 4).astype(int)
    at, part, _ = number(request, np.where(r["global"], 0, r["thread"] % 32 * counts // 32))
    word = np.repeat(r["offset"].astype(int) // 4 - np.cumsum(counts) + counts, counts) + np.arange(
        counts.sum()
    )
    part = np.repeat(part, counts)
    distinct = number(part, word)[0]  # lanes that want the same word share it
    part, word = part[distinct], word[distinct]
    sector, (bank, _, asking) = number(part, word // 8)[0], number(part, word % 32)
    turns = np.zeros(len(at), int)
    np.maximum.at(turns, part[bank], asking)
    cost = np.where(r["global"][at], np.bincount(part[sector]), turns)
    ideal = np.where(r["global"][at], -(-np.bincount(part) // 8), 1)
    places, lines = made.places(tuple(np.unique(r["pc"]).tolist())), {}
    for s in np.unique(site):
        line = lines.setdefault(
            (places.get(s // 2, ()), ("shared", "global")[s % 2]), np.zeros(3, int)
        )
        line += (site[asked] == s).sum(), cost[site[at] == s].sum(), ideal[site[at] == s].sum()
    return tuple(Line(*key, *line.tolist()) for key, line in sorted(lines.items()))
