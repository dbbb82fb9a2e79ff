"""Sums of products in Einstein's notation: einsum("bik,bkj->bij", x, y).

Each letter names an axis. A letter that is missing behind the arrow is summed over. Two tensors
become one batched matrix product: the letters of both that stay are the batch, those of both that
go are summed over by the product, and the rest are rows and columns.
"""

import math

from ..creation import raw
from .products import matmul
from .shapes import permute, reshape, sum


def einsum(equation, *tensors):
    """The sum of products that the equation describes, as torch.einsum.

    equation: "ij,jk->ik"; without an arrow, the result has the letters that occur once, in the
    order of the alphabet. Raises ValueError for what is not supported: an ellipsis, and a letter
    twice in one tensor.
    """
    if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)):
        tensors = tuple(tensors[0])
    inputs, output = _letters_of(equation)
    _check_shapes(equation, inputs, tensors)
    x = tensors[0]
    letters = inputs[0]
    for i in range(1, len(tensors)):
        needed = set(output).union(*inputs[i + 1 :])
        x, letters = _product_of_two(x, letters, tensors[i], inputs[i], needed)
    x, letters = _summed(x, letters, set(output))
    order = [letters.index(letter) for letter in output]
    return permute(x, *order)


def _letters_of(equation):
    """The letters of each tensor, and those of the result."""
    left, arrow, output = equation.replace(" ", "").partition("->")
    inputs = left.split(",")
    every = "".join(inputs)
    if not arrow:
        once = [letter for letter in every if every.count(letter) == 1]
        output = "".join(sorted(once))
    is_plain = every.isalpha() or every == ""
    repeats = any(len(set(letters)) < len(letters) for letters in [*inputs, output])
    if not is_plain or repeats or not set(output) <= set(every):
        raise ValueError(
            f"einsum: {equation!r} is not supported, expected each letter at most once in a tensor "
            "and in the result, and no ellipsis"
        )
    return inputs, output


def _check_shapes(equation, inputs, tensors):
    """Raise ValueError unless each letter stands for axes of one length."""
    shapes = [raw(x).shape for x in tensors]
    if [len(letters) for letters in inputs] != [len(shape) for shape in shapes]:
        raise ValueError(f"einsum: {equation!r} does not fit tensors of the shapes {shapes}")
    lengths = {}
    for letters, shape in zip(inputs, shapes):
        for letter, n in zip(letters, shape):
            known = lengths.setdefault(letter, n)
            if known != n:
                raise ValueError(
                    f"einsum: {letter} of {equation!r} is an axis of length {known} and one of "
                    f"length {n}"
                )


def _summed(x, letters, needed):
    """x summed over the axes whose letters nobody needs -> (x, its letters)."""
    axes = tuple(i for i, letter in enumerate(letters) if letter not in needed)
    if not axes:
        return x, letters
    kept = "".join(letter for letter in letters if letter in needed)
    return sum(x, axes), kept


def _product_of_two(x, x_letters, y, y_letters, needed):
    """The product, summed over the letters of both that are not needed -> (product, letters)."""
    x, x_letters = _summed(x, x_letters, needed | set(y_letters))
    y, y_letters = _summed(y, y_letters, needed | set(x_letters))
    both = [letter for letter in x_letters if letter in y_letters]
    batch = [letter for letter in both if letter in needed]
    inner = [letter for letter in both if letter not in needed]
    rows = [letter for letter in x_letters if letter not in both]
    columns = [letter for letter in y_letters if letter not in both]
    matrices_of_x = _merged(x, x_letters, batch, rows, inner)
    matrices_of_y = _merged(y, y_letters, batch, inner, columns)
    lengths = dict(zip(x_letters + y_letters, x.shape + y.shape))
    letters = batch + rows + columns
    shape = tuple(lengths[letter] for letter in letters)
    product = reshape(matmul(matrices_of_x, matrices_of_y), shape)
    return product, "".join(letters)


def _merged(x, letters, *groups):
    """x with the axes of each group of letters merged into one axis, in the order of the groups."""
    order = []
    shape = []
    for group in groups:
        axes = [letters.index(letter) for letter in group]
        order += axes
        shape.append(math.prod(x.shape[axis] for axis in axes))
    return reshape(permute(x, *order), tuple(shape))
