"""Adam on kernels/adam.cu: one launch for up to 96 tensors."""

import functools
import itertools
import math

import numpy as np

from ..memory_order import MemoryOrder
from . import launch
from .grids import THREADS, elementwise
from .plans import Plan, cached_plan, ceil_div
from .rungs import kernel_name, variant_of

# As in adam.cu.
ADAM_ROWS = 96  # tensors in a table
ADAM_TILE = 4096  # numbers that a block takes


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
        order = MemoryOrder(arrays[0])
        row = [order.stored(array) for array in arrays]
        if row[0].size:
            rows_by_dtype.setdefault(row[0].dtype, []).append(row)
        for i in (0, 2, 3):  # all but the gradient
            if launch.is_copy(arrays[i], row[i]):
                changed_copies.append((arrays[i], order.restored(row[i])))
    for dtype, rows in rows_by_dtype.items():
        _update(rows, numbers, dtype)
    for array, copy in changed_copies:
        array[...] = copy


def _update(rows, numbers, dtype):
    """Launch Adam for rows of four arrays of one dtype."""
    arrays = list(itertools.chain(*rows))
    variant = variant_of("adam", arrays)
    for array in arrays:  # all before the first launch; and launch() sees no further than a table
        launch.check_array("adam", array, dtype, arrays)
    step_type, table_type = _struct_types(dtype)
    if variant.rung == "naive":
        for row in rows:
            elementwise("adam", [*row, np.array(numbers, step_type)], row[0].size)
        return
    for first in range(0, len(rows), ADAM_ROWS):
        some = rows[first : first + ADAM_ROWS]
        arrays = list(itertools.chain(*some))
        blocks = [ceil_div(row[0].size, ADAM_TILE) for row in some]
        plan = plan_table(variant, sum(blocks))
        table = _table(some, blocks, numbers, table_type)
        launch.launch(plan, [table], touches=arrays)


@cached_plan
def plan_table(variant, blocks):
    """A launch for a table of tensors: every block takes a tile of one of them."""
    pack = variant.pack(0)  # a tensor's last numbers are updated one by one
    kernel = kernel_name("adam", variant.rung, (variant.ctype, pack))
    return Plan(kernel, (blocks,), (THREADS,), variant.dtype)


def _table(rows, blocks, numbers, table_type):
    """The struct AdamTable: where the arrays are, and which blocks take which of them."""
    table = np.zeros((), table_type)
    first_block = 0
    entries = []
    for row, count in zip(rows, blocks):
        entries.append((*launch.driver.addresses(row), row[0].size, first_block))
        first_block += count
    table["rows"][: len(rows)] = entries
    table["step"] = numbers
    table["count"] = len(rows)
    return table
