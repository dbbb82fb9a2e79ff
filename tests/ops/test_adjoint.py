"""Convolutions, sums and indices have the adjoints that their VJPs use.

<a, b> is the sum of all products of two arrays of one shape. An operation A is the adjoint of B if
<A x, y> = <x, B y> for all x and y, which is what makes A the right VJP of B.
"""

import numpy as np
from adjoints import T, check_gradient_of_cast, close, dot
from hypothesis import given, settings
from strategies import cases, convolution, dcgan_convolution, transposed_convolution

from minigan import functional as F
from minigan import ops
from minigan.ops.conv import channel_sum, conv2d_weight_grad, per_channel

any_case = given(case=cases())
many = settings(max_examples=60)
some = settings(max_examples=25)


# ---- convolution ---------------------------------------------------------------------------------


def pixels_left_over(size, kernel, stride, padding):
    """How many pixels at the end no step of the kernel reaches."""
    left = []
    for n, k, s, p in zip(size, kernel, stride, padding):
        left.append((n + 2 * p - k) % s)
    return tuple(left)


@many
@any_case
def test_the_three_convolutions_are_each_others_adjoints(case):
    """<conv(x, w), g> = <x, conv_transpose(g, w)> = <w, weight_grad(x, g)>"""
    draw = case.of(convolution, convolution, dcgan_convolution)
    x, w, stride, padding = draw(case)
    size = x.shape[2:]
    kernel = w.shape[2:]
    left = pixels_left_over(size, kernel, stride, padding)
    x = T(x)
    w = T(w)
    options = dict(stride=stride, padding=padding)
    y = F.conv2d(x, w, **options)
    g = T(case.normal(*y.shape))
    expected = dot(y, g)
    dx = F.conv_transpose2d(g, w, output_padding=left, **options)
    close(dot(x, dx), expected, 1e-10)
    dw = conv2d_weight_grad(x, g, kernel, **options)
    close(dot(w, dw), expected, 1e-10)


@some
@any_case
def test_convolution_is_linear_in_each_argument(case):
    x, w, stride, padding = convolution(case)
    x2 = case.normal(*x.shape)
    w2 = case.normal(*w.shape)
    a = float(case.normal())

    def conv(x, w):
        y = F.conv2d(T(x), T(w), stride=stride, padding=padding)
        return y.numpy()

    y = conv(x, w)
    close(conv(a * x + x2, w), a * y + conv(x2, w))
    close(conv(x, a * w + w2), a * y + conv(x, w2))


@some
@any_case
def test_convolution_commutes_with_shifts(case):
    """Move the image by stride * t pixels, and the feature map moves by t.

    Except at the edge, where other pixels come in.
    """
    kernel = case.choose(1, 4)
    stride = case.choose(1, 3)
    t = case.choose(1, 2)
    n = kernel + 4 * stride
    w = T(case.normal(2, 2, kernel, kernel))
    x = case.normal(1, 2, n, n)
    moved = np.roll(x, (t * stride, t * stride), axis=(2, 3))
    y = F.conv2d(T(x), w, stride=stride).numpy()
    shifted = F.conv2d(T(moved), w, stride=stride).numpy()
    h, w = y.shape[2:]
    close(shifted[:, :, t:, t:], y[:, :, : h - t, : w - t])


@some
@any_case
def test_transposed_convolution_commutes_with_shifts(case):
    x, w, stride, _, extra = transposed_convolution(case)
    lower = np.pad(x, ((0, 0), (0, 0), (1, 0), (0, 0)))  # a row of zeros above

    def transposed(x):
        y = F.conv_transpose2d(T(x), T(w), stride=stride, output_padding=extra)
        return y.numpy()

    y = transposed(x)
    z = transposed(lower)
    rows = stride[0]
    close(z[:, :, rows:], y)
    assert (z[:, :, :rows] == 0).all()


def test_a_kernel_of_one_pixel_is_a_matrix_product_over_channels():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 3, 4, 5))
    w = rng.standard_normal((6, 3))
    kernel = w[:, :, None, None]
    close(F.conv2d(T(x), T(kernel)), np.einsum("nchw,kc->nkhw", x, w))


@some
@any_case
def test_the_bias_gradient_is_the_adjoint_of_adding_a_bias(case):
    shape = case.shape(2, 4)
    x = T(case.normal(*shape))
    b = T(case.normal(x.shape[1]))
    on_every_pixel = per_channel(b, x.ndim).expand(shape)
    sums = channel_sum(x)
    close(dot(on_every_pixel, x), dot(b, sums), 1e-11)


# ---- shapes --------------------------------------------------------------------------------------


@some
@any_case
def test_summing_is_the_adjoint_of_broadcasting(case):
    target = case.shape(0, 4)
    shape = tuple(case.of(n, 1) for n in target)
    if case.flip():
        missing = case.choose(0, len(target))
        shape = shape[missing:]
    x = T(case.normal(*shape))
    y = T(case.normal(*target))
    wide = x.expand(target)
    summed = ops.sum_to(y, shape)
    close(dot(wide, y), dot(x, summed), 1e-11)


@some
@any_case
def test_put_is_the_adjoint_of_indexing(case):
    x = T(case.normal(case.choose(2, 4), 3))
    index = case.of(
        0,
        slice(None, None, -1),
        (slice(None), [2, 0, 2]),
        ([0, 1, 1], [2, 2, 2]),
        x.array > 0,
    )
    picked = x[index]
    y = T(case.normal(*picked.shape))
    back = ops.put(y, index, x.shape)
    close(dot(picked, y), dot(x, back), 1e-11)


def test_a_cast_returns_the_gradient_in_its_own_dtype():
    check_gradient_of_cast()
