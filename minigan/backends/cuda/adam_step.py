"""Adam on kernels/adam.cu: one launch for up to 96 tensors."""

import functools
import itertools
import math

import numpy as np

from .elementwise import _vectors
from .grids import THREADS, elementwise
from .rungs import address, ceil, kind, run

ADAM_ROWS, ADAM_CHUNK = 96, 4096  # as in adam.cu: tensors in a table, numbers that a block takes


@functools.lru_cache
def _adam_types(dtype):
    """The structs AdamStep and AdamTable."""
    step = np.dtype(
        [(name, dtype) for name in "rate1 beta2 rate2 step_size root eps weight_decay".split()]
    )
    row = [*((name, np.uintp) for name in "pgmv"), ("n", np.int32), ("first_block", np.int32)]
    return step, np.dtype(
        [("rows", row, ADAM_ROWS), ("step", step), ("count", np.int32)], align=True
    )


def adam(params, grads, exp_avgs, exp_avg_sqs, step, lr, betas, eps, weight_decay):
    """One Adam step (Kingma and Ba 2015) on lists of arrays, in place; step counts from 1.

    The four arrays of a parameter are seen as numbers in the order in which it lies in memory;
    those that lie in another order, or with gaps, are copied, and what has changed is copied
    back.
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
    by_dtype, copied = {}, []
    for arrays in zip(params, grads, exp_avgs, exp_avg_sqs):
        row, restore = _vectors(*arrays)
        if row[0].size:
            by_dtype.setdefault(row[0].dtype, []).append(row)
        copied += [
            (arrays[i], restore(row[i])) for i in (0, 2, 3) if address(arrays[i]) != address(row[i])
        ]
    for dtype, rows in by_dtype.items():
        rung, t, v = kind("adam", itertools.chain(*rows))
        step_type, table_type = _adam_types(dtype)
        if rung == "naive":
            for row in rows:
                elementwise("adam", [*row, np.array(numbers, step_type)], row[0].size)
            continue
        for some in (rows[i : i + ADAM_ROWS] for i in range(0, len(rows), ADAM_ROWS)):
            table, blocks = np.zeros((), table_type), [0]
            blocks += itertools.accumulate(ceil(row[0].size, ADAM_CHUNK) for row in some)
            table["rows"][: len(some)] = [
                (*map(address, row), row[0].size, first) for row, first in zip(some, blocks)
            ]
            table["step"], table["count"] = numbers, len(some)
            run(
                "adam",
                rung,
                (t, v),
                (blocks[-1],),
                (THREADS,),
                [table],
                touches=list(itertools.chain(*some)),
            )
    for array, copy in copied:
        array[...] = copy
