"""Random programs of operations, views and changes in place: as in PyTorch, or refused.

A program is a list of steps over the tensors that it has made so far: two leaves that require grad,
two that do not, and the results. minigan may refuse a program, but it may never give other values
or other gradients than PyTorch without a word.
"""

import contextlib
from typing import NamedTuple

import numpy as np
import pytest
from in_place import OPERATORS

import minigan as mg

STEPS = {
    "add": lambda x, y: x + y,
    "multiply": lambda x, y: x * y,
    "exp": lambda x, y: (x * 0.1).exp(),
    "tanh": lambda x, y: x.tanh(),
    "detach": lambda x, y: x.detach(),
    "row": lambda x, y: x[0],
    "reshape": lambda x, y: x.reshape(-1),
    "all": lambda x, y: x[...],
    **{f"{symbol} y": change for symbol, change in OPERATORS.items() if symbol != "**="},
    **{
        f"{symbol} 2": lambda x, y, change=change: change(x, 2)
        for symbol, change in OPERATORS.items()
    },
}


class Step(NamedTuple):
    """A step of a program."""

    name: str  # of an entry of STEPS
    x: int  # which tensor is the first operand; counted modulo how many there are
    y: int  # which tensor is the second one
    frozen: bool  # whether it runs in no_grad


def random_program(rng):
    """Two to six random steps."""
    names = list(STEPS)
    program = []
    for _ in range(rng.integers(2, 7)):
        name = rng.choice(names)
        x, y = rng.integers(2, 12, 2).tolist()
        frozen = rng.random() < 0.15
        program.append(Step(name, x, y, frozen))
    return program


def run(lib, program, values):
    """The tensors after a program: four leaves, and the results. lib: minigan or torch."""
    live = []
    for v, requires_grad in zip(values, (True, True, False, False)):
        live.append(lib.tensor(v, requires_grad=requires_grad))
    for step in program:
        x = live[step.x % len(live)]
        y = live[step.y % len(live)]
        mode = lib.no_grad() if step.frozen else contextlib.nullcontext()
        with mode:
            z = STEPS[step.name](x, y)
        if z is not x:
            live.append(z)
    return live


def attempt(function, *arguments):
    """(the result, None), or (None, the refusal)."""
    try:
        return function(*arguments), None
    except (RuntimeError, ValueError, IndexError) as error:
        return None, error


def gradients(live, chosen, grad):
    """The gradients of the chosen tensor's square with respect to the two leaves."""
    y = live[chosen]
    loss = (y * y).sum()
    found = []
    for g in grad(loss, live[:2]):
        found.append(np.zeros((2, 2)) if g is None else g.numpy())
    return found


def last_that_requires_grad(ours, theirs):
    """The number of the last tensor that requires grad in both libraries."""
    pairs = list(enumerate(zip(ours, theirs)))
    for i, (x, t) in reversed(pairs):
        if x.requires_grad and t.requires_grad:
            return i
    raise AssertionError("the leaves require grad")


# PyTorch alone refuses x += x[0], whose values it would overwrite while it reads them, and a change
# of a view that was made in no_grad(), which counts as a detach() here.
ONLY_THERE = "refer to", "no_grad mode"


def agree(torch, program, values):
    """Compare one program. Returns whether both libraries gave gradients, which then are equal."""
    ours, refusal = attempt(run, mg, program, values)
    theirs, their_refusal = attempt(run, torch, program, values)
    if refusal is not None or their_refusal is not None:
        known = any(words in str(their_refusal) for words in ONLY_THERE)
        assert refusal is not None or known, (program, their_refusal)
        return False
    for x, t in zip(ours, theirs):
        assert np.allclose(x.numpy(), t.detach().numpy(), equal_nan=True), program

    def their_grad(y, xs):
        return torch.autograd.grad(y, xs, allow_unused=True)

    chosen = last_that_requires_grad(ours, theirs)
    found, refusal = attempt(gradients, ours, chosen, mg.grad)
    expected, their_refusal = attempt(gradients, theirs, chosen, their_grad)
    if refusal is not None:
        return False
    assert their_refusal is None, (program, their_refusal)
    for a, b in zip(found, expected):
        assert np.allclose(a, b, equal_nan=True), program
    return True


# a division by 0 is a number like any other here
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("seed", range(10))
def test_random_programs_agree_with_pytorch_or_are_refused(seed):
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    rng = np.random.default_rng(seed)
    agreed = 0
    for _ in range(150):
        program = random_program(rng)
        values = rng.uniform(0.5, 1.5, (4, 2, 2))
        agreed += agree(torch, program, values)
    assert agreed > 50
