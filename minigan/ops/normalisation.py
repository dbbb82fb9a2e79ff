"""Batch normalisation (Ioffe and Szegedy 2015), fused with a following LeakyReLU, and relatives.

    y = act((x - mean) / sqrt(var + eps) * weight + bias)

where mean and var are over all axes but the channels. In training they are functions of x, so the
gradient has three terms, and its own derivative many more. Two implementations share the work: a
fused kernel, if only numbers are wanted, and a composition of plain operations, if the gradient
itself is to be differentiated. A saved inv_std, used as if it were constant, would make second
derivatives silently wrong; the composition computes it anew from x.
"""

from .. import devices
from ..checks import whole_number
from ..creation import raw, zeros
from ..engine import Tensor, grad, record
from ..grad_modes import no_grad, recording
from .activation import leaky_relu, leaky_relu_grad
from .conv import channel_sum, per_channel
from .elementwise import sqrt
from .shapes import centred, expand, mean, reshape, var
from .standardisation import standardised


def batch_norm(
    x,
    running_mean=None,
    running_var=None,
    weight=None,
    bias=None,
    training=False,
    momentum=0.1,
    eps=1e-5,
    *,
    negative_slope=None,
):
    """Batch normalisation per channel, as torch.nn.functional.batch_norm.

    x (N, C), (N, C, L) or (N, C, H, W); the rest (C,) or None. training: normalise with the batch's
    own mean and biased variance, and move the running ones by ``momentum`` towards the mean and the
    *unbiased* variance; otherwise use the running ones. negative_slope: also apply LeakyReLU in the
    same pass (0.0 is ReLU); None means no activation.
    """
    _check_batch(x, eps, negative_slope)
    _check_vectors(x, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias)
    _check_running(x, running_mean, running_var, training)
    image = reshape(x, (*x.shape, 1)) if x.ndim == 3 else x
    if training:
        running = (running_mean, running_var)
        y = _normalise(image, weight, bias, running, momentum, eps, negative_slope)
    else:
        std = sqrt(running_var + eps)
        scale = 1 / std if weight is None else weight / std
        shift = zeros(x.shape[1], dtype=x.dtype) if bias is None else bias
        y = channel_affine(image, running_mean, scale, shift, negative_slope)
    return y if image is x else reshape(y, x.shape)


def _check_batch(x, eps, negative_slope):
    if raw(x).ndim not in (2, 3, 4) or 0 in x.shape:
        raise ValueError(
            f"batch_norm: x has shape {x.shape}, expected 2 to 4 axes, none of them empty"
        )
    if x.dtype.kind != "f" or not (eps >= 0 and (negative_slope or 0) >= 0):
        raise ValueError(
            f"batch_norm: x is {x.dtype}, eps {eps} and negative_slope {negative_slope}, expected "
            "floats, both numbers at least 0"
        )


def _check_vectors(x, **vectors):
    """Each is None or has an entry for each channel, in x's dtype."""
    expected = (x.shape[1],)
    for what, t in vectors.items():
        if t is not None and (t.shape != expected or t.dtype != x.dtype):
            raise ValueError(
                f"batch_norm: {what} is {t.shape} {t.dtype}, expected {expected} {x.dtype}, as x"
            )


def _check_running(x, running_mean, running_var, training):
    for what, t in (("running_mean", running_mean), ("running_var", running_var)):
        if training and t is not None and t.requires_grad:
            raise ValueError(
                f"batch_norm: {what} requires grad, expected a tensor that does not, because "
                "training changes it in place"
            )
    is_missing = running_mean is None and not training
    if is_missing or (running_mean is None) != (running_var is None):
        raise ValueError(
            "batch_norm: running_mean or running_var is None, expected both, or neither in training"
        )
    values_per_channel = x.numel() // x.shape[1]
    if training and values_per_channel == 1:
        raise ValueError(
            f"batch_norm: training needs more than one value per channel, x has shape {x.shape}"
        )


def _normalise(x, weight, bias, running, momentum, eps, negative_slope):
    """Training-mode batch norm of x (N, C) or (N, C, H, W); changes the running statistics."""
    kernels = devices.kernels
    vectors = (weight, bias, *running)
    w, b, *averages = [None if t is None else t.array for t in vectors]
    centre_and_rest, inv_std, scale, shift = kernels.batch_norm_statistics(
        x.array, w, b, *averages, momentum, eps
    )
    centre = centre_and_rest[0]
    for t in running:
        if t is not None:
            t._memory.changes += 1
    statistics = centre_and_rest, inv_std

    def to_inputs(g):
        return _batch_norm_vjp(g, x, x, weight, bias, statistics, eps, None)

    if negative_slope is not None:  # only then is the output read, so that it must not change

        def to_inputs(g, y):
            return _batch_norm_vjp(g, x, y, weight, bias, statistics, eps, negative_slope)

    return record(
        kernels.batch_norm_forward(x.array, centre, scale, shift, negative_slope),
        ((x, weight, bias), to_inputs),
        op="batch_norm",
        training=True,
        momentum=momentum,
        eps=eps,
        negative_slope=negative_slope,
    )


def _batch_norm_vjp(g, x, y, weight, bias, statistics, eps, negative_slope):
    """The gradients of x, weight and bias. y: the output, whose signs an activation needs."""
    if recording.get():
        return _composite_vjp(g, x, weight, bias, eps, negative_slope)
    w = None if weight is None else weight.array
    gradients = devices.kernels.batch_norm_grad(
        g.array, x.array, y.array, *statistics, w, negative_slope
    )
    return tuple(Tensor(a) for a in gradients)


def _composite_vjp(g, x, weight, bias, eps, negative_slope):
    """The same gradients by plain operations, so they can be differentiated again."""
    inputs = [_alias(t) for t in (x, weight, bias)]
    u, w, b = inputs
    y = _standardise(u, (0, *range(2, x.ndim)), eps)
    if w is not None:
        y = y * per_channel(w, x.ndim)
    if b is not None:
        y = y + per_channel(b, x.ndim)
    if negative_slope is not None:
        y = leaky_relu(y, negative_slope)
    wanted = [t for t in inputs if t is not None and t.requires_grad]
    gradients = dict(zip(wanted, grad(y, wanted, g, create_graph=True)))
    return tuple(gradients.get(t) for t in inputs)


def _alias(t):
    """The same values as a new Node: the gradient with respect to it counts this use of t only."""
    return None if t is None else record(t.array[...], (t, lambda g: g), op="alias")


def _standardise(x, axes, eps):
    """x with mean 0 and variance 1 over the axes."""
    d = centred(x, axes)
    return d / sqrt(mean(d * d, axes, keepdim=True) + eps)


def channel_affine(x, centre, scale, shift, negative_slope=None):
    """act((x - centre[c]) * scale[c] + shift[c]): batch norm at evaluation."""
    vectors = (centre.array, scale.array, shift.array)
    value = devices.kernels.batch_norm_forward(x.array, *vectors, negative_slope)
    if negative_slope is None:
        edges = (
            (x, lambda g: g * per_channel(scale, g.ndim)),
            (centre, lambda g: -channel_sum(g) * scale),
            (scale, lambda g: channel_sum(g * (x - per_channel(centre, g.ndim)))),
            (shift, lambda g: channel_sum(g)),
        )
    else:
        edges = _edges_with_activation(x, centre, scale, shift, negative_slope)
    return record(value, *edges, op="channel_affine", negative_slope=negative_slope)


def _edges_with_activation(x, centre, scale, shift, negative_slope):
    """The same edges with LeakyReLU, whose slopes are read off the output y."""

    def to_x(g, y):
        return leaky_relu_grad(g, y, negative_slope) * per_channel(scale, g.ndim)

    def to_centre(g, y):
        return -channel_sum(leaky_relu_grad(g, y, negative_slope)) * scale

    def to_scale(g, y):
        deviation = x - per_channel(centre, g.ndim)
        return channel_sum(leaky_relu_grad(g, y, negative_slope) * deviation)

    def to_shift(g, y):
        return channel_sum(leaky_relu_grad(g, y, negative_slope))

    return (x, to_x), (centre, to_centre), (scale, to_scale), (shift, to_shift)


def instance_norm(
    x,
    running_mean=None,
    running_var=None,
    weight=None,
    bias=None,
    use_input_stats=True,
    momentum=0.1,
    eps=1e-5,
    *,
    negative_slope=None,
):
    """Each channel of each image (N, C, H, W) normalised alone (Ulyanov et al. 2016).

    It is the batch norm of (1, N C, H, W). If there are running statistics (C,), they move by
    momentum towards the means over the images; without use_input_stats they take their place.
    """
    if not use_input_stats:
        vectors = (running_mean, running_var, weight, bias)
        return batch_norm(x, *vectors, training=False, eps=eps, negative_slope=negative_slope)
    if raw(x).ndim != 4 or x.shape[2] * x.shape[3] < 2:
        raise ValueError(
            f"instance_norm: x has shape {x.shape}, expected (N, C, H, W) with more than one pixel"
        )
    n, c, h, w = x.shape
    for t in (weight, bias):
        if t is not None and t.shape != (c,):
            raise ValueError(
                f"instance_norm: weight and bias must have shape ({c},), as x of shape {x.shape} "
                "has channels"
            )
    if running_mean is not None or running_var is not None:
        _check_vectors(x, running_mean=running_mean, running_var=running_var)
        _check_running(x, running_mean, running_var, training=True)
        _track_images(x, running_mean, running_var, momentum)
    y = batch_norm(
        reshape(x, 1, n * c, h, w),
        weight=_repeated(weight, n),
        bias=_repeated(bias, n),
        training=True,
        eps=eps,
        negative_slope=negative_slope,
    )
    return reshape(y, n, c, h, w)


def _track_images(x, running_mean, running_var, momentum):
    """Move running statistics (C,) towards the means over the images of this minibatch."""
    with no_grad():
        mean_of_images = mean(mean(x, (2, 3)), 0)
        var_of_images = mean(var(x, (2, 3)), 0)
    for running, new in ((running_mean, mean_of_images), (running_var, var_of_images)):
        running.array[...] += momentum * (new.array - running.array)
        running._memory.changes += 1


def _repeated(t, n):
    """A vector (C,) n times, (n C,); None stays None."""
    if t is None:
        return None
    (c,) = t.shape
    return reshape(expand(t, n, c), n * c)


def layer_norm(x, normalized_shape, weight=None, bias=None, eps=1e-5):
    """Normalised over the last axes, those of ``normalized_shape``, per sample (Ba et al. 2016)."""
    if hasattr(normalized_shape, "__iter__"):
        shape = tuple(normalized_shape)
    else:
        shape = (normalized_shape,)
    fits = raw(x).shape[-len(shape) :] == shape
    if not fits or any(t is not None and t.shape != shape for t in (weight, bias)):
        raise ValueError(
            f"layer_norm: x of shape {x.shape}, weight and bias must end in normalized_shape "
            f"{shape}"
        )
    y = standardised(x, tuple(range(x.ndim - len(shape), x.ndim)), eps)
    if weight is not None:
        y = y * weight
    if bias is not None:
        y = y + bias
    return y


def group_norm(x, num_groups, weight=None, bias=None, eps=1e-5):
    """Each group of neighbouring channels of each sample normalised alone (Wu and He 2018).

    x (N, C, ...); weight, bias: (C,) or None. Raises ValueError unless num_groups divides C.
    """
    groups = whole_number("group_norm: num_groups", num_groups, 1)
    if raw(x).ndim < 2 or x.shape[1] % groups or 0 in x.shape:
        raise ValueError(
            f"group_norm: x has shape {x.shape}, expected (N, C, ...) with C a multiple of "
            f"num_groups={groups}"
        )
    for t in (weight, bias):
        if t is not None and t.shape != x.shape[1:2]:
            raise ValueError(f"group_norm: weight and bias are {t.shape}, expected {x.shape[1:2]}")
    grouped = reshape(x, (x.shape[0], groups, -1))
    y = reshape(layer_norm(grouped, grouped.shape[2:], eps=eps), x.shape)
    if weight is not None:
        y = y * per_channel(weight, x.ndim)
    if bias is not None:
        y = y + per_channel(bias, x.ndim)
    return y
