"""What coming-from-pytorch.md says of PyTorch is so, and what it calls the same is the same."""

import warnings

import numpy as np
import pages
import pytest
from torch_twin import all_close, close, gradients, torch

import minigan as mg
from minigan.engine import Tensor

LEAVES = ("x", "w", "image")


class Layers:
    """A library's nn, of which every layer is float64 and has weights that are drawn alike."""

    def __init__(self, nn):
        self.nn = nn

    def __getattr__(self, name):
        thing = getattr(self.nn, name)
        is_layer = isinstance(thing, type) and issubclass(thing, self.nn.Module)
        if not is_layer:
            return thing

        def make(*arguments, **options):
            layer = thing(*arguments, **options).double()
            draw_weights(layer)
            return layer

        return make


def draw_weights(layer):
    """Give the layer weights that depend on nothing but their shapes."""
    rng = np.random.default_rng(1)
    is_ours = isinstance(layer, mg.nn.Module)
    for p in layer.parameters():
        values = np.asarray(rng.uniform(0.2, 0.5, tuple(p.shape)))
        p.data = mg.tensor(values) if is_ours else torch.from_numpy(values)


def their_names(path):
    """What the page imports and makes, in PyTorch."""
    names = {"torch": torch, "np": np, "nn": torch.nn}
    names |= {"F": torch.nn.functional, "optim": torch.optim}
    return names | pages.tensors(torch.tensor) | {"path": str(path)}


@pytest.fixture
def theirs(tmp_path):
    """What the page's programs know in PyTorch, whose warnings are of no interest here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield their_names(tmp_path / "theirs.pt")


@pytest.fixture
def ours(tmp_path):
    """What they know in minigan."""
    with mg.device("cpu"):
        yield pages.our_names(tmp_path / "ours.npz")


def check_same(value, expected):
    """Equal numbers, texts, shapes and dtypes, or sequences of these."""
    if isinstance(expected, torch.Tensor):
        close(value, expected.detach())
    elif isinstance(expected, torch.dtype):
        assert str(value) == str(expected).removeprefix("torch.")
    elif isinstance(expected, (tuple, list)):
        for a, b in zip(value, expected, strict=True):
            check_same(a, b)
    elif isinstance(expected, np.ndarray):
        close(value, expected)
    else:
        assert value == expected


@pytest.mark.parametrize("row", pages.the_same(), ids=lambda row: row.theirs)
def test_what_the_page_calls_the_same_is_the_same(row, ours, theirs):
    ours["nn"] = Layers(mg.nn)
    theirs["nn"] = Layers(torch.nn)
    value = pages.run(row.ours, ours)
    expected = pages.run(row.theirs, theirs)
    check_same(value, expected)
    if isinstance(value, Tensor):
        assert value.requires_grad == expected.requires_grad
        if value.requires_grad:
            check_same_derivatives(value.double(), expected.double(), ours, theirs)


def check_same_derivatives(value, expected, ours, theirs):
    """The first and second derivatives with respect to the leaves that the value depends on."""
    our_leaves = [ours[name] for name in LEAVES]
    their_leaves = [theirs[name] for name in LEAVES]
    of_ours = mg.grad(value, our_leaves, mg.ones_like(value))
    of_theirs = torch.autograd.grad(
        expected,
        their_leaves,
        torch.ones_like(expected),
        retain_graph=True,
        allow_unused=True,
    )
    used = [i for i, d in enumerate(of_theirs) if d is not None]
    assert used == [i for i, d in enumerate(of_ours) if d is not None]
    if used:
        found = gradients(value, [our_leaves[i] for i in used])
        in_pytorch = gradients(expected, [their_leaves[i] for i in used])
        all_close(found, in_pytorch, tolerance=1e-9)


@pytest.mark.parametrize("row", pages.what_differs(), ids=lambda row: row.theirs)
def test_pytorch_does_what_the_page_says(row, theirs):
    pages.check_outcome(row.theirs, row.their_outcome, theirs)


@pytest.mark.parametrize("row", pages.what_is_refused(), ids=lambda row: row.theirs)
def test_what_minigan_refuses_is_a_line_of_pytorchs(row, theirs):
    lacks_a_gpu = "cuda" in row.theirs and not torch.cuda.is_available()
    if lacks_a_gpu or row.theirs in REFUSED_BY_BOTH:
        with pytest.raises((RuntimeError, AssertionError)):
            pages.run(row.theirs, theirs)
    else:
        pages.run(row.theirs, theirs)


REFUSED_BY_BOTH = {"nn.Parameter(y).add_(1)", "(x * 2).requires_grad_(False)"}
