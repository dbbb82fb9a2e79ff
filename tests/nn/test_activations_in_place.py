"""inplace=True has PyTorch's effect: the input tensor becomes the output, values and graph."""

import pytest
from torch_programs import both, normal
from torch_twin import all_close, torch

import minigan as mg
from minigan import nn


def activations_in_place(library, x):
    """What is read after ReLU(inplace=True) is what it has written."""
    functional = library.nn.functional if library is torch else library.functional
    y = x * 1
    z = library.nn.ReLU(True)(y)
    assert z is y
    u = y * 3
    functional.leaky_relu(u, 0.2, inplace=True)
    v = y + u
    library.nn.ELU(0.7, True)(v)
    w = v - 2
    library.nn.SiLU(inplace=True)(w)
    loss = (y * y + u).sum() + (v * 2 + w).sum()
    loss.backward()
    return y, u, v, w, x.grad


def test_activations_in_place_change_values_and_history_as_in_pytorch():
    ours, theirs = both(activations_in_place, normal(4, 5))
    all_close(ours, theirs)


def test_a_block_that_begins_in_place_changes_what_its_skip_connection_reads():
    """The U-Net of the CycleGAN and pix2pix authors does this."""

    def program(library, x):
        block = library.nn.Sequential(library.nn.LeakyReLU(0.2, True), library.nn.Tanh())
        inner = x * 2
        y = library.cat([inner, block(inner)], 1)
        (y * y).sum().backward()
        return y, x.grad

    ours, theirs = both(program, normal(2, 3))
    all_close(ours, theirs)


def test_a_value_that_backpropagation_needs_is_refused_as_in_pytorch():
    def program(library, x):
        y = library.sigmoid(x)
        library.nn.ReLU(True)(y)
        with pytest.raises(RuntimeError, match="in.?place"):
            y.sum().backward()

    both(program, normal(3))


def test_a_leaf_is_refused_in_place_as_in_pytorch():
    def program(library, x):
        with pytest.raises(RuntimeError, match="in.?place"):
            library.nn.ReLU(inplace=True)(x)

    both(program, normal(3))


def test_data_may_be_changed_in_place():
    x = mg.tensor([-1.0, 2.0])
    assert nn.ReLU(inplace=True)(x) is x
    assert x.tolist() == [0, 2]
    with pytest.raises(TypeError, match="does not fit into x of int64"):
        nn.LeakyReLU(0.2, True)(mg.arange(3))
