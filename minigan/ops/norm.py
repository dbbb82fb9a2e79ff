"""Batch normalisation (Ioffe and Szegedy 2015), fused with a following LeakyReLU, and its
relatives.

    y = act((x - mean) / sqrt(var + eps) * weight + bias),  mean and var over all axes but the channels

In training mean and var are functions of x, so the gradient has three terms, and its own
derivative many more. Two implementations share the work: a fused kernel, when only numbers are
wanted, and the composition of plain operations, when the gradient itself is to be differentiated.
Saving inv_std as if it were constant would make second derivatives silently wrong; the
composition computes it anew from x.
"""

from .. import devices
from ..creation import raw, zeros
from ..engine import Tensor, grad, record, recording
from .activation import leaky_relu, leaky_relu_grad
from .conv import channel_sum, per_channel
from .elementwise import sqrt
from .shapes import centred, expand, mean, reshape


def batch_norm(
    x,
    running_mean=None,
    running_var=None,
    weight=None,
    bias=None,
    *,
    training=False,
    momentum=0.1,
    eps=1e-5,
    negative_slope=None,
):
    """Batch normalisation per channel, as torch.nn.functional.batch_norm.

    x (N, C), (N, C, L) or (N, C, H, W); the rest (C,) or None. training: normalise with the
    batch's own mean and biased variance, and move the running ones by ``momentum`` towards the
    mean and the *unbiased* variance; otherwise use the running ones. negative_slope: also apply
    LeakyReLU in the same pass (0.0 is ReLU), None for no activation.
    """
    if raw(x).ndim not in (2, 3, 4) or 0 in x.shape:
        raise ValueError(
            f"batch_norm: x has shape {x.shape}, expected 2 to 4 axes, none of them empty"
        )
    if x.dtype.kind != "f" or not (eps >= 0 and (negative_slope or 0) >= 0):
        raise ValueError(
            f"batch_norm: x is {x.dtype}, eps {eps} and negative_slope {negative_slope}, expected floats, "
            "both numbers at least 0"
        )
    for what, t in (
        ("running_mean", running_mean),
        ("running_var", running_var),
        ("weight", weight),
        ("bias", bias),
    ):
        if t is not None and (t.shape != (x.shape[1],) or t.dtype != x.dtype):
            raise ValueError(
                f"batch_norm: {what} is {t.shape} {t.dtype}, expected ({x.shape[1]},) {x.dtype}, as x"
            )
    for what, t in (("running_mean", running_mean), ("running_var", running_var)):
        if training and t is not None and t.requires_grad:
            raise ValueError(
                f"batch_norm: {what} requires grad, expected a tensor that does not, because training "
                "changes it in place"
            )
    if (running_mean is None) != (running_var is None) or not training and running_mean is None:
        raise ValueError(
            "batch_norm: running_mean or running_var is None, expected both, or neither in training"
        )
    n = x.size // x.shape[1]
    if training and n == 1:
        raise ValueError(
            f"batch_norm: training needs more than one value per channel, x has shape {x.shape}"
        )
    image = reshape(x, x.shape + (1,)) if x.ndim == 3 else x
    if training:
        y = _normalise(
            image, weight, bias, running_mean, running_var, momentum, eps, negative_slope
        )
    else:
        scale = 1 / sqrt(running_var + eps) if weight is None else weight / sqrt(running_var + eps)
        shift = zeros(x.shape[1], dtype=x.dtype) if bias is None else bias
        y = channel_affine(image, running_mean, scale, shift, negative_slope)
    return y if image is x else reshape(y, x.shape)


def _normalise(x, weight, bias, running_mean, running_var, momentum, eps, negative_slope):
    """Training-mode batch norm of x (N, C) or (N, C, H, W); changes the running statistics."""
    kernels, vectors = devices.kernels, (weight, bias, running_mean, running_var)
    w, b, *running = (None if t is None else t.array for t in vectors)
    batch_mean, inv_std, scale, shift = kernels.batch_norm_statistics(
        x.array, w, b, *running, momentum, eps
    )
    for t in vectors[2:]:
        if t is not None:
            t._version[0] += 1

    def vjp(g, y):
        if recording.get():
            return _composite_vjp(g, x, weight, bias, eps, negative_slope)
        arrays = kernels.batch_norm_grad(
            g.array, x.array, y.array, batch_mean, inv_std, w, negative_slope
        )
        return tuple(map(Tensor, arrays))

    value = kernels.batch_norm_forward(x.array, batch_mean[0], scale, shift, negative_slope)
    return record(value, ((x, weight, bias), vjp))


def _composite_vjp(g, x, weight, bias, eps, negative_slope):
    """The same gradients, as those of the formula written in plain operations: differentiable in
    g, x and weight.
    """
    # each a new place in the graph, so that a gradient can be taken with respect to this use of
    # it alone
    inputs = [
        None if t is None else record(t.array[...], (t, lambda g: g)) for t in (x, weight, bias)
    ]
    u, w, b = inputs
    y = _standardise(u, (0, *range(2, x.ndim)), eps)
    y = y if w is None else y * per_channel(w, x.ndim)
    y = y if b is None else y + per_channel(b, x.ndim)
    y = y if negative_slope is None else leaky_relu(y, negative_slope)
    wanted = [t for t in inputs if t is not None and t.requires_grad]
    gradients = dict(zip(wanted, grad(y, wanted, g, create_graph=True)))
    return tuple(gradients.get(t) for t in inputs)


def _standardise(x, axes, eps):
    d = centred(x, axes)
    return d / sqrt(mean(d * d, axes, keepdim=True) + eps)


def channel_affine(x, centre, scale, shift, negative_slope=None):
    """act((x - centre[c]) * scale[c] + shift[c]): batch norm at evaluation."""

    def inner(g, y):
        return g if negative_slope is None else leaky_relu_grad(g, y, negative_slope)

    vectors = (centre.array, scale.array, shift.array)
    return record(
        devices.kernels.batch_norm_forward(x.array, *vectors, negative_slope),
        (x, lambda g, y: inner(g, y) * per_channel(scale, g.ndim)),
        (centre, lambda g, y: -channel_sum(inner(g, y)) * scale),
        (scale, lambda g, y: channel_sum(inner(g, y) * (x - per_channel(centre, g.ndim)))),
        (shift, lambda g, y: channel_sum(inner(g, y))),
    )


def instance_norm(x, weight=None, bias=None, *, eps=1e-5, negative_slope=None):
    """Each channel of each image (N, C, H, W) normalised alone (Ulyanov et al. 2016): batch norm
    on (1, N C, H, W).
    """
    if raw(x).ndim != 4 or x.shape[2] * x.shape[3] < 2:
        raise ValueError(
            f"instance_norm: x has shape {x.shape}, expected (N, C, H, W) with more than one pixel"
        )
    n, c, h, w = x.shape
    if any(t is not None and t.shape != (c,) for t in (weight, bias)):
        raise ValueError(
            f"instance_norm: weight and bias must have shape ({c},), as x of shape {x.shape} has channels"
        )
    weight, bias = (t if t is None else reshape(expand(t, n, c), n * c) for t in (weight, bias))
    x = reshape(x, 1, n * c, h, w)
    y = batch_norm(
        x, weight=weight, bias=bias, training=True, eps=eps, negative_slope=negative_slope
    )
    return reshape(y, n, c, h, w)


def layer_norm(x, normalized_shape, weight=None, bias=None, *, eps=1e-5):
    """Normalised over the last axes, those of ``normalized_shape``, per sample (Ba et al. 2016)."""
    shape = (
        tuple(normalized_shape) if hasattr(normalized_shape, "__iter__") else (normalized_shape,)
    )
    if raw(x).shape[-len(shape) :] != shape or any(
        t is not None and t.shape != shape for t in (weight, bias)
    ):
        raise ValueError(
            f"layer_norm: x of shape {x.shape}, weight and bias must end in normalized_shape {shape}"
        )
    y = _standardise(x, tuple(range(x.ndim - len(shape), x.ndim)), eps)
    y = y if weight is None else y * weight
    return y if bias is None else y + bias
