"""Adam on kernels/adam.cu: one launch for up to 96 tensors."""

import functools
import itertools
import math

import numpy as np

from . import launch
from .architectures import ceil
from .grids import THREADS, elementwise
from .launch import Plan
from .layout import flat, is_copy
from .rungs import cached, choice, kernel_name

# As in adam.cu.
ADAM_ROWS = 96  # tensors in a table
ADAM_CHUNK = 4096  # numbers that a block takes


@functools.lru_cache
def _struct_types(dtype):
    """The structs AdamStep and AdamTable of adam.cu."""
    names = "rate1 beta2 rate2 step_size root eps weight_decay".split()
    step = np.dtype([(name, dtype) for name in names])
    pointers = [(name, np.uintp) for name in "pgmv"]
    row = [*pointers, ("n", np.int32), ("first_block", np.int32)]
    table = [("rows", row, ADAM_ROWS), ("step", step), ("count", np.int32)]
    return step, np.dtype(table, align=True)


def adam(params, grads, exp_avgs, exp_avg_sqs, step, lr, betas, eps, weight_decay):
    """One Adam step (Kingma and Ba 2015) on lists of arrays, in place; step counts from 1.

    The four arrays of a parameter are seen as numbers in the order of the parameter's memory.
    Arrays in another order, or with gaps, are copied, and what has changed is copied back.
    """
    numbers = (
        1 - betas[0],
        betas[1],
        1 - betas[1],
        lr / (1 - betas[0] ** step),
        math.sqrt(1 - betas[1] ** step),
        eps,
        weight_decay,
    )
    rows_by_dtype = {}
    changed_copies = []  # (the array, the copy of it that the kernel changes)
    for arrays in zip(params, grads, exp_avgs, exp_avg_sqs):
        layout = flat(*arrays)
        row = layout.arrays
        if row[0].size:
            rows_by_dtype.setdefault(row[0].dtype, []).append(row)
        for i in (0, 2, 3):  # all but the gradient
            if is_copy(arrays[i], row[i]):
                changed_copies.append((arrays[i], layout.restore(row[i])))
    for dtype, rows in rows_by_dtype.items():
        _update(rows, numbers, dtype)
    for array, copy in changed_copies:
        array[...] = copy


def _update(rows, numbers, dtype):
    """Launch Adam for rows of four arrays of one dtype."""
    arrays = list(itertools.chain(*rows))
    chosen = choice("adam", arrays)
    for array in arrays:  # all before the first launch; and launch() sees no further than a table
        launch.check_array("adam", array, dtype, arrays)
    step_type, table_type = _struct_types(dtype)
    if chosen.rung == "naive":
        for row in rows:
            elementwise("adam", [*row, np.array(numbers, step_type)], row[0].size)
        return
    for first in range(0, len(rows), ADAM_ROWS):
        some = rows[first : first + ADAM_ROWS]
        arrays = list(itertools.chain(*some))
        chunks = [ceil(row[0].size, ADAM_CHUNK) for row in some]
        plan = plan_table(chosen, sum(chunks))
        table = _table(some, chunks, numbers, table_type)
        launch.launch(plan, [table], touches=arrays)


@cached
def plan_table(chosen, blocks):
    """A launch for a table of tensors: every block takes a chunk of one of them."""
    pack = chosen.pack(0)  # a tensor's last numbers are updated one by one
    kernel = kernel_name("adam", chosen.rung, (chosen.ctype, pack))
    return Plan(kernel, (blocks,), (THREADS,), chosen.dtype)


def _table(rows, chunks, numbers, table_type):
    """The struct AdamTable: where the arrays are, and which blocks take which of them."""
    table = np.zeros((), table_type)
    first_block = 0
    entries = []
    for row, blocks in zip(rows, chunks):
        entries.append((*launch.driver.addresses(row), row[0].size, first_block))
        first_block += blocks
    table["rows"][: len(rows)] = entries
    table["step"] = numbers
    table["count"] = len(rows)
    return table
