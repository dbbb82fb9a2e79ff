"""How far is it from nn.Conv2d to a kernel? Counts the calls of minigan's functions on the way.

    python tests/benchmarks/count_calls.py

One nn.Conv2d with bias runs forward and backward on 2 images of 3 x 8 x 8. Counted are calls of
named functions and methods of minigan (no lambdas, no comprehensions, no generators of a single
expression), the files that they are in, and how often control goes from one file to another. The
first call also makes the plans and loads the kernels; the second one finds both in caches.
"""

import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np

import minigan as mg

PACKAGE = Path(mg.__file__).resolve().parent


class Walk(NamedTuple):
    """What a profiler saw."""

    calls: int
    below: int  # of the calls, those of minigan/backends: from devices.kernels to the kernel
    functions: int  # different ones
    files: int  # different ones
    changes: int  # of file: from the caller's to the called function's, and back
    deepest: int  # functions of minigan inside each other


class Counter:
    """A profile function for sys.setprofile that follows minigan's functions."""

    def __init__(self):
        self.entered = []  # (file, function) of every call, in the order of time
        self.open = []  # the files of the functions that have not returned
        self.changes = 0
        self.deepest = 0

    def __call__(self, frame, event, argument):
        code = frame.f_code
        if event not in ("call", "return") or not is_counted(code):
            return
        if event == "return":
            if self.open:
                self._go(self.open.pop(), self.open[-1] if self.open else None)
            return
        self._go(self.open[-1] if self.open else None, code.co_filename)
        self.entered.append((code.co_filename, code.co_qualname))
        self.open.append(code.co_filename)
        self.deepest = max(self.deepest, len(self.open))

    def _go(self, here, there):
        if here is not None and there is not None and here != there:
            self.changes += 1

    def walk(self):
        """What was seen, as a Walk."""
        functions = set(self.entered)
        files = {file for file, _ in functions}
        backends = str(PACKAGE / "backends")
        below = sum(file.startswith(backends) for file, _ in self.entered)
        return Walk(
            len(self.entered), below, len(functions), len(files), self.changes, self.deepest
        )


def is_counted(code):
    """Whether this is the code of a named function of minigan."""
    return code.co_filename.startswith(str(PACKAGE)) and not code.co_name.startswith("<")


def count(function):
    """Call the function -> (what it returns, a Walk)."""
    counter = Counter()
    sys.setprofile(counter)
    try:
        result = function()
    finally:
        sys.setprofile(None)
    return result, counter.walk()


def walks(device):
    """(direction, which call, Walk) on one device."""
    with mg.device(device):
        mg.manual_seed(0)
        layer = mg.nn.Conv2d(3, 5, 3, padding=1)
        images = np.random.default_rng(0).standard_normal((2, 3, 8, 8)).astype(np.float32)
        for which in ("first", "second"):
            x = mg.tensor(images, requires_grad=True)
            y, forward = count(lambda x=x: layer(x))
            g = mg.tensor(np.ones(y.shape, np.float32))
            _, backward = count(lambda y=y, g=g: y.backward(g))
            yield "forward", which, forward
            yield "backward", which, backward


def main():
    titles = ["one nn.Conv2d", "call", "calls", "in backends", "functions", "files"]
    titles += ["changes of file", "deepest"]
    print(f"| {' | '.join(titles)} |")
    print("|---|---|" + "---:|" * 6)
    for device in ("host", "cpu"):
        for direction, which, walk in walks(device):
            numbers = " | ".join(map(str, walk))
            print(f"| {direction}, device {device} | {which} | {numbers} |")


if __name__ == "__main__":
    main()
