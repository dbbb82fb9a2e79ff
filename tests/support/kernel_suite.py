"""The tests of the kernels as plain functions, for the mutation tests and the sanitizer.

Both run the suite itself, only otherwise than pytest does: the first on changed kernels, the second
on kernels that are compiled in another way. So test files are loaded here from their paths, and no
test imports a test. Tests that Hypothesis drives get fixed cases.
"""

import functools
import importlib.util
import inspect
import itertools
from pathlib import Path

import numpy as np
from strategies import DTYPES, LAYOUTS, fixed_case

TESTS = Path(__file__).resolve().parents[1]
CASES = 40  # fixed ones, of each test that Hypothesis drives

ADAM = "test_kernels_adam"
BATCH_NORM = "test_kernels_batch_norm"
CONV2D = "test_kernels_conv2d"
CONV_TRANSPOSE2D = "test_kernels_conv_transpose2d"
POINTWISE = "test_kernels_pointwise"
STEPS = "test_kernels_steps"
WEIGHT_GRAD = "test_kernels_conv2d_weight_grad"

MEMORY = (ADAM, BATCH_NORM, POINTWISE)
CONVOLUTIONS = (CONV2D, CONV_TRANSPOSE2D, WEIGHT_GRAD, STEPS)
# The tests of each file of kernels/.
TESTS_OF = {
    "common.cuh": MEMORY + CONVOLUTIONS,
    "memory.cuh": MEMORY,
    "gemm.cuh": CONVOLUTIONS,
    "conv2d.cu": (CONV2D, STEPS),
    "conv_transpose2d.cu": (CONV_TRANSPOSE2D, STEPS),
    "conv2d_weight_grad.cu": (WEIGHT_GRAD, STEPS),
    "adam.cu": (ADAM,),
    "batch_norm.cu": (BATCH_NORM,),
    "channels.cu": (POINTWISE,),
    "leaky_relu.cu": (POINTWISE,),
    "bce_with_logits.cu": (POINTWISE,),
}
PRODUCTS = (
    ("naive", np.float32),
    ("naive", np.float64),
    ("tiled", np.float32),
    ("tiled", np.float64),
    ("tensor", np.float32),
)
SHARED = (("shared", np.float32), ("shared", np.float64))


@functools.cache
def load(path):
    """A test file as a module; path: from tests/, "ops/test_adjoint.py".

    It does not become known to `import`, so that pytest still imports the file in its own way.
    """
    file = TESTS / path
    spec = importlib.util.spec_from_file_location(file.stem, file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def rungs_of(test_file):
    """What a test of this file may be given for `rung`."""
    if test_file == CONV2D:
        return PRODUCTS + SHARED
    return PRODUCTS if test_file in CONVOLUTIONS else ("naive", "tiled")


def drawn(name, seed, test_file):
    """What Hypothesis would draw for a parameter of a test."""
    case = fixed_case(1000 * seed + sum(name.encode()))
    if name == "case":
        return case
    if name == "seed":
        return seed
    if name == "rung":
        return case.of(*rungs_of(test_file))
    if name == "dtype":
        return case.of(*DTYPES)
    if name == "lanes":
        return 2 ** case.choose(0, 5)
    if name == "tile_rows":
        return case.of(1, 4, 33, 90)
    return case.of(*LAYOUTS)


def rows(test):
    """The arguments that pytest.mark.parametrize gives to a test: a list of dicts."""
    tables = []
    for mark in getattr(test, "pytestmark", ()):
        if mark.name == "parametrize":
            names, values = mark.args
            tables.append([_named(names, value) for value in values])
    found = []
    for parts in itertools.product(*tables):
        row = {}
        for part in parts:
            row.update(part)
        found.append(row)
    return found


def _named(names, value):
    """("a, b", (1, 2)) -> {"a": 1, "b": 2}; ("a", 1) -> {"a": 1}."""
    if ", " in names:
        return dict(zip(names.split(", "), value))
    return {names: value}


def checks_of(test_file, test, cases):
    """For each row of a test a list of checks: one, or one for each fixed case."""
    found = []
    name = f"{test_file}.{test.__name__}"
    for given in rows(test):
        title = f"{name}[{', '.join(map(str, given.values()))}]"
        if not hasattr(test, "hypothesis"):
            found.append([(title, functools.partial(test, **given))])
            continue
        inner = test.hypothesis.inner_test
        free = set(inspect.signature(inner).parameters) - set(given)
        of_row = []
        for seed in range(cases):
            more = {key: drawn(key, seed, test_file) for key in free}
            of_row.append((f"{title} {seed}", functools.partial(inner, **given, **more)))
        found.append(of_row)
    return found


def checks(*test_files, cases=CASES):
    """[(name, function)]: the tests of some files, first one check of each, then another."""
    found = []
    for test_file in test_files:
        module = load(f"kernels/{test_file}.py")
        for name, test in vars(module).items():
            if name.startswith("test_"):
                found += checks_of(test_file, test, cases)
    in_turn = itertools.chain.from_iterable(itertools.zip_longest(*found))
    return [check for check in in_turn if check is not None]
