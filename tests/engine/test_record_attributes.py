"""record knows the name of an operation and its attributes; repr, messages and drawings read it."""

import numpy as np
import pytest

import minigan as mg
from minigan import drawing, engine
from minigan import functional as F
from minigan.engine import record
from minigan.ops import Selection

X = np.arange(1.0, 33.0).reshape(1, 2, 4, 4)
W = np.ones((3, 2, 2, 2))


def leaf(values):
    return mg.tensor(values, requires_grad=True)


def strided(x):
    return F.conv2d(x, mg.tensor(W), stride=2, padding=1)


def normalised(x):
    return F.batch_norm(x, training=True, eps=0.1)


CASES = {
    "conv2d": (strided, {"stride": (2, 2)}),
    "pow": (lambda x: x**3, {"exponent": 3}),
    "sum": (
        lambda x: x.sum(1),
        {"dim": (1,), "keepdim": False},
    ),
    "permute": (
        lambda x: x.permute(0, 2, 3, 1),
        {"dims": (0, 2, 3, 1)},
    ),
    "reshape": (
        lambda x: x.reshape(2, -1),
        {"shape": (2, 16)},
    ),
    "leaky_relu": (
        lambda x: F.leaky_relu(x, 0.2),
        {"negative_slope": 0.2},
    ),
    "relu": (F.relu, {"negative_slope": 0.0}),
    "batch_norm": (normalised, {"eps": 0.1}),
    "getitem": (
        lambda x: x[0, :, 1:],
        {"index": Selection((0, slice(None), slice(1, None), slice(None), ...), (), False)},
    ),
    "clamp": (
        lambda x: x.clamp(0, 1),
        {"min": 0, "max": 1},
    ),
    "pad": (
        lambda x: F.pad(x, (1, 2)),
        {"mode": "constant", "value": 0.0},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_node_has_the_public_name_and_the_attributes(name):
    function, expected = CASES[name]
    y = function(leaf(X))
    assert y.node.name == name
    assert expected.items() <= y.node.attributes.items()
    assert f"from {name})" in repr(y)


def test_a_trace_has_them_also_where_no_gradient_is_required():
    with drawing.trace() as t:
        strided(mg.tensor(X))
    (operation,) = t.records
    assert operation.name == "conv2d"
    assert operation.attributes["stride"] == (2, 2)
    assert isinstance(operation, engine.Operation)


def test_an_operation_of_ones_own_is_named_after_its_function():
    def softsign(x):
        y = x.array / (1 + np.abs(x.array))
        return record(y, (x, lambda g: g / (1 + x.abs()) ** 2))

    x = leaf([1.0, -3.0])
    y = softsign(x)
    assert y.node.attributes == {}
    assert y.node.name == "softsign"
    (slope,) = mg.grad(y.sum(), x)
    np.testing.assert_allclose(slope.numpy(), [1 / 4, 1 / 16])


def test_a_method_names_its_operation_too():
    class Doubling:
        def forward(self, x):
            def to_x(g):
                return g * 2

            return record(x.array * 2, (x, to_x))

    assert Doubling().forward(leaf(X)).node.name == "forward"


def test_a_value_without_inputs_is_traced_as_a_constant():
    with drawing.trace() as t:
        y = record(X)
    (operation,) = t.records
    assert operation.name == "constant"
    assert operation.output is y
    assert not y.requires_grad


def test_no_operation_has_a_private_name():
    names = set()
    for function, _ in CASES.values():
        y = function(leaf(X))
        stack = [y.node]
        while stack:
            node = stack.pop()
            names.add(node.name)
            stack.extend(node.parents)
    assert not [name for name in names if name.startswith("_")]
