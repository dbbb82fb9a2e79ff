"""What looks unusual but is right: every memory layout, empty batches, all kinds of targets,
enormous logits.
"""

import numpy as np
import pytest

import minigan as mg
from minigan import functional as F

bce = F.binary_cross_entropy_with_logits
ce = F.cross_entropy
LOGITS = mg.zeros(3)

LAYOUTS = {
    "reversed": lambda a: np.ascontiguousarray(a[::-1, ..., ::-1])[::-1, ..., ::-1],
    "transposed": lambda a: np.ascontiguousarray(a.T).T,
    "channels last": lambda a: np.moveaxis(np.ascontiguousarray(np.moveaxis(a, 1, -1)), -1, 1),
    "every other": lambda a: np.repeat(np.repeat(a, 2, 0), 3, -1)[::2, ..., ::3],
    "read-only": lambda a: np.broadcast_to(a, (1, *a.shape))[0],
    "big": lambda a: np.pad(a, 1)[tuple(slice(1, -1) for _ in a.shape)],
}

FUNCTIONS = {
    "conv2d": (lambda x, w: F.conv2d(x, w, stride=2, padding=1), [(2, 3, 6, 6), (4, 3, 3, 3)]),
    "conv2d 4x4": (
        lambda x, w: F.conv2d(x, w, stride=2, padding=1),
        [(2, 16, 8, 8), (16, 16, 4, 4)],
    ),
    "conv_transpose2d": (
        lambda x, w: F.conv_transpose2d(x, w, stride=2, padding=1),
        [(2, 3, 4, 4), (3, 5, 4, 4)],
    ),
    "linear": (F.linear, [(5, 3), (4, 3)]),
    "matmul": (lambda x, y: x @ y, [(2, 3, 4), (2, 4, 5)]),
    "batch_norm": (lambda x: F.batch_norm(x, training=True, negative_slope=0.2), [(4, 3, 5, 2)]),
    "batch_norm of rows": (lambda x: F.batch_norm(x, training=True), [(6, 3)]),
    "instance_norm": (F.instance_norm, [(2, 3, 4, 4)]),
    "layer_norm": (lambda x: F.layer_norm(x, x.shape[1:]), [(3, 4, 5)]),
    "leaky_relu": (lambda x: F.leaky_relu(x, 0.2), [(4, 3, 5)]),
    "sigmoid": (F.sigmoid, [(4, 3, 5)]),
    "bce": (lambda x, t: bce(x, F.sigmoid(t), reduction="none"), [(4, 3), (4, 3)]),
    "mse": (F.mse_loss, [(4, 3), (4, 3)]),
    "log_softmax": (F.log_softmax, [(4, 3)]),
    "maxout": (lambda x: F.maxout(x, 2), [(3, 4)]),
    "pad": (lambda x: F.pad(x, (1, 2, 2, 1), mode="reflect"), [(2, 3, 4, 4)]),
    "interpolate": (lambda x: F.interpolate(x, 7, mode="bilinear"), [(2, 3, 4, 4)]),
    "pixel_shuffle": (lambda x: F.pixel_shuffle(x, 2), [(2, 4, 3, 3)]),
    "reshape": (lambda x: x.reshape(-1), [(2, 3, 4)]),
    "var": (lambda x: x.var((0, 2)), [(2, 3, 4)]),
    "cat": (lambda x, y: mg.cat([x, y], 1), [(2, 3, 4), (2, 2, 4)]),
    "index": (lambda x: x[:, ::-1, [0, 0, 2]], [(2, 3, 4)]),
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=list(LAYOUTS))
@pytest.mark.parametrize("function, shapes", FUNCTIONS.values(), ids=list(FUNCTIONS))
def test_memory_layout_does_not_change_a_number(function, shapes, layout):
    draw = np.random.default_rng(0)
    plain = [draw.standard_normal(shape) for shape in shapes]
    results = []
    for form in (np.array, layout):
        inputs = [mg.Tensor(form(a), requires_grad=True) for a in plain]
        y = function(*inputs)
        g = np.random.default_rng(1).standard_normal(y.shape)
        results.append([y, *mg.grad(y, inputs, mg.Tensor(form(g) if g.ndim > 1 else g))])
        for a, x in zip(plain, inputs):
            np.testing.assert_array_equal(x.numpy(), a)  # and nothing wrote into its inputs
    for expected, got in zip(*results):
        np.testing.assert_allclose(got.numpy(), expected.numpy(), atol=1e-12)


def test_empty_batches_work_where_they_mean_something():
    x = mg.zeros(0, 3, requires_grad=True)
    w = mg.ones(4, 3, requires_grad=True)
    y = F.relu(F.linear(x, w, mg.zeros(4, requires_grad=True)))
    assert y.shape == (0, 4)
    assert y.sum().item() == 0
    y.sum().backward()
    assert x.grad.shape == (0, 3)
    assert not w.grad.numpy().any()
    assert mg.cat([mg.zeros(0, 4), mg.ones(2, 4)]).shape == (2, 4)
    assert bce(mg.zeros(0), 1.0, reduction="sum").item() == 0
    assert F.mse_loss(x, x, reduction="none").shape == (0, 3)


def test_targets_may_be_arrays_lists_and_numbers():
    for target in (np.array([0.0, 0.5, 1.0]), [0.0, 0.5, 1.0], mg.tensor([0.0, 0.5, 1.0])):
        assert bce(LOGITS, target).item() == pytest.approx(np.log(2))
    assert bce(LOGITS, 0.9).dtype == np.float32
    assert bce(LOGITS, True).item() == pytest.approx(np.log(2))
    assert F.mse_loss(LOGITS, 2).item() == 4
    assert F.l1_loss(LOGITS, [1, 2, 3]).item() == 2
    assert ce(mg.zeros(2, 3), [0, 2]).item() == pytest.approx(np.log(3))


def test_infinite_and_huge_logits_give_the_exact_limit():
    assert bce(mg.tensor([1e4, -1e4]), mg.tensor([1.0, 0.0])).item() == 0
    assert bce(mg.tensor([1e4, -1e4]), mg.tensor([0.0, 1.0])).item() == 1e4
    assert F.sigmoid(mg.tensor([1e4, -1e4])).numpy().tolist() == [1, 0]
    assert F.log_softmax(mg.tensor([1e4, 0.0])).numpy().tolist() == [0, -1e4]
