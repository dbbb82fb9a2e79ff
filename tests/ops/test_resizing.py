"""Changes of images: inverses, constants, straight lines, and NumPy's reflection."""

import numpy as np
from adjoints import T, close
from hypothesis import given, settings
from strategies import cases

from minigan import functional as F

any_case = given(case=cases())
some = settings(max_examples=25)


@some
@any_case
def test_permute_has_an_inverse(case):
    shape = case.shape(1, 4)
    x = T(case.normal(*shape))
    order = case.rng.permutation(x.ndim)
    inverse = np.argsort(order)
    there = x.permute(tuple(order))
    back = there.permute(tuple(inverse))
    close(back, x, 0)


@some
@any_case
def test_pixel_shuffle_deals_channels_out_to_pixels(case):
    r = case.choose(1, 3)
    n, c, h, w = case.numbers(4, 1, 3)
    x = case.normal(n, c * r * r, h, w)
    y = F.pixel_shuffle(T(x), r)
    y = y.numpy()
    for a in range(r):
        for b in range(r):
            # channel c r^2 + a r + b holds pixel (a, b) of every r x r block
            pixels = y[:, :, a::r, b::r]
            first = a * r + b
            channels = x[:, first :: r * r]
            close(pixels, channels, 0)


@some
@any_case
def test_enlarging_keeps_constants_and_nearest_copies_pixels(case):
    n, c, h, w, a, b = case.numbers(6, 1, 3)
    x = case.normal(n, c, h, w)
    constant = T(np.ones_like(x))
    size = (h + a, w * b)
    for mode in ("nearest", "bilinear"):
        larger = F.interpolate(constant, size, mode=mode)
        close(larger, np.ones((n, c, *size)))
    larger = F.interpolate(T(x), scale_factor=(a, b))
    copies = x.repeat(a, axis=2)
    copies = copies.repeat(b, axis=3)
    close(larger, copies, 0)


def test_bilinear_enlarging_keeps_a_straight_line_straight_away_from_the_edges():
    line = np.arange(6.0).reshape(1, 1, 1, 6)
    twice = F.interpolate(T(line), (1, 12), mode="bilinear")
    inside = twice.numpy()[0, 0, 0, 1:-1]
    expected = np.arange(0.25, 5, 0.5)
    close(inside, expected)


@some
@any_case
def test_reflection_is_numpy_s(case):
    h, w = case.numbers(2, 3, 5)
    x = case.normal(1, 2, h, w)
    left, right, top, bottom = case.numbers(4, 0, 2)
    padded = F.pad(T(x), (left, right, top, bottom), mode="reflect")
    widths = [(0, 0), (0, 0), (top, bottom), (left, right)]
    expected = np.pad(x, widths, mode="reflect")
    close(padded, expected, 0)
