"""Normalisation: batch norm, instance norm, layer norm and group norm."""

from .. import functional as F
from ..checks import whole_number
from ..creation import ones, zeros
from .checks import number
from .module import Buffer, Count, Module, Parameter


class _Norm(Module):
    """What batch norm and instance norm share.

    A weight and a bias for each channel, or neither; running statistics, or none.
    """

    ndims = (4,)  # how many axes an input may have
    normalises = True

    def __init__(self, num_features, eps, momentum, affine, track_running_stats):
        self.num_features = whole_number("num_features", num_features, 1)
        self.eps = number("eps", eps, 0)
        self.register_parameter("weight", Parameter(ones(num_features)) if affine else None)
        self.register_parameter("bias", Parameter(zeros(num_features)) if affine else None)
        self.momentum = None if momentum is None else number("momentum", momentum, 0, 1)
        self.track_running_stats = bool(track_running_stats)
        if track_running_stats:
            self.running_mean = Buffer(zeros(num_features).array)
            self.running_var = Buffer(ones(num_features).array)
            self.num_batches_tracked = Count()
        else:
            self.running_mean = None
            self.running_var = None

    def check(self, x):
        """Raise ValueError unless x has num_features channels and an allowed number of axes."""
        if x.ndim not in self.ndims or x.shape[1] != self.num_features:
            raise ValueError(
                f"{type(self).__name__}({self.num_features}) got shape {x.shape}, expected "
                f"{self.num_features} channels and {' or '.join(map(str, self.ndims))} axes"
            )

    def count_batch(self):
        """Count another minibatch -> its weight in the running statistics."""
        self.num_batches_tracked.array[...] += 1
        if self.momentum is not None:
            return self.momentum
        return 1 / int(self.num_batches_tracked.array)


class BatchNorm2d(_Norm):
    """Batch normalisation (Ioffe and Szegedy 2015) of (N, C, H, W), see F.batch_norm.

    While training, each channel is normalised with the mean and variance of the minibatch; in
    evaluation, with the running statistics, or with the minibatch's own if there are none
    (track_running_stats=False). momentum: the weight of a new minibatch in the running statistics;
    None for the plain mean over all minibatches so far.
    """

    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True):
        super().__init__(num_features, eps, momentum, affine, track_running_stats)

    def forward(self, x, negative_slope=None):
        """Normalise, and apply a LeakyReLU of this slope in the same kernel unless it is None."""
        self.check(x)
        momentum = 0.0
        if self.training and self.track_running_stats:
            momentum = self.count_batch()
        return F.batch_norm(
            x,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            training=self.training or not self.track_running_stats,
            momentum=momentum,
            eps=self.eps,
            negative_slope=negative_slope,
        )  # the shape of x


class BatchNorm1d(BatchNorm2d):
    """Batch normalisation of (N, C) or (N, C, L)."""

    ndims = (2, 3)


class InstanceNorm2d(_Norm):
    """Instance normalisation (Ulyanov et al. 2016): each image and channel on its own.

    (N, C, H, W) -> the same shape, see F.instance_norm. As in PyTorch, it has no weights unless
    affine, and no running statistics unless track_running_stats: then evaluation uses their means
    over all images seen.
    """

    def __init__(
        self, num_features, eps=1e-5, momentum=0.1, affine=False, track_running_stats=False
    ):
        super().__init__(num_features, eps, momentum, affine, track_running_stats)

    def forward(self, x, negative_slope=None):
        """Normalise, and apply a LeakyReLU of this slope in the same kernel unless it is None."""
        self.check(x)
        return F.instance_norm(
            x,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            use_input_stats=self.training or not self.track_running_stats,
            momentum=self.momentum or 0.0,  # as in PyTorch, None moves nothing
            eps=self.eps,
            negative_slope=negative_slope,
        )


# The norms whose ``forward`` takes a negative_slope, so that Sequential can fuse them. A subclass
# is not among them, because it may define a ``forward`` of its own.
FUSED = (
    BatchNorm1d,
    BatchNorm2d,
    InstanceNorm2d,
)


class LayerNorm(Module):
    """Layer normalisation (Ba et al. 2016): each sample over its last axes, see F.layer_norm.

    normalized_shape: the sizes of those axes, and the shape of weight and bias, which are None
    without elementwise_affine.
    """

    normalises = True

    def __init__(self, normalized_shape, eps=1e-5, elementwise_affine=True, bias=True):
        weight = ones(normalized_shape)
        self.normalized_shape = weight.shape
        self.eps = number("eps", eps, 0)
        self.register_parameter("weight", Parameter(weight) if elementwise_affine else None)
        has_bias = elementwise_affine and bias
        self.register_parameter("bias", Parameter(zeros(normalized_shape)) if has_bias else None)

    def forward(self, x):
        shape = self.normalized_shape
        return F.layer_norm(x, shape, self.weight, self.bias, eps=self.eps)  # the shape of x


class GroupNorm(Module):
    """Group normalisation (Wu and He 2018): each group of channels of each sample.

    (N, num_channels, ...) -> the same shape, see F.group_norm.
    """

    normalises = True

    def __init__(self, num_groups, num_channels, eps=1e-5, affine=True):
        self.num_groups = whole_number("num_groups", num_groups, 1)
        self.num_channels = whole_number("num_channels", num_channels, 1)
        if num_channels % num_groups:
            raise ValueError(
                f"GroupNorm: num_channels is {num_channels}, expected a multiple of {num_groups}"
            )
        self.eps = number("eps", eps, 0)
        self.register_parameter("weight", Parameter(ones(num_channels)) if affine else None)
        self.register_parameter("bias", Parameter(zeros(num_channels)) if affine else None)

    def forward(self, x):
        return F.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)
