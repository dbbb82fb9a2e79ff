"""What every normalisation must do: moments, invariances, and gradients orthogonal to them."""

import numpy as np
from adjoints import T, close
from hypothesis import given, settings
from inputs_of_layers import along_channels
from strategies import cases

import minigan as mg
from minigan import functional as F
from minigan.engine import Tensor

any_case = given(case=cases())
some = settings(max_examples=25)


def channels_of(case):
    """x (N, C, ...), and the axes over which batch norm takes its means."""
    n = case.choose(3, 5)
    c = case.choose(1, 3)
    shape = (n, c, *case.shape(0, 2))
    axes = (0, *range(2, len(shape)))
    return case.spread(shape, axes), axes


def normalised(x, **options):
    """The batch norm of an array in training, as an array."""
    y = F.batch_norm(T(x), training=True, **options)
    return y.numpy()


@some
@any_case
def test_batch_norm_has_the_moments_that_its_weights_say(case):
    """mean = bias; variance = weight^2 var / (var + eps), which is a little less than weight^2."""
    x, axes = channels_of(case)
    c = x.shape[1]
    weight = case.normal(c)
    bias = case.normal(c)
    eps = case.of(1e-5, 0.1)
    y = normalised(x, weight=T(weight), bias=T(bias), eps=eps)
    var = x.var(axes)
    close(y.mean(axes), bias, 1e-10)
    close(y.var(axes), weight**2 * var / (var + eps), 1e-10)


@some
@any_case
def test_batch_norm_forgets_scale_and_offset_of_its_input(case):
    x, _ = channels_of(case)
    c = x.shape[1]
    scale = along_channels(case.positive(c), x.ndim)
    offset = along_channels(case.normal(c), x.ndim)
    y = normalised(x, eps=0.0)
    z = normalised(x * scale + offset, eps=0.0)
    close(y, z, 1e-8)


@some
@any_case
def test_batch_norm_gradient_is_orthogonal_to_what_it_forgets(case):
    """So no gradient flows along a constant or along x itself, whatever arrives (eps = 0)."""
    x, axes = channels_of(case)
    t = Tensor(x, requires_grad=True)
    y = F.batch_norm(t, training=True, eps=0.0)
    g = T(case.normal(*x.shape))
    (d,) = mg.grad(y, t, g)
    d = d.numpy()
    scale = np.abs(d).max() * x.size + 1
    nothing = np.zeros(x.shape[1])
    close(d.sum(axes) / scale, nothing, 1e-10)
    close((d * x).sum(axes) / scale, nothing, 1e-10)


@some
@any_case
def test_instance_and_layer_norm_are_batch_norm_of_another_shape(case):
    n, c = case.numbers(2, 1, 3)
    h = 2
    w = case.choose(1, 3)
    x = case.normal(n, c, h, w)
    images = [normalised(x[i : i + 1]) for i in range(n)]
    close(F.instance_norm(T(x)), np.concatenate(images))
    samples_as_channels = x.reshape(n, -1).T.copy()
    by_sample = normalised(samples_as_channels).T
    close(F.layer_norm(T(x), (c, h, w)), by_sample.reshape(x.shape))
