"""Every operation's gradient against finite differences, to second order and higher."""

import inspect
import re
import sys

import pytest
from every_layer import LAYERS, layer
from hypothesis import given, settings
from hypothesis import strategies as st
from operations import MINIGAN, OPERATIONS
from strategies import cases, fixed_case

import minigan as mg
from minigan import functional as F
from minigan import nn, ops
from minigan.engine import Tensor
from minigan.methods import TensorMethods
from minigan.torch_forms import TorchForms


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
@settings(max_examples=8)
@given(case=cases(), seed=st.integers(0, 2**32 - 1))
def test_the_gradient_is_that_of_finite_differences(operation, case, seed):
    arrays, options = operation.inputs(case)
    f = operation.function(MINIGAN, options)
    assert mg.gradcheck(f, arrays, order=operation.order, directions=1, seed=seed)


# The tables, and what stands between them and an operation.
CALLERS = {
    "operations",
    "operations_by_torchs_names",
    "rows",
    "minigan.methods",
    "minigan.torch_forms",
}
# to(), astype() and to_float32() are casts, which have tests of their own. The two positions have
# no gradient, and neither has one_hot; that of scatter_ is the gradient of an assignment.
NOT_IN_THE_TABLE = {"to", "astype", "to_float32", "argmax", "argmin", "scatter_"}
NOT_IN_THE_TABLE |= {"new", "new_full", "new_tensor"}
WITHOUT_GRADIENT = {"one_hot"}


def code_called_by(operation):
    """The code of the functions that a row of the table calls, and Tensor's methods for it."""
    called = set()

    def note(frame, event, argument):
        caller = frame.f_back.f_globals.get("__name__")
        if event == "call" and caller in CALLERS:
            called.add(frame.f_code)

    arrays, options = operation.inputs(fixed_case(0))
    inputs = [Tensor(a) for a in arrays]
    before = sys.getprofile()
    sys.setprofile(note)
    try:
        operation.apply(MINIGAN, *inputs, **options)
    finally:
        sys.setprofile(before)
    return called


def test_every_public_operation_is_in_the_table():
    """Runs the table, and asks the interpreter which of minigan's functions it called."""
    called = set()
    for operation in OPERATIONS:
        called |= code_called_by(operation)
    public = {name: getattr(F, name) for name in F.__all__ if name not in WITHOUT_GRADIENT}
    source = inspect.getsource(TensorMethods) + inspect.getsource(TorchForms)
    methods = set(re.findall(r"ops\.(\w+)\(", source))
    assert methods > NOT_IN_THE_TABLE
    for name in methods - NOT_IN_THE_TABLE:
        public[name] = getattr(ops, name)
    missing = [name for name, function in public.items() if function.__code__ not in called]
    assert missing == []


def test_every_layer_is_in_the_table():
    layers = set()
    for name, thing in vars(nn).items():
        is_layer = isinstance(thing, type) and issubclass(thing, nn.Module)
        if is_layer and not name.startswith("_"):
            layers.add(name)
    checked_elsewhere = {"Maxout", "Dropout", "Dropout2d", "DiffAugment"}
    containers = {"Module", "ModuleList", "ModuleDict"}
    found = {type(layer(name)[0]).__name__ for name in LAYERS}
    losses = {name for name in layers if name.endswith("Loss")}
    assert layers - containers - losses - checked_elsewhere <= found
