"""The matrices of Winograd's algorithm for three taps, made from points; winograd3x3.py uses them.

A tile of m outputs along one axis sees m + 2 pixels s through three taps w, and

    y = A [(B s) * (G w)]        A (m, n), B (n, n), G (n, 3), n = m + 2

Column i of A has the powers of point i, row i of G those divided by the product of its distances
from the other points, and row i of B the coefficients of the polynomial whose zeros are the other
points. One of the points is infinity, which means the highest coefficient. Fractions are exact, so
nothing is rounded before the end.
"""

import math
from fractions import Fraction
from typing import NamedTuple

import numpy as np

DTYPES = (np.dtype("float32"), np.dtype("float64"))
_LEAST_TILES = 64  # rows of a matrix product below which BLAS is slow
_LEAST_CHANNELS = 16
_MOST_PRODUCTS = 5  # for each output: with more, the transforms do not pay


class Tile(NamedTuple):
    """Tiles of size x size outputs, and their transforms in two dimensions."""

    size: int
    seen: int  # pixels that it sees along one axis
    products: int  # seen^2
    to_y: dict  # dtype -> A x A (size^2, products)
    to_v: dict  # dtype -> B x B (products, products)
    to_u: dict  # dtype -> G x G (products, 9)

    def count(self, length):
        """How many tiles cover this many outputs; the last one may hang over."""
        return -(-length // self.size)

    def tiles(self, size):
        """How many tiles cover maps of this size (P, Q)."""
        down, across = size
        return self.count(down) * self.count(across)


def matrices(points, outputs):
    """A, B and G for n - 1 finite points and infinity, float64."""
    a = matrix_a(points, outputs)
    b = []
    g = []
    for point in points:
        others = [other for other in points if other != point]
        distances = [point - other for other in others]
        scale = math.prod(distances)
        g.append([power / scale for power in powers(point, 3)])
        b.append([*with_zeros(others), Fraction(0)])
    g.append([0, 0, 1])
    b.append(with_zeros(points))
    return np.array(a, float), np.array(b, float), np.array(g, float)


def matrix_a(points, outputs):
    """A: its columns are the powers of the points, and for infinity only the highest counts."""
    columns = [powers(point, outputs) for point in points]
    at_infinity = [0] * outputs
    at_infinity[-1] = 1
    columns.append(at_infinity)
    return np.array(columns, float).T


def powers(point, count):
    """1, point, point^2, ..."""
    return [point**i for i in range(count)]


def with_zeros(zeros):
    """The coefficients of the polynomial with these zeros, the constant one first."""
    coefficients = [Fraction(1)]
    for zero in zeros:  # times (x - zero)
        raised = [Fraction(0), *coefficients]
        scaled = [-zero * c for c in coefficients]
        scaled.append(Fraction(0))
        coefficients = [r + s for r, s in zip(raised, scaled)]
    return coefficients


def tile_of(size, points):
    """The Tile of size x size outputs, from its finite points as a text."""
    points = [Fraction(point) for point in points.split()]
    transforms = []
    for matrix in matrices(points, size):
        in_two_dimensions = np.kron(matrix, matrix)
        transforms.append({dtype: in_two_dimensions.astype(dtype) for dtype in DTYPES})
    seen = size + 2
    return Tile(size, seen, seen**2, *transforms)


TWO = tile_of(2, "0 1 -1")
THREE = tile_of(3, "2/5 -2/5 5/4 -5/4")
FOUR = tile_of(4, "0 2/3 -2/3 3/2 -3/2")


def tile_for(batch, weight_shape, size, stride, padding, choices):
    """The Tile with the fewest products for maps of this size (P, Q), or None if none pays."""
    if weight_shape[2:] != (3, 3) or stride != (1, 1) or max(padding) > 2:
        return None
    best = min(choices, key=lambda tile: tile.products * tile.tiles(size))
    tiles = best.tiles(size)
    outputs = math.prod(size)
    pays = best.products * tiles <= _MOST_PRODUCTS * outputs
    is_large = batch * tiles >= _LEAST_TILES and min(weight_shape[:2]) >= _LEAST_CHANNELS
    return best if pays and is_large else None
