"""Is the suite awake? Break each VJP and each kernel, one at a time, and demand that the checks notice.

The functions that minigan's modules hand to ``record`` are found by running every row of operations.py and listening;
then ``record`` is replaced by one that swaps a single VJP for a broken twin while gradcheck runs.
"""
import sys
import types

import numpy as np
import pytest
from operations import MINIGAN, OPERATIONS
from strategies import fixed_case
from test_reference import KERNELS, compare_with_reference, public

import minigan as mg
from minigan import cpu, engine
from minigan.check import GradcheckError
from minigan.engine import Tensor, recording

ROWS = {operation.name: operation for operation in OPERATIONS}
CASES = 6  # fixed cases per row: a broken VJP must be noticed in one of them

MUTATIONS = {
    "zeroed": lambda d: d * 0,
    "negated": lambda d: -d,
    "scaled": lambda d: d * 1.1,
    "scaled where a graph is built": lambda d: d * 1.1 if recording.get() else d,
    "scaled where no graph is built": lambda d: d if recording.get() else d * 1.1,
    "taking its tensors for constants": None,  # right to first order, wrong in all that follow
}
# What these read of their tensors is piecewise constant (a sign, a mask), so they may take them for constants.
MASKS = {"abs", "clamp", "amax", "leaky_relu", "leaky_relu_grad"}


def gradcheck_row(row, seed):
    arrays, options = row.inputs(fixed_case(seed))
    mg.gradcheck(row.function(MINIGAN, options), arrays, order=row.order, directions=1, seed=seed)


def replace_record(monkeypatch, record):
    for name, module in list(sys.modules.items()):
        if name.startswith("minigan.") and getattr(module, "record", None) is engine.record and module is not engine:
            monkeypatch.setattr(module, "record", record)


def constant(x):
    """The same numbers, cut from the graph; it still requires grad, as what it stands for does."""
    return x.detach().requires_grad_() if isinstance(x, Tensor) and x.requires_grad else x


def with_constants(vjp):
    """The same function, its captured tensors and its output cut from the graph."""
    cells = tuple(types.CellType(constant(cell.cell_contents)) for cell in vjp.__closure__ or ())
    twin = types.FunctionType(vjp.__code__, vjp.__globals__, vjp.__name__, vjp.__defaults__, cells)
    return (lambda g: twin(g)) if vjp.__code__.co_argcount == 1 else lambda g, y: twin(g, constant(y))


def broken(vjp, mutation, component):
    """vjp with one of its gradients (component 0, but for a joint VJP) changed; same number of arguments."""
    if mutation == "taking its tensors for constants":
        return with_constants(vjp)

    def change(ds):
        if not isinstance(ds, tuple):
            return MUTATIONS[mutation](ds)
        return tuple(MUTATIONS[mutation](d) if i == component and d is not None else d for i, d in enumerate(ds))
    return (lambda g: change(vjp(g))) if vjp.__code__.co_argcount == 1 else lambda g, y: change(vjp(g, y))


@pytest.fixture(scope="module")
def vjps():
    """{code of a VJP: (its operation's name, how many inputs it serves, the rows that must notice if it is broken)}."""
    found = {}

    def listen(value, *edges):
        for inputs, vjp in edges:
            inputs = inputs if type(inputs) is tuple else (inputs,)
            if any(x is not None and x.requires_grad for x in inputs):
                name = vjp.__qualname__.split(".", 1)[0]
                reads = vjp.__code__.co_argcount == 2 or any(
                    isinstance(c.cell_contents, Tensor) for c in vjp.__closure__ or ())
                entry = found.setdefault(vjp.__code__, (name, len(inputs), reads, {}))
                entry[3].setdefault(row.name, forward)
        return engine.record(value, *edges)

    with pytest.MonkeyPatch.context() as monkeypatch:
        replace_record(monkeypatch, listen)
        for row in OPERATIONS:
            for seed in range(CASES):
                forward, (arrays, options) = True, row.inputs(fixed_case(seed))
                row.apply(MINIGAN, *[Tensor(a, requires_grad=True) for a in arrays], **options)
            forward = False
            gradcheck_row(row, 0)
    return {code: (name, inputs, reads, [r for r, forward in rows.items() if forward] or list(rows)[:1])
            for code, (name, inputs, reads, rows) in found.items()}


def mutants(vjps):
    """(code, mutation, component, row): all that the suite must notice."""
    return [(code, mutation, component, row) for code, (name, inputs, reads, rows) in vjps.items()
            for mutation in MUTATIONS for row in rows
            if mutation != "taking its tensors for constants" or (reads and name not in MASKS)
            for component in range(1 if mutation == "taking its tensors for constants" else inputs)]


def survives(code, mutation, component, row):
    """Whether gradcheck finds nothing wrong with the row while this VJP is broken."""
    def record(value, *edges):
        return engine.record(value, *((inputs, broken(vjp, mutation, component) if vjp.__code__ is code else vjp)
                                      for inputs, vjp in edges))
    with pytest.MonkeyPatch.context() as monkeypatch:
        replace_record(monkeypatch, record)
        for seed in range(CASES):
            try:
                gradcheck_row(ROWS[row], seed)
            except GradcheckError:
                return False
    return True


def assert_none_survives(vjps, chosen):
    survivors = [f"{vjps[code][0]}, line {code.co_firstlineno}, input {component}: {mutation}, in {row}"
                 for code, mutation, component, row in chosen if survives(code, mutation, component, row)]
    print(f"{len(chosen) - len(survivors)} of {len(chosen)} broken VJPs noticed, of {len(mutants(vjps))} in all")
    assert survivors == []


def test_a_sample_of_broken_vjps_is_noticed(vjps):
    assert_none_survives(vjps, mutants(vjps)[::17])


@pytest.mark.slow
def test_every_broken_vjp_is_noticed(vjps):
    assert_none_survives(vjps, mutants(vjps))


def test_no_vjp_in_the_source_is_left_out(vjps):
    """Every function of g or h inside a function that calls ``record``, but for helpers that are no VJPs."""
    def inside(code):
        for constant in code.co_consts:
            if isinstance(constant, types.CodeType):
                yield constant
                yield from inside(constant)
    written = set()
    for name, module in sys.modules.items():
        if name.startswith("minigan."):
            for f in vars(module).values():
                if isinstance(f, types.FunctionType) and f.__module__ == name and "record" in f.__code__.co_names:
                    written |= {c for c in inside(f.__code__) if c.co_varnames[:1] in (("g",), ("h",))}
    assert [f"{c.co_filename}:{c.co_firstlineno}" for c in written - set(vjps) if c.co_name != "inner"] == []


# ---- kernels -------------------------------------------------------------------------------------------------------

# name -> a row whose gradcheck runs the kernel, forward or backward
KERNEL_ROWS = {"conv2d": "conv2d", "conv_transpose2d": "conv2d", "conv2d_weight_grad": "conv2d",
               "channel_sum": "channel_sum", "add_bias": "add_bias", "batch_norm_statistics": "batch_norm",
               "batch_norm_forward": "batch_norm", "batch_norm_grad": "batch_norm, LeakyReLU",
               "leaky_relu": "leaky_relu", "leaky_relu_grad": "leaky_relu",
               "bce_with_logits": "binary_cross_entropy_with_logits",
               "bce_with_logits_grad": "binary_cross_entropy_with_logits"}


def kernel_mutants():
    """(name, what is wrong, the wrong kernel): each result of each kernel zeroed, negated and scaled; classic mistakes."""
    for name in KERNELS:
        for component in range({"batch_norm_statistics": 2, "batch_norm_grad": 3}.get(name, 1)):
            for mutation, factor in (("zeroed", 0), ("negated", -1), ("scaled", 1.1)):
                def wrong(*arguments, kernel=getattr(cpu, name), component=component, factor=factor):
                    y = kernel(*arguments)
                    return tuple(r * factor if i == component else r for i, r in enumerate(y)) if isinstance(
                        y, tuple) else np.asarray(y * y.dtype.type(factor))
                yield name, f"{mutation}, result {component}", wrong
    right = {name: getattr(cpu, name) for name in public(cpu)}

    def batch_norm_grad(g, x, y, mean, inv_std, weight, slope):
        _, dweight, dbias = right["batch_norm_grad"](g, x, y, mean, inv_std, weight, slope)
        dz = g if slope is None else right["leaky_relu_grad"](g, y, slope)
        scale = inv_std if weight is None else inv_std * weight
        return dz * scale.reshape(-1, *[1] * (x.ndim - 2)), dweight, dbias
    yield "batch_norm_grad", "takes mean and variance for constants", batch_norm_grad
    yield "batch_norm_grad", "forgets the activation", lambda *a: right["batch_norm_grad"](*a[:6], None)
    yield "batch_norm_statistics", "unbiased variance", lambda x: (
        x.mean((0, *range(2, x.ndim))), right["batch_norm_statistics"](x)[1] * x[:, 0].size / (x[:, 0].size - 1 or 2))
    yield "bce_with_logits_grad", "forgets the mean", lambda x, t, g, reduction: right["bce_with_logits_grad"](
        x, t, g, "sum")
    yield "bce_with_logits_grad", "of another target", lambda x, t, g, r: right["bce_with_logits_grad"](x, 1 - t, g, r)
    yield "conv2d_weight_grad", "taps mirrored", lambda *a: right["conv2d_weight_grad"](*a)[:, :, ::-1, ::-1]
    yield "conv_transpose2d", "forgets output_padding", lambda x, w, s, p, extra: np.pad(right["conv_transpose2d"](
        x, w, s, p, (0, 0)), ((0, 0), (0, 0), (0, extra[0]), (0, extra[1])))


@pytest.mark.parametrize("name, what, wrong", [pytest.param(*m, id=f"{m[0]}, {m[1]}") for m in kernel_mutants()])
def test_a_broken_kernel_is_noticed_twice(name, what, wrong, monkeypatch):
    """By the plain loops, and, where no oracle but mathematics is asked, by gradcheck."""
    monkeypatch.setattr(cpu, name, wrong)
    with pytest.raises(AssertionError):
        for seed in range(3 * CASES):
            compare_with_reference(name, fixed_case(seed))
    if name in KERNEL_ROWS:
        with pytest.raises(GradcheckError):
            for seed in range(3 * CASES):
                gradcheck_row(ROWS[KERNEL_ROWS[name]], seed)


@pytest.mark.parametrize("slope_at_zero", [lambda y: y >= 0])
def test_a_wrong_convention_at_the_kink_is_noticed(slope_at_zero, monkeypatch):
    """Off the kink the same function: only a comparison at y = 0 can tell."""
    monkeypatch.setattr(cpu, "leaky_relu_grad", lambda g, y, slope: g * np.where(slope_at_zero(y), 1, slope))
    for seed in range(CASES):
        gradcheck_row(ROWS["leaky_relu"], seed)
    with pytest.raises(AssertionError):
        for seed in range(3 * CASES):
            compare_with_reference("leaky_relu_grad", fixed_case(seed))
