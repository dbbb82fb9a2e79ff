"""Random programs of operations, views and changes in place: minigan agrees with PyTorch or
refuses.

A program is a list of steps over the tensors that it has made so far: two leaves that require grad,
two that do not, and the results. What it may never do is to give other values or another gradient
than PyTorch without a word.
"""

import operator

import numpy as np
import pytest

import minigan as mg

OPERATORS = {
    "+=": operator.iadd,
    "-=": operator.isub,
    "*=": operator.imul,
    "/=": operator.itruediv,
    "**=": operator.ipow,
}
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


def run(lib, program, values):
    """The tensors after a program of steps: (name, number of x, number of y, in no_grad)."""
    live = [
        lib.tensor(v, requires_grad=grad) for v, grad in zip(values, (True, True, False, False))
    ]
    for name, i, j, frozen in program:
        x, y = live[i % len(live)], live[j % len(live)]
        if frozen:
            with lib.no_grad():
                z = STEPS[name](x, y)
        else:
            z = STEPS[name](x, y)
        if z is not x:
            live.append(z)
    return live


def attempt(function, *arguments):
    try:
        return function(*arguments), None
    except (RuntimeError, ValueError, IndexError) as error:
        return None, error


def gradients(live, chosen, grad):
    y = live[chosen]
    return [np.zeros((2, 2)) if g is None else g.numpy() for g in grad((y * y).sum(), live[:2])]


@pytest.mark.filterwarnings(
    "ignore::RuntimeWarning"
)  # a division by 0 is a number like any other here
@pytest.mark.parametrize("seed", range(10))
def test_random_programs_agree_with_pytorch_or_are_refused(seed):
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    rng, agreed = np.random.default_rng(seed), 0
    for _ in range(150):
        program = [
            (rng.choice(list(STEPS)), *rng.integers(2, 12, 2).tolist(), rng.random() < 0.15)
            for _ in range(rng.integers(2, 7))
        ]
        values = rng.uniform(0.5, 1.5, (4, 2, 2))
        (ours, refusal), (theirs, their_refusal) = (
            attempt(run, mg, program, values),
            attempt(run, torch, program, values),
        )
        if refusal is not None or their_refusal is not None:
            # PyTorch alone refuses x += x[0], whose values it would overwrite while it reads them,
            # and a change of a view that was made in no_grad(), which counts as a detach() here
            known = "refer to" in str(their_refusal) or "no_grad mode" in str(their_refusal)
            assert refusal is not None or known, (program, their_refusal)
            continue
        for x, t in zip(ours, theirs):
            assert np.allclose(x.numpy(), t.detach().numpy(), equal_nan=True), program
        both = [
            i for i, (x, t) in enumerate(zip(ours, theirs)) if x.requires_grad and t.requires_grad
        ]
        found, refusal = attempt(gradients, ours, both[-1], mg.grad)
        expected, their_refusal = attempt(
            gradients, theirs, both[-1], lambda y, xs: torch.autograd.grad(y, xs, allow_unused=True)
        )
        if refusal is None:
            assert their_refusal is None, (program, their_refusal)
            for a, b in zip(found, expected):
                assert np.allclose(a, b, equal_nan=True), program
            agreed += 1
    assert agreed > 50
