"""The operators that change a tensor in place, x += y and its siblings, as functions."""

import operator

OPERATORS = {
    "+=": operator.iadd,
    "-=": operator.isub,
    "*=": operator.imul,
    "/=": operator.itruediv,
    "**=": operator.ipow,
}
