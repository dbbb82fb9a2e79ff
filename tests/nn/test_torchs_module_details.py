"""What programs from PyTorch read off modules and do to them: prefixes, conversions, sizes."""

import pytest
from torch_twin import torch

import minigan as mg


class Wrapper(mg.nn.Module):
    """As hand-written spectral norms are: all that it has is another module."""

    def __init__(self):
        self.module = mg.nn.Linear(3, 2)


def test_a_module_whose_own_names_begin_with_module_reads_its_own_state():
    source = Wrapper()
    target = Wrapper().load_state_dict(source.state_dict())
    assert (target.module.weight == source.module.weight).all()
    prefixed = {f"module.{name}": t for name, t in source.module.state_dict().items()}
    plain = mg.nn.Linear(3, 2).load_state_dict(prefixed)
    assert (plain.weight == source.module.weight).all()


def test_a_conversion_keeps_the_gradients():
    layer = mg.nn.Linear(3, 2)
    layer(mg.ones(1, 3)).sum().backward()
    kept = layer.weight.grad
    layer.float()
    assert layer.weight.grad is kept
    layer.double()
    assert layer.weight.grad.dtype == mg.float64
    assert (layer.weight.grad == kept).all()


BUILT = {
    "Conv2d(4, 6, (3, 2), 2, groups=2)": "in_channels out_channels kernel_size stride groups",
    "ConvTranspose2d(4, 6, 3, groups=2)": "in_channels out_channels kernel_size stride groups",
    "Conv1d(4, 6, 3)": "in_channels out_channels kernel_size",
    "Linear(4, 3)": "in_features out_features",
    "Embedding(5, 2)": "num_embeddings embedding_dim",
    "BatchNorm2d(4, 0.1)": "num_features eps momentum",
}


@pytest.mark.parametrize("layer, names", BUILT.items())
def test_layers_keep_what_they_were_built_with(layer, names):
    ours = eval(layer, dict(vars(mg.nn)))
    theirs = eval(layer, dict(vars(torch.nn)))
    for name in names.split():
        assert getattr(ours, name) == getattr(theirs, name)


def test_a_module_is_inserted_into_a_list():
    first, last, middle = mg.nn.Tanh(), mg.nn.ReLU(), mg.nn.Linear(2, 2)
    layers = mg.nn.ModuleList([first, last])
    layers.insert(1, middle)
    assert list(layers) == [first, middle, last]
    assert [name for name, _ in layers.named_parameters()] == ["1.weight", "1.bias"]
