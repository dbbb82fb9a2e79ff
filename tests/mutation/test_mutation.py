"""Is the suite awake? Break each VJP and each kernel, one at a time, and demand that the checks
notice.

The functions that minigan's modules hand to ``record`` are found by running every row of
operations.py and listening; then ``record`` is replaced by one that swaps a single VJP for a
broken twin while gradcheck runs.
"""

import sys
import types
from dataclasses import dataclass, field

import numpy as np
import pytest
from adjoints import check_gradient_of_cast
from operations import MINIGAN, OPERATIONS
from reference_cases import KERNELS, compare_with_reference, public
from strategies import fixed_case

import minigan as mg
from minigan import engine, ops
from minigan.backends import cpu
from minigan.engine import Tensor
from minigan.finite_differences import GradcheckError
from minigan.grad_modes import recording

ROWS = {operation.name: operation for operation in OPERATIONS}
CASES = 6  # fixed cases per row: a broken VJP must be noticed in one of them

CONSTANTS = "taking its tensors for constants"
MUTATIONS = {
    "zeroed": lambda d: d * 0,
    "negated": lambda d: -d,
    "scaled": lambda d: d * 1.1,
    "scaled where a graph is built": lambda d: d * 1.1 if recording.get() else d,
    "scaled where no graph is built": lambda d: d if recording.get() else d * 1.1,
    CONSTANTS: None,  # right to first order, wrong in all that follow
}
# These read only a sign or a mask of what they captured or of their output, and that is piecewise
# constant.
MASK_CAPTURED = {"abs", "clamp", "amax", "leaky_relu_grad"}
MASK_OF_OUTPUT = {"amax", "leaky_relu", "_edges_with_activation"}


def gradcheck_row(row, seed):
    arrays, options = row.inputs(fixed_case(seed))
    mg.gradcheck(row.function(MINIGAN, options), arrays, order=row.order, directions=1, seed=seed)


def replace_record(monkeypatch, record):
    for name, module in list(sys.modules.items()):
        if (
            name.startswith("minigan.")
            and getattr(module, "record", None) is engine.record
            and module is not engine
        ):
            monkeypatch.setattr(module, "record", record)


def constant(x):
    """The same numbers, cut from the graph; it still requires grad, as what it stands for does."""
    return x.detach().requires_grad_() if isinstance(x, Tensor) and x.requires_grad else x


def with_constants(vjp):
    """The same function, its captured tensors and its output cut from the graph."""
    cells = tuple(types.CellType(constant(cell.cell_contents)) for cell in vjp.__closure__ or ())
    twin = types.FunctionType(vjp.__code__, vjp.__globals__, vjp.__name__, vjp.__defaults__, cells)
    return (
        (lambda g: twin(g)) if vjp.__code__.co_argcount == 1 else lambda g, y: twin(g, constant(y))
    )


def broken(vjp, mutation, component):
    """vjp with one of its gradients (component 0, but for a joint VJP) changed; same number of
    arguments.
    """
    if mutation == CONSTANTS:
        return with_constants(vjp)

    def change(ds):
        if not isinstance(ds, tuple):
            return MUTATIONS[mutation](ds)
        return tuple(
            MUTATIONS[mutation](d) if i == component and d is not None else d
            for i, d in enumerate(ds)
        )

    return (
        (lambda g: change(vjp(g)))
        if vjp.__code__.co_argcount == 1
        else lambda g, y: change(vjp(g, y))
    )


@pytest.fixture(scope="module")
def vjps():
    """{code of a VJP: its Vjp}: all that the table's rows record, forward or on the way back."""
    found = {}

    def listen(value, /, *edges, **about):
        for inputs, vjp in edges:
            inputs = inputs if type(inputs) is tuple else (inputs,)
            if any(x is not None and x.requires_grad for x in inputs):
                name = vjp.__qualname__.split(".", 1)[0]
                captured = [c.cell_contents for c in vjp.__closure__ or ()]
                entry = found.setdefault(vjp.__code__, Vjp(name, len(inputs)))
                entry.reads |= vjp.__code__.co_argcount == 2 and name not in MASK_OF_OUTPUT
                entry.reads |= (
                    any(constant(x) is not x for x in captured) and name not in MASK_CAPTURED
                )
                entry.rows.append(row.name)
        return engine.record(value, *edges, **about)

    with pytest.MonkeyPatch.context() as monkeypatch:
        replace_record(monkeypatch, listen)
        for row in (
            OPERATIONS
        ):  # the forward passes first, so that an operation's own row is the first to be asked
            for seed in range(CASES):
                arrays, options = row.inputs(fixed_case(seed))
                row.apply(MINIGAN, *[Tensor(a, requires_grad=True) for a in arrays], **options)
        for row in OPERATIONS:
            gradcheck_row(row, 0)
    return found


@dataclass
class Vjp:
    name: str  # of the operation
    inputs: int  # how many gradients it returns
    reads: bool = False  # whether it reads values, and not only masks, of tensors that require grad
    rows: list = field(default_factory=list)


def mutants(vjps):
    """(code, mutation, component): all that the suite must notice."""
    everything = [
        (code, mutation, component)
        for code, vjp in vjps.items()
        for mutation in MUTATIONS
        for component in range(vjp.inputs)
    ]
    return [
        (code, mutation, component)
        for code, mutation, component in everything
        if mutation != CONSTANTS or component == 0 and vjps[code].reads
    ]


def with_broken(code, mutation, component):
    """A ``record`` that breaks the VJPs with this code."""

    def record(value, /, *edges, **about):
        return engine.record(
            value,
            *(
                (inputs, broken(vjp, mutation, component) if vjp.__code__ is code else vjp)
                for inputs, vjp in edges
            ),
            **about,
        )

    return record


def is_noticed(code, mutation, component, rows):
    """Whether gradcheck refuses one of the rows while this VJP is broken.

    One is enough: in another the error may cancel, as a sign does where an operation is applied
    twice.
    """
    with pytest.MonkeyPatch.context() as monkeypatch:
        replace_record(monkeypatch, with_broken(code, mutation, component))
        for row in dict.fromkeys(rows):
            for seed in range(CASES):
                try:
                    gradcheck_row(ROWS[row], seed)
                except GradcheckError:
                    return True
    return False


def assert_all_noticed(vjps, chosen):
    survivors = [
        f"{vjps[code].name}, line {code.co_firstlineno}, input {component}: {mutation}"
        for code, mutation, component in chosen
        if not is_noticed(code, mutation, component, vjps[code].rows)
    ]
    noticed = f"{len(chosen) - len(survivors)} of {len(chosen)} broken VJPs noticed"
    print(f"{noticed}; {len(mutants(vjps))} in all")
    assert survivors == []


def test_a_sample_of_broken_vjps_is_noticed(vjps):
    assert_all_noticed(vjps, mutants(vjps)[::9])


@pytest.mark.slow
def test_every_broken_vjp_is_noticed(vjps):
    assert_all_noticed(vjps, mutants(vjps))


def test_no_vjp_in_the_source_is_left_out(vjps):
    """Every function of g or h inside a function that calls ``record``."""

    def inside(code):
        for constant in code.co_consts:
            if isinstance(constant, types.CodeType):
                yield constant
                yield from inside(constant)

    written = {}
    for name, module in sys.modules.items():
        if name.startswith("minigan."):
            for f in vars(module).values():
                if (
                    isinstance(f, types.FunctionType)
                    and f.__module__ == name
                    and "record" in f.__code__.co_names
                ):
                    written.update(
                        (c, f.__name__)
                        for c in inside(f.__code__)
                        if c.co_varnames[:1] in (("g",), ("h",))
                    )
    left_out = sorted((owner, c.co_name) for c, owner in written.items() if c not in vjps)
    assert left_out == [("astype", "<lambda>")]  # which the next test checks


@pytest.mark.parametrize("mutation", ["zeroed", "negated", "scaled"])
def test_a_broken_cast_is_noticed(mutation, monkeypatch):
    """float32 has no digits left for finite differences: the cast's gradient is checked by its
    formula instead.
    """
    (code,) = (c for c in ops.astype.__code__.co_consts if isinstance(c, types.CodeType))
    replace_record(monkeypatch, with_broken(code, mutation, 0))
    with pytest.raises(AssertionError):
        check_gradient_of_cast()


# ---- kernels -------------------------------------------------------------------------------------

# name -> a row whose gradcheck runs the kernel, forward or backward
KERNEL_ROWS = {
    "conv2d": "conv2d",
    "conv_transpose2d": "conv2d",
    "conv2d_weight_grad": "conv2d",
    "channel_sum": "channel_sum",
    "add_bias": "add_bias",
    "batch_norm_statistics": "batch_norm",
    "batch_norm_forward": "batch_norm",
    "batch_norm_grad": "batch_norm, LeakyReLU",
    "leaky_relu": "leaky_relu",
    "leaky_relu_grad": "leaky_relu",
    "bce_with_logits": "binary_cross_entropy_with_logits",
    "bce_with_logits_grad": "binary_cross_entropy_with_logits",
    "matmul": "linear",
    "linear": "linear",
}


def times(factor, kernel, component):
    """The kernel with one of its results multiplied by a factor."""

    def wrong(*arguments):
        y = kernel(*arguments)
        if isinstance(y, tuple):
            return tuple(r * factor if i == component else r for i, r in enumerate(y))
        return np.asarray(y * y.dtype.type(factor))

    return wrong


RESULTS = {"batch_norm_statistics": 4, "batch_norm_grad": 3}  # of kernels with more than one
# The kernels as they are, for those that call them and change something.
right = types.SimpleNamespace(**{name: getattr(cpu, name) for name in public(cpu)})


def constant_moments(g, x, y, mean, inv_std, weight, slope):
    _, dweight, dbias = right.batch_norm_grad(g, x, y, mean, inv_std, weight, slope)
    dz = g if slope is None else right.leaky_relu_grad(g, y, slope)
    scale = inv_std if weight is None else inv_std * weight
    per_channel = (-1,) + (1,) * (x.ndim - 2)
    return dz * scale.reshape(per_channel), dweight, dbias


def no_activation(g, x, y, mean, inv_std, weight, slope):
    return right.batch_norm_grad(g, x, y, mean, inv_std, weight, None)


def unbiased_variance(x, *rest):
    n = x[:, 0].size
    axes = (0, *range(2, x.ndim))
    mean = x.mean(axes, keepdims=True)
    wider = (n / (n - 1 or 1)) ** 0.5
    return right.batch_norm_statistics(mean + (x - mean) * wider, *rest)


def sum_for_mean(x, target, g, reduction):
    return right.bce_with_logits_grad(x, target, g, "sum")


def another_target(x, target, g, reduction):
    return right.bce_with_logits_grad(x, 1 - target, g, reduction)


def mirrored_taps(*arguments):
    return right.conv2d_weight_grad(*arguments)[:, :, ::-1, ::-1]


def no_output_padding(x, weight, stride, padding, output_padding):
    below, right_of_it = output_padding
    y = right.conv_transpose2d(x, weight, stride, padding, (0, 0))
    return np.pad(y, ((0, 0), (0, 0), (0, below), (0, right_of_it)))


# kernel, what is wrong, the wrong kernel
CLASSIC_MISTAKES = [
    ("batch_norm_grad", "takes mean and variance for constants", constant_moments),
    ("batch_norm_grad", "forgets the activation", no_activation),
    ("batch_norm_statistics", "unbiased variance", unbiased_variance),
    ("bce_with_logits_grad", "forgets the mean", sum_for_mean),
    ("bce_with_logits_grad", "of another target", another_target),
    ("conv2d_weight_grad", "taps mirrored", mirrored_taps),
    ("conv_transpose2d", "forgets output_padding", no_output_padding),
]


def kernel_mutants():
    """(name, what is wrong, the kernel): each result of each kernel zeroed, negated, scaled; and
    classic mistakes.
    """
    for name in KERNELS:
        for component in range(RESULTS.get(name, 1)):
            for mutation, factor in (("zeroed", 0), ("negated", -1), ("scaled", 1.1)):
                wrong = times(factor, getattr(cpu, name), component)
                yield name, f"{mutation}, result {component}", wrong
    yield from CLASSIC_MISTAKES


@pytest.mark.parametrize(
    "name, what, wrong", [pytest.param(*m, id=f"{m[0]}, {m[1]}") for m in kernel_mutants()]
)
def test_a_broken_kernel_is_noticed_twice(name, what, wrong, monkeypatch):
    """By the plain loops, and, where no oracle but mathematics is asked, by gradcheck."""
    monkeypatch.setattr(cpu, name, wrong)
    with pytest.raises(AssertionError):
        for seed in range(3 * CASES):
            compare_with_reference(name, fixed_case(seed))
    if name in KERNEL_ROWS:
        with pytest.raises(
            (GradcheckError, RuntimeWarning)
        ):  # the root of a negative variance warns
            for seed in range(3 * CASES):
                gradcheck_row(ROWS[KERNEL_ROWS[name]], seed)


def test_a_wrong_convention_at_the_kink_is_noticed(monkeypatch):
    """Off the kink the same function: only a comparison at y = 0 can tell."""
    monkeypatch.setattr(cpu, "leaky_relu_grad", lambda g, y, slope: g * np.where(y >= 0, 1, slope))
    with pytest.raises(AssertionError):
        for seed in range(3 * CASES):
            compare_with_reference("leaky_relu_grad", fixed_case(seed))
