"""Switching the recording of the graph on and off, and the options of grad, as in PyTorch."""

import numpy as np
import pytest
from torch_twin import close

import minigan as mg


def test_recording_is_switched_as_in_pytorch():
    x = mg.ones(1, requires_grad=True)
    with mg.no_grad():
        assert not mg.is_grad_enabled()
        with mg.enable_grad():
            assert (x * 2).requires_grad
    with mg.set_grad_enabled(False):
        assert not (x * 2).requires_grad
    with mg.inference_mode():
        assert not (x * 2).requires_grad
    with mg.inference_mode(False):
        assert (x * 2).requires_grad
    mg.set_grad_enabled(False)
    assert not (x * 2).requires_grad
    mg.set_grad_enabled(True)
    assert (x * 2).requires_grad


def test_the_options_of_torchs_grad_are_accepted():
    x = mg.ones(1, requires_grad=True)
    y = x * 3
    (g,) = mg.grad(y, x, retain_graph=True, only_inputs=True, allow_unused=True)
    close(g, np.float32([3]))
    y.backward(gradient=mg.ones(1), retain_graph=True)
    y.backward()
    close(x.grad, np.float32([6]))
    with pytest.raises(TypeError, match="creat_graph"):
        mg.grad(y, x, creat_graph=True)
