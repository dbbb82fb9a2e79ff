"""Inputs of images and losses for operations_by_torchs_names.py; see inputs.py."""

from inputs_of_layers import reduction


def any_image(**options):
    """(N, C, H, W)."""

    def inputs(case):
        shape = case.shape(4, 4, most=3)
        return [case.normal(*shape)], options

    return inputs


def prelu(case):
    """x (N, C, H) away from 0, and a weight for all or for each channel."""
    n, c, h = case.numbers(3, 1, 3)
    weights = case.of(1, c)
    x = case.away((n, c, h), 0)
    weight = case.normal(weights)
    return [x, weight], {}


def replicated(case):
    """Images, and a padding, perhaps larger than they are."""
    x = case.normal(2, 1, 2, 3)
    padding = case.numbers(4, 0, 4)
    return [x], dict(padding=padding)


def probabilities(case):
    """Probabilities and targets."""
    shape = case.shape(1, 3)
    x = case.rng.uniform(0.1, 0.9, shape)
    target = case.rng.uniform(0, 1, shape)
    options = reduction(case)
    return [x], dict(options, target=target)


def predictions_beside_kinks(case):
    """Predictions and targets whose differences are far from 0 and from 0.5."""
    shape = case.shape(1, 3)
    x = case.normal(*shape)
    error = case.away(shape, 0, 0.5, -0.5)
    return [x, x - error], reduction(case)


# ---- convolutions --------------------------------------------------------------------------------


def grouped_convolution(case):
    """x, weight, bias, and the groups, dilation, stride and padding of a convolution."""
    groups = case.of(1, 2, 3)
    channels = case.choose(1, 2)
    maps = groups * case.choose(1, 2)
    dilation = case.of(1, 2, (1, 3))
    options = dict(
        groups=groups,
        dilation=dilation,
        stride=case.of(1, 2),
        padding=case.of(0, 2),
    )
    x = case.normal(2, groups * channels, 5, 7)
    weight = case.normal(maps, channels, 2, 3)
    bias = case.normal(maps)
    return [x, weight, bias], options


def grouped_transposed_convolution(case):
    """The same for a transposed convolution."""
    groups = case.of(1, 2, 3)
    channels = groups * case.choose(1, 2)
    maps = case.choose(1, 2)
    dilation = case.of(1, 2, (1, 3))
    options = dict(
        groups=groups,
        dilation=dilation,
        stride=2,
        padding=1,
    )
    x = case.normal(2, channels, 3, 2)
    weight = case.normal(channels, maps, 2, 3)
    bias = case.normal(groups * maps)
    return [x, weight, bias], options


def lines_and_weight(case):
    """x (N, C, L), weight (C, C, R) and bias (C,)."""
    n, c, r = case.numbers(3, 1, 3)
    length = case.choose(3, 6)
    x = case.normal(n, c, length)
    weight = case.normal(c, c, r)
    bias = case.normal(c)
    return [x, weight, bias], {}


# ---- windows -------------------------------------------------------------------------------------


def windows(case):
    """A kernel, a stride and a padding."""
    kernel = case.of(2, 3, (2, 3), (1, 2))
    return dict(
        kernel_size=kernel,
        stride=case.of(None, 1, 2, (2, 1)),
        padding=case.of(0, (0, 1)),
        ceil_mode=case.flip(),
    )


def pooled(case):
    """Images and the options of avg_pool2d."""
    options = windows(case)
    options["count_include_pad"] = case.flip()
    h, w = case.numbers(2, 3, 6)
    x = case.normal(2, 2, h, w)
    return [x], options


def pooled_distinct(case):
    """Images in which no two numbers are equal, and the options of max_pool2d."""
    options = windows(case)
    h, w = case.numbers(2, 3, 5)
    x = case.distinct(1, 2, h, w)
    return [x], options


def adaptively_pooled(case):
    """Images and a size."""
    h, w = case.numbers(2, 1, 6)
    size = case.of(1, 2, (3, None), (2, 5))
    x = case.normal(1, 2, h, w)
    return [x], dict(output_size=size)


def groups_of_channels(case):
    """Images (N, C, H, W), weight and bias (C,), and how many groups of channels."""
    groups = case.choose(1, 3)
    channels = groups * case.choose(1, 2)
    shape = (2, channels, 2, 3)
    x = case.spread(shape, (2, 3))
    weight = case.positive(channels)
    bias = case.normal(channels)
    return [x, weight, bias], dict(groups=groups)
