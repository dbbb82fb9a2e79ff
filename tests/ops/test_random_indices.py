"""x[index] and x[index] = y against PyTorch: random index tuples of all kinds.

Values, shapes, gradients and refusals must be PyTorch's.
"""

import numpy as np
import pytest
from index_draws import Draw, outcome

import minigan as mg

COUNT = 100  # index tuples for a seed; 30 seeds in the plain suite, 200 in the slow one


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="PyTorch is the oracle")


def numbered(shape):
    """An array of this shape that holds 1, 2, 3, ..."""
    return np.arange(1.0, 1 + np.prod(shape)).reshape(shape)


def compare_one(torch, rng, seed):
    """Draw an index tuple and compare. Returns whether both libraries take it."""
    draw = Draw(rng, torch)
    index = draw.whole()
    a = numbered(draw.shape)
    x = mg.tensor(a, requires_grad=True)
    t = torch.tensor(a, requires_grad=True)
    y, refusal = outcome(x, index.ours)
    u, their_refusal = outcome(t, index.theirs)
    what = f"seed {seed}: x of shape {draw.shape}, index {index.ours!r}"
    if u is not None and u.numel() == 0 and "out of bounds" in str(refusal):
        return False  # where nothing is picked in the end, PyTorch does not look at the positions
    both = f"{what}: {refusal!r}, PyTorch {their_refusal!r}"
    assert (refusal is None) == (their_refusal is None), both
    if refusal is not None:
        assert isinstance(refusal, IndexError), what
        assert "\n" not in str(refusal), what
        return False
    assert y.shape == tuple(u.shape), f"{what}: {y.shape}, PyTorch {tuple(u.shape)}"
    assert np.array_equal(y.numpy(), u.detach().numpy()), what
    g = rng.integers(1, 9, y.shape).astype(float)
    y.backward(g)
    u.backward(torch.tensor(g))
    assert np.array_equal(x.grad.numpy(), t.grad.numpy()), what
    return True


def compare(torch, seed):
    """Compare COUNT index tuples; most of them must be taken by both libraries."""
    rng = np.random.default_rng(seed)
    taken = sum(compare_one(torch, rng, seed) for _ in range(COUNT))
    assert taken > 0.6 * COUNT


@pytest.mark.parametrize("seed", range(30))
def test_random_indices_pick_what_pytorch_picks(seed, torch):
    compare(torch, seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1000, 1200))
def test_twenty_thousand_random_indices_pick_what_pytorch_picks(seed, torch):
    compare(torch, seed)


def write_one(torch, rng):
    """Assign to random entries of both. Returns whether something was written."""
    draw = Draw(rng, torch)
    index = draw.whole()
    x = mg.tensor(np.zeros(draw.shape))
    t = torch.zeros(draw.shape, dtype=torch.float64)
    positions = torch.arange(t.numel()).reshape(draw.shape)
    picked, refusal = outcome(positions, index.theirs)
    if refusal is not None or picked.numel() == 0:
        return False
    values = rng.standard_normal(picked.shape)
    if picked.unique().numel() < picked.numel():
        # an entry that is written twice keeps one of the values, whichever: write only one
        values = rng.standard_normal()
    x[index.ours] = values
    t[index.theirs] = torch.tensor(values, dtype=torch.float64)
    what = f"x of shape {draw.shape}, index {index.ours!r}"
    assert np.array_equal(x.numpy(), t.numpy()), what
    return True


@pytest.mark.parametrize("seed", range(10))
def test_what_is_assigned_arrives_where_pytorch_puts_it(seed, torch):
    rng = np.random.default_rng([seed, 1])
    written = sum(write_one(torch, rng) for _ in range(COUNT))
    assert written > 0.5 * COUNT
