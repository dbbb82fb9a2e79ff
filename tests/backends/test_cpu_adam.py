"""Adam in NumPy is Kingma and Ba's Algorithm 1, and PyTorch's."""

import numpy as np
import pytest
from cpu_kernels import BLOCK_SIZES
from strategies import in_layout

from minigan.backends import cpu
from minigan.backends.cpu import blocks

RATE = 0.01
BETA1 = 0.5
BETA2 = 0.99
EPS = 1e-8
SHAPES = [(6, 4, 3, 3), (5, 7), (), (300,)]


@pytest.fixture(params=BLOCK_SIZES.values(), ids=BLOCK_SIZES)
def block_size(request, monkeypatch):
    monkeypatch.setattr(blocks, "SIZE", request.param)


def writable(values, layout):
    """The same values in writable memory of that layout."""
    a = np.array(values)
    if a.ndim == 0:
        return a
    if layout == "offset":
        every_second = (slice(None, None, 2),) * a.ndim
        wide = np.zeros([2 * n for n in a.shape])
        wide[every_second] = a
        return wide[every_second]
    if layout == "HWNC":
        return np.ascontiguousarray(a.T).T
    return a


def assert_same(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=1e-12, atol=1e-14)


def algorithm_1(p, m, v, g, step, weight_decay):
    """One step of the paper's algorithm -> the new p, m, v."""
    g = g + weight_decay * p
    m = BETA1 * m + (1 - BETA1) * g
    v = BETA2 * v + (1 - BETA2) * g * g
    m_hat = m / (1 - BETA1**step)
    v_hat = v / (1 - BETA2**step)
    std = np.sqrt(v_hat)
    p = p - RATE * m_hat / (std + EPS)
    return p, m, v


@pytest.mark.parametrize("weight_decay", [0, 0.1])
@pytest.mark.parametrize("layout", ["contiguous", "HWNC", "offset", "mixed"])
def test_adam_is_kingma_and_ba_in_any_memory(layout, weight_decay, block_size):
    """In the layout "mixed", the gradients lie in another order than the parameters."""
    rng = np.random.default_rng(0)
    order = "transposed" if layout == "mixed" else "contiguous"
    p = [writable(rng.standard_normal(s), layout) for s in SHAPES]
    m = [writable(np.zeros(s), layout) for s in SHAPES]
    v = [writable(np.zeros(s), layout) for s in SHAPES]
    expected = []
    for a in p:
        zero = np.zeros(a.shape)
        expected.append((a.copy(), zero, zero))
    for step in range(1, 6):
        grads = []
        for shape in SHAPES:
            values = np.array(rng.standard_normal(shape))
            grads.append(in_layout(values, order))
        cpu.adam(p, grads, m, v, step, RATE, (BETA1, BETA2), EPS, weight_decay)
        for i, g in enumerate(grads):
            expected[i] = algorithm_1(*expected[i], g, step, weight_decay)
    for i, (p_exact, m_exact, v_exact) in enumerate(expected):
        assert_same(p[i], p_exact)
        assert_same(m[i], m_exact)
        assert_same(v[i], v_exact)


def test_adam_is_pytorchs():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    p = rng.standard_normal(1000)
    m = np.zeros(1000)
    v = np.zeros(1000)
    theirs = torch.tensor(p, requires_grad=True)
    betas = 0.5, 0.999
    optimizer = torch.optim.Adam([theirs], lr=1e-3, betas=betas, weight_decay=0.01)
    for step in range(1, 101):
        g = rng.standard_normal(1000)
        theirs.grad = torch.tensor(g)
        optimizer.step()
        cpu.adam([p], [g], [m], [v], step, 1e-3, betas, 1e-8, 0.01)
    assert_same(p, theirs.detach().numpy())
