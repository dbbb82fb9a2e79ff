"""The rows of operations that minigan has because people who come from PyTorch look for them."""

import images_by_torchs_names as draw_images
import inputs as draw
import inputs_by_torchs_names as draw_torchs
import inputs_of_layers as draw_layer
from rows import linear_operation, operation

normal = draw.any_shape()
nonzero = draw.away_from(0)
pair = draw.broadcast_pair
shaped = draw.with_shape

# ---- numbers -------------------------------------------------------------------------------------


@operation("sin", normal, order=3)
def sin(F, x):
    return x.sin()


@operation("cos", normal, order=3)
def cos(F, x):
    return x.cos()


@operation("erf", normal, order=3)
def erf(F, x):
    return x.erf()


@operation("square", draw.any_shape())
def square(F, x):
    return x.square()


@operation("rsqrt", draw.any_shape("positive"))
def rsqrt(F, x):
    return x.rsqrt()


@operation("elu", nonzero, order=3)
def elu(F, x):
    return F.elu(x, 0.7)


@operation("silu", normal, order=3)
def silu(F, x):
    return F.silu(x)


@operation("gelu, tanh", draw.any_shape(approximate="tanh"))
@operation("gelu", draw.any_shape(approximate="none"))
def gelu(F, x, approximate):
    return F.gelu(x, approximate=approximate)


@operation("prelu", draw_images.prelu)
def prelu(F, x, weight):
    return F.prelu(x, weight)


@linear_operation("dropout2d", draw_images.any_image(p=0.4, seed=3))
def dropout2d(F, x, p, seed):
    return F.dropout2d(x, p=p, seed=seed)


@linear_operation("pad, replicate", draw_images.replicated)
def pad_replicate(F, x, padding):
    return F.pad(x, padding, "replicate")


@operation("softmax", shaped(draw.one_axis), order=3)
def softmax(F, x, dim):
    return F.softmax(x, dim)


@operation("normalize", draw_torchs.matrix)
def normalize(F, x):
    return F.normalize(x)


@linear_operation("where", draw_torchs.masked)
def where(F, x, y, mask):
    return F.where(F.constant(mask), x, y)


@linear_operation("maximum", draw_torchs.distinct_pair)
def maximum(F, x, y):
    return F.maximum(x, y)


@linear_operation("minimum", draw_torchs.distinct_pair)
def minimum(F, x, y):
    return F.minimum(x, y)


# ---- sums and extremes ---------------------------------------------------------------------------


@operation("std", draw.reduced(least=2))
def std(F, x, **options):
    return x.std(**options)


@operation("norm", draw_torchs.normed)
def norm(F, x, **options):
    return x.norm(**options)


@linear_operation("amin", draw.reduced("distinct"))
def amin(F, x, **options):
    return x.amin(**options)


@linear_operation("max along an axis", draw_torchs.extreme)
def max_along(F, x, **options):
    return x.max(**options)[0]


@linear_operation("min along an axis", draw_torchs.extreme)
def min_along(F, x, **options):
    return x.min(**options)[0]


@linear_operation("max", draw.any_shape("distinct"))
def largest(F, x):
    return x.max()


@linear_operation("gather", draw_torchs.gathered)
def gather(F, x, dim, index):
    return x.gather(dim, F.constant(index))


@linear_operation("embedding", draw_torchs.looked_up)
def embedding(F, weight, index):
    return F.embedding(F.constant(index), weight)


# ---- axes ----------------------------------------------------------------------------------------


@linear_operation("roll", draw_torchs.rolled)
def roll(F, x, **options):
    return x.roll(**options)


@linear_operation("view", shaped(draw.reshaped))
def view(F, x, shape):
    return x.view(shape)


@linear_operation("squeeze", draw_torchs.squeezed)
def squeeze(F, x, **options):
    return x.squeeze(**options)


@linear_operation("unsqueeze", draw_torchs.squeezed)
def unsqueeze(F, x, dim=0):
    return x.unsqueeze(dim)


@linear_operation("t", draw_torchs.matrix)
def t(F, x):
    return x.t()


@linear_operation("expand_as", draw_torchs.squeezed)
def expand_as(F, x, dim=None):
    wide = x.repeat(1, 3, 1)
    return x.expand_as(wide)


@linear_operation("unbind", draw_torchs.split)
def unbind(F, x, sizes, dim):
    first, *rest = x.unbind(dim)
    return F.stack([*rest, first * 2])


@linear_operation("repeat", draw_torchs.repeated)
def repeat(F, x, repeats):
    return x.repeat(*repeats)


@linear_operation("flip", shaped(draw.one_axis))
def flip(F, x, dim):
    return x.flip(dim)


@linear_operation("split", draw_torchs.split)
def split(F, x, sizes, dim):
    first, *rest = x.split(sizes, dim)
    return F.cat([*rest, first * 2], dim)


@linear_operation("chunk", draw_torchs.chunked)
def chunk(F, x, chunks, dim):
    first, *rest = x.chunk(chunks, dim)
    return F.cat([*rest, first * 2], dim)


@linear_operation("clone", normal)
def clone(F, x):
    return x.clone()


@linear_operation("x[index] = y", draw_torchs.assigned, order=3)
def setitem(F, x, y, index):
    z = x * 2
    z[index] = y
    return z


# ---- products ------------------------------------------------------------------------------------


@operation("einsum", draw_torchs.einsum, order=3)
def einsum(F, *xs, equation):
    return F.einsum(equation, *xs)


@operation("bmm", draw_torchs.batched_matrices)
def bmm(F, x, y):
    return x.bmm(y)


@operation("mm", draw_torchs.two_matrices)
def mm(F, x, y):
    return x.mm(y)


@operation("matmul", draw_torchs.two_matrices)
def matmul(F, x, y):
    return x.matmul(y)


@operation("mv", draw_torchs.matrix_and_vector)
def mv(F, x, y):
    return x.mv(y)


@operation("dot", draw_torchs.two_vectors)
def dot(F, x, y):
    return x.dot(y)


# ---- images --------------------------------------------------------------------------------------


@operation("conv2d of groups", draw_images.grouped_convolution)
def grouped_conv2d(F, x, weight, bias, **options):
    return F.conv2d(x, weight, bias, **options)


@operation("conv_transpose2d of groups", draw_images.grouped_transposed_convolution)
def grouped_conv_transpose2d(F, x, weight, bias, **options):
    return F.conv_transpose2d(x, weight, bias, **options)


@operation("conv1d", draw_images.lines_and_weight)
def conv1d(F, x, weight, bias):
    return F.conv1d(x, weight, bias, 2, 1)


@operation("conv_transpose1d", draw_images.lines_and_weight)
def conv_transpose1d(F, x, weight, bias):
    return F.conv_transpose1d(x, weight.transpose(0, 1), bias, 2, 1, 1)


@linear_operation("avg_pool2d", draw_images.pooled)
def avg_pool2d(F, x, **options):
    return F.avg_pool2d(x, **options)


@linear_operation("max_pool2d", draw_images.pooled_distinct)
def max_pool2d(F, x, **options):
    return F.max_pool2d(x, **options)


@linear_operation("adaptive_avg_pool2d", draw_images.adaptively_pooled)
def adaptive_avg_pool2d(F, x, output_size):
    return F.adaptive_avg_pool2d(x, output_size)


@operation("group_norm", draw_images.groups_of_channels)
def group_norm(F, x, weight, bias, groups):
    return F.group_norm(x, groups, weight, bias)


# ---- losses --------------------------------------------------------------------------------------


@operation("binary_cross_entropy", draw_images.probabilities)
def binary_cross_entropy(F, x, target, reduction):
    return F.binary_cross_entropy(x, F.constant(target), reduction=reduction)


@linear_operation("nll_loss", draw_layer.logits_and_labels)
def nll_loss(F, x, labels, reduction):
    return F.nll_loss(x, F.constant(labels), reduction=reduction)


@operation("smooth_l1_loss", draw_images.predictions_beside_kinks)
def smooth_l1_loss(F, x, t, reduction):
    return F.smooth_l1_loss(x, t, reduction=reduction, beta=0.5)
