"""What must be true of the operations whatever their implementation: adjoints, symmetries,
moments, limits.

<a, b> is the sum of all products of two arrays of one shape. An operation A is the adjoint of B
if <A x, y> = <x, B y> for all x and y, which is what makes A the right VJP of B.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from strategies import cases, convolution, dcgan_convolution, transposed_convolution

import minigan as mg
from minigan import functional as F
from minigan import ops
from minigan.engine import Tensor
from minigan.ops.conv import channel_sum, conv2d_weight_grad, per_channel

any_case = given(case=cases())
many = settings(max_examples=60)
some = settings(max_examples=25)


def dot(a, b):
    return float((a.numpy() * b.numpy()).sum())


def T(array):
    return Tensor(np.asarray(array))


def close(a, b, tolerance=1e-12):
    np.testing.assert_allclose(
        a.numpy() if isinstance(a, Tensor) else a,
        b.numpy() if isinstance(b, Tensor) else b,
        rtol=tolerance,
        atol=tolerance,
    )


# ---- convolution ---------------------------------------------------------------------------------


@many
@any_case
def test_the_three_convolutions_are_each_others_adjoints(case):
    """<conv(x, w), g> = <x, conv_transpose(g, w)> = <w, weight_grad(x, g)>"""
    x, w, stride, padding = case.of(convolution, convolution, dcgan_convolution)(case)
    options = dict(stride=stride, padding=padding)
    y = F.conv2d(T(x), T(w), **options)
    g = T(case.normal(*y.shape))
    rest = tuple(
        (n + 2 * p - k) % s for n, p, k, s in zip(x.shape[2:], padding, w.shape[2:], stride)
    )
    expected = dot(y, g)
    close(dot(T(x), F.conv_transpose2d(g, T(w), output_padding=rest, **options)), expected, 1e-10)
    close(dot(T(w), conv2d_weight_grad(T(x), g, w.shape[2:], **options)), expected, 1e-10)


@some
@any_case
def test_convolution_is_linear_in_each_argument(case):
    x, w, stride, padding = convolution(case)
    x2 = case.normal(*x.shape)
    w2 = case.normal(*w.shape)
    a = float(case.normal())

    def conv(x, w):
        return F.conv2d(T(x), T(w), stride=stride, padding=padding).numpy()

    close(conv(a * x + x2, w), a * conv(x, w) + conv(x2, w))
    close(conv(x, a * w + w2), a * conv(x, w) + conv(x, w2))


@some
@any_case
def test_convolution_commutes_with_shifts(case):
    """Move the image by stride * t pixels and the map moves by t, but for what comes in at the
    edge.
    """
    kernel = case.choose(1, 4)
    stride = case.choose(1, 3)
    t = case.choose(1, 2)
    w = case.normal(2, 2, kernel, kernel)
    n = kernel + 4 * stride
    x = case.normal(1, 2, n, n)
    y = F.conv2d(T(x), T(w), stride=stride).numpy()
    shifted = F.conv2d(T(np.roll(x, (t * stride, t * stride), (2, 3))), T(w), stride=stride).numpy()
    close(shifted[:, :, t:, t:], y[:, :, : y.shape[2] - t, : y.shape[3] - t])


@some
@any_case
def test_transposed_convolution_commutes_with_shifts(case):
    x, w, stride, _, extra = transposed_convolution(case)
    below = np.pad(x, ((0, 0), (0, 0), (1, 0), (0, 0)))  # a row of zeros above
    y, z = (
        F.conv_transpose2d(T(a), T(w), stride=stride, output_padding=extra).numpy()
        for a in (x, below)
    )
    close(z[:, :, stride[0] :], y)
    assert (z[:, :, : stride[0]] == 0).all()


def test_a_kernel_of_one_pixel_is_a_matrix_product_over_channels():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 3, 4, 5))
    w = rng.standard_normal((6, 3))
    close(F.conv2d(T(x), T(w[:, :, None, None])), np.einsum("nchw,kc->nkhw", x, w))


@some
@any_case
def test_the_bias_gradient_is_the_adjoint_of_adding_a_bias(case):
    x = case.normal(*case.shape(2, 4))
    b = case.normal(x.shape[1])
    on_every_pixel = np.broadcast_to(per_channel(T(b), x.ndim).numpy(), x.shape)
    close(dot(T(on_every_pixel), T(x)), dot(T(b), channel_sum(T(x))), 1e-11)


# ---- shapes --------------------------------------------------------------------------------------


@some
@any_case
def test_summing_is_the_adjoint_of_broadcasting(case):
    target = case.shape(0, 4)
    shape = tuple(case.of(n, 1) for n in target)[
        case.choose(0, len(target)) if case.choose(0, 1) else 0 :
    ]
    x = T(case.normal(*shape))
    y = T(case.normal(*target))
    close(dot(x.expand(target), y), dot(x, ops.sum_to(y, shape)), 1e-11)


@some
@any_case
def test_put_is_the_adjoint_of_indexing(case):
    x = T(case.normal(case.choose(2, 4), 3))
    index = case.of(
        0, slice(None, None, -1), (slice(None), [2, 0, 2]), ([0, 1, 1], [2, 2, 2]), x.array > 0
    )
    y = T(case.normal(*x[index].shape))
    close(dot(x[index], y), dot(x, ops.put(y, index, x.shape)), 1e-11)


@some
@any_case
def test_permute_and_pixel_shuffle_have_inverses(case):
    x = T(case.normal(*case.shape(1, 4)))
    dims = tuple(int(d) for d in case.rng.permutation(x.ndim))
    close(x.permute(dims).permute(tuple(np.argsort(dims))), x, 0)
    r, (n, c, h, w) = case.choose(1, 3), (case.choose(1, 3) for _ in range(4))
    x = case.normal(n, c * r * r, h, w)
    y = F.pixel_shuffle(T(x), r).numpy()
    for a in range(r):  # channel c r^2 + a r + b holds pixel (a, b) of every r x r block
        for b in range(r):
            close(y[:, :, a::r, b::r], x[:, a * r + b :: r * r], 0)


@some
@any_case
def test_enlarging_keeps_constants_and_nearest_copies_pixels(case):
    n, c, h, w, a, b = (case.choose(1, 3) for _ in range(6))
    x = case.normal(n, c, h, w)
    for mode in ("nearest", "bilinear"):
        close(
            F.interpolate(T(np.ones_like(x)), (h + a, w * b), mode=mode),
            np.ones((n, c, h + a, w * b)),
        )
    close(F.interpolate(T(x), scale_factor=(a, b)), x.repeat(a, 2).repeat(b, 3), 0)


def test_bilinear_enlarging_keeps_a_straight_line_straight_away_from_the_edges():
    line = np.arange(6.0).reshape(1, 1, 1, 6)
    close(
        F.interpolate(T(line), (1, 12), mode="bilinear").numpy()[0, 0, 0, 1:-1],
        np.arange(0.25, 5, 0.5),
    )


@some
@any_case
def test_reflection_is_numpys(case):
    x = case.normal(1, 2, case.choose(3, 5), case.choose(3, 5))
    p = [case.choose(0, 2) for _ in range(4)]
    close(
        F.pad(T(x), p, mode="reflect"), np.pad(x, ((0, 0), (0, 0), p[2:], p[:2]), mode="reflect"), 0
    )


def test_a_cast_returns_the_gradient_in_its_own_dtype():
    x = Tensor(np.linspace(0, 1, 5), requires_grad=True)
    y = x.float()
    (g,) = mg.grad((y * y).sum(), x)
    assert y.dtype == np.float32
    assert g.dtype == np.float64
    close(g, 2 * x.numpy(), 1e-6)


# ---- normalisation -------------------------------------------------------------------------------


def channels_of(case):
    shape = (case.choose(3, 5), case.choose(1, 3), *case.shape(0, 2))
    axes = (0, *range(2, len(shape)))
    return case.spread(shape, axes), axes


@some
@any_case
def test_batch_norm_has_the_moments_that_its_weights_say(case):
    """mean = bias; variance = weight^2 var / (var + eps), which is a little less than weight^2."""
    x, axes = channels_of(case)
    weight = case.normal(x.shape[1])
    bias = case.normal(x.shape[1])
    eps = case.of(1e-5, 0.1)
    y = F.batch_norm(T(x), weight=T(weight), bias=T(bias), training=True, eps=eps).numpy()
    close(y.mean(axes), bias, 1e-10)
    close(y.var(axes), weight**2 * x.var(axes) / (x.var(axes) + eps), 1e-10)


@some
@any_case
def test_batch_norm_forgets_scale_and_offset_of_its_input(case):
    x, _ = channels_of(case)
    per_channel = (-1,) + (1,) * (x.ndim - 2)
    scale = case.positive(x.shape[1]).reshape(per_channel)
    offset = case.normal(x.shape[1]).reshape(per_channel)
    y, z = (F.batch_norm(T(a), training=True, eps=0.0).numpy() for a in (x, x * scale + offset))
    close(y, z, 1e-8)


@some
@any_case
def test_batch_norm_gradient_is_orthogonal_to_what_it_forgets(case):
    """So no gradient flows along a constant or along x itself, whatever arrives (eps = 0)."""
    x, axes = channels_of(case)
    t = Tensor(x, requires_grad=True)
    y = F.batch_norm(t, training=True, eps=0.0)
    d = mg.grad(y, t, T(case.normal(*x.shape)))[0].numpy()
    scale = np.abs(d).max() * x.size + 1
    close(d.sum(axes) / scale, np.zeros(x.shape[1]), 1e-10)
    close((d * x).sum(axes) / scale, np.zeros(x.shape[1]), 1e-10)


@some
@any_case
def test_instance_and_layer_norm_are_batch_norm_of_another_shape(case):
    x = case.normal(case.choose(1, 3), case.choose(1, 3), 2, case.choose(1, 3))
    n, c, h, w = x.shape
    by_image = np.stack([F.batch_norm(T(x[i : i + 1]), training=True).numpy()[0] for i in range(n)])
    close(F.instance_norm(T(x)), by_image)
    by_sample = F.batch_norm(T(x.reshape(n, -1).T.copy()), training=True).numpy().T.reshape(x.shape)
    close(F.layer_norm(T(x), (c, h, w)), by_sample)


# ---- losses --------------------------------------------------------------------------------------


@some
@any_case
def test_bce_is_the_textbook_formula_where_that_does_not_overflow(case):
    """Up to |x| = 6: further out the textbook's own 1 - p loses its digits long before it
    overflows.
    """
    x, t = case.rng.uniform((-6, 0), (6, 1), (*case.shape(1, 3), 2)).T
    p = 1 / (1 + np.exp(-x))
    textbook = -t * np.log(p) - (1 - t) * np.log(1 - p)
    close(F.binary_cross_entropy_with_logits(T(x), T(t), reduction="none"), textbook, 1e-10)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bce_and_its_gradient_at_the_limits(dtype):
    """At |x| = 10,000, where the sigmoid is 0 or 1 to the last bit, the loss is max(x, 0) - x t
    exactly.
    """
    x = Tensor(np.array([1e4, 1e4, -1e4, -1e4, 0, 0], dtype), requires_grad=True)
    t = T(np.array([1, 0, 1, 0, 1, 0], dtype))
    y = F.binary_cross_entropy_with_logits(x, t, reduction="none")
    close(y, np.array([0, 1e4, 1e4, 0, np.log(2), np.log(2)]), 1e-7)
    assert (y.numpy()[:4] == np.array([0, 1e4, 1e4, 0], dtype)).all()
    expected = np.array([0, 1, -1, 0, -0.5, 0.5])
    for create_graph in (False, True):  # the fused kernel and the composition
        (g,) = mg.grad(y.sum(), x, create_graph=create_graph)
        assert (g.numpy() == expected).all()
        assert g.dtype == dtype


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_saturating_functions_neither_overflow_nor_warn(dtype):
    x = np.array([-1e4, -90, 0, 90, 1e4], dtype)
    close(F.sigmoid(T(x)), [0, 0, 0.5, 1, 1], 1e-38)
    close(F.softplus(T(x)), [0, 0, np.log(2), 90, 1e4], 1e-7)
    close(F.tanh(T(x)), [-1, -1, 0, 1, 1], 0)
    close(F.log_softmax(T(x)).numpy()[-1], 0, 0)
    close(F.log_softmax(T(x)).numpy()[0], -2e4, 0)


def test_softmax_of_equal_logits_is_uniform_and_ignores_a_constant():
    close(F.log_softmax(T(np.full((2, 4), 7.0))), np.full((2, 4), -np.log(4)))
    x = np.random.default_rng(1).standard_normal((3, 5))
    close(F.log_softmax(T(x)), F.log_softmax(T(x + 100)))
    close(np.exp(F.log_softmax(T(x)).numpy()).sum(1), np.ones(3))


def test_dropout_keeps_the_mean_and_zeroes_the_share_that_it_was_told():
    mg.manual_seed(0)
    y = F.dropout(mg.ones(100_000, dtype=np.float64), 0.3).numpy()
    assert set(np.unique(y)) == {0, 1 / 0.7}
    assert abs((y == 0).mean() - 0.3) < 5 * np.sqrt(0.21 / 100_000)
    x = mg.randn(3, 4)
    assert F.dropout(x, 0.3, training=False) is x
    close(F.dropout(x, 1.0), np.zeros((3, 4)), 0)
