"""CycleGAN (Zhu, Park, Isola and Efros 2017): translation between two kinds of images, learned
without a single pair.

There are two generators, G: A -> B and F: B -> A, and a discriminator for each kind of images. The
cycle ties them together: F(G(a)) must be a again, and G(F(b)) must be b, so neither generator can
forget what its input showed. Layer shapes and parameter counts are those of the authors' code: a
residual generator with reflection padding and instance norm, and a discriminator that judges
overlapping patches instead of whole images. All weights begin as N(0, 0.02^2).
"""

import numpy as np

from .. import devices, nn, rng
from ..engine import Tensor
from ..files.foreign import check_names, shown
from ..functional import mse_loss
from ..nn.init import dcgan_
from ..ops import cat

GENERATOR_TAKES = ("image",)  # for each image

DEEPEST = 16  # the most downsampling layers: more would need a side of more than 65,536 pixels


class ResidualBlock(nn.Module):
    """x + two 3x3 convolutions of x: a skip connection around them. (N, channels, H, W)."""

    def __init__(self, channels):
        self.main = nn.Sequential(
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            nn.InstanceNorm2d(channels),
            nn.ReLU(),
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            nn.InstanceNorm2d(channels),
        )

    def forward(self, x):
        return x + self.main(x)  # (N, channels, H, W)


class ResnetGenerator(nn.Module):
    """Images (N, in_channels, H, W) in [-1, 1] -> (N, out_channels, H, W) in (-1, 1).

    H and W are multiples of 4. The layers are c7s1-64, d128, d256, ``blocks`` residual blocks (9
    for images of 256 pixels, 6 for 128), u128, u64, c7s1-3.
    """

    unit = 4  # H and W are multiples of this

    def __init__(self, in_channels=3, out_channels=3, width=64, blocks=9):
        self.in_channels = in_channels
        layers = [
            # (N, in_channels, H, W) -> (N, width, H, W)
            nn.ReflectionPad2d(3),
            nn.Conv2d(in_channels, width, 7),
            nn.InstanceNorm2d(width),
            nn.ReLU(),
            # downsample: (N, width, H, W) -> (N, 2 * width, H / 2, W / 2)
            nn.Conv2d(width, 2 * width, 3, stride=2, padding=1),
            nn.InstanceNorm2d(2 * width),
            nn.ReLU(),
            # downsample: (N, 2 * width, H / 2, W / 2) -> (N, 4 * width, H / 4, W / 4)
            nn.Conv2d(2 * width, 4 * width, 3, stride=2, padding=1),
            nn.InstanceNorm2d(4 * width),
            nn.ReLU(),
        ]
        for _ in range(blocks):
            layers.append(ResidualBlock(4 * width))  # (N, 4 * width, H / 4, W / 4)
        layers += [
            # upsample: (N, 4 * width, H / 4, W / 4) -> (N, 2 * width, H / 2, W / 2)
            nn.ConvTranspose2d(4 * width, 2 * width, 3, stride=2, padding=1, output_padding=1),
            nn.InstanceNorm2d(2 * width),
            nn.ReLU(),
            # upsample: (N, 2 * width, H / 2, W / 2) -> (N, width, H, W)
            nn.ConvTranspose2d(2 * width, width, 3, stride=2, padding=1, output_padding=1),
            nn.InstanceNorm2d(width),
            nn.ReLU(),
            # (N, width, H, W) -> (N, out_channels, H, W)
            nn.ReflectionPad2d(3),
            nn.Conv2d(width, out_channels, 7),
            nn.Tanh(),
        ]
        self.main = nn.Sequential(*layers)
        dcgan_(self)

    def forward(self, x):
        _check_images(self, x, self.unit, 8, "which it halves twice")
        return self.main(x)  # (N, out_channels, H, W)


class UnetGenerator(nn.Module):
    """Images (N, in_channels, H, W) in [-1, 1] -> (N, out_channels, H, W) in (-1, 1), by a U-Net.

    ``depth`` downsampling levels, each with a skip connection (Isola et al. 2017). H and W are
    multiples of 2^depth.
    """

    def __init__(self, in_channels=3, out_channels=3, width=64, depth=7):
        if not 2 <= depth <= DEEPEST:
            raise ValueError(
                f"UnetGenerator: depth is {depth}, expected at least 2 and at most {DEEPEST}"
            )
        self.in_channels = in_channels
        self.depth = depth
        self.unit = 2**depth  # H and W are multiples of this
        maps = [width * min(2**i, 8) for i in range(depth)]  # after each downsampling
        level = None
        for i in reversed(range(1, depth)):  # the innermost level first
            level = _Level(maps[i - 1], maps[i], maps[i - 1], level)
        self.main = _Level(in_channels, maps[0], out_channels, level, outermost=True)
        dcgan_(self)

    def forward(self, x):
        _check_images(self, x, self.unit, self.unit, f"which it halves {self.depth} times")
        return self.main(x)  # (N, out_channels, H, W)


class _Level(nn.Module):
    """One level of the U-Net: downsample, inner level, upsample, joined with its input.

    (N, outer, H, W) -> (N, out + outer, H, W): the upsampled feature maps are concatenated with the
    input (the skip connection). The outermost level has no skip connection: (N, out, H, W).
    inside: the level within this one, None in the innermost.
    """

    def __init__(self, outer, inner, out, inside, *, outermost=False):
        self.outermost = outermost
        innermost = inside is None
        layers = []
        if not outermost:
            layers.append(nn.LeakyReLU(0.2))
        layers.append(nn.Conv2d(outer, inner, 4, stride=2, padding=1))  # (N, inner, H / 2, W / 2)
        if not outermost and not innermost:
            layers.append(nn.InstanceNorm2d(inner))
        maps = inner
        if not innermost:
            layers.append(inside)  # (N, 2 * inner, H / 2, W / 2), because of its skip connection
            maps = 2 * inner
        layers.append(nn.ReLU())
        layers.append(nn.ConvTranspose2d(maps, out, 4, stride=2, padding=1))  # (N, out, H, W)
        layers.append(nn.Tanh() if outermost else nn.InstanceNorm2d(out))
        self.main = nn.Sequential(*layers)

    def forward(self, x):
        y = self.main(x)  # (N, out, H, W)
        if self.outermost:
            return y
        return cat([x, y], 1)  # (N, outer + out, H, W)


class PatchDiscriminator(nn.Module):
    """Images (N, in_channels, H, W) in [-1, 1] -> scores (N, 1, h, w), one for each patch.

    A score's receptive field, the patch, has 70, 34 or 16 pixels (n_layers 3, 2, 1). The layers are
    C64-C128-C256-C512 with 4x4 kernels: the first n_layers convolutions downsample, the two after
    them have stride 1.
    """

    def __init__(self, in_channels=3, width=64, n_layers=3):
        if not 1 <= n_layers <= DEEPEST:
            raise ValueError(
                f"PatchDiscriminator: n_layers is {n_layers}, expected at least 1 and at most "
                f"{DEEPEST}"
            )
        self.in_channels = in_channels
        self.n_layers = n_layers
        maps = width
        layers = [
            # (N, in_channels, H, W) -> (N, width, H / 2, W / 2)
            nn.Conv2d(in_channels, width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
        ]
        for i in range(1, n_layers + 1):
            # i < n_layers: (N, maps, H, W) -> (N, 2 * maps, H / 2, W / 2), at most 8 * width maps;
            # then once with stride 1: (N, maps, H, W) -> (N, 2 * maps, H - 1, W - 1)
            more = width * min(2**i, 8)
            stride = 2 if i < n_layers else 1
            layers += [
                nn.Conv2d(maps, more, 4, stride=stride, padding=1),
                nn.InstanceNorm2d(more),
                nn.LeakyReLU(0.2),
            ]
            maps = more
        # (N, maps, H, W) -> (N, 1, H - 1, W - 1)
        layers.append(nn.Conv2d(maps, 1, 4, stride=1, padding=1))
        self.main = nn.Sequential(*layers)
        dcgan_(self)

    def forward(self, x):
        _check_images(self, x, 1, 3 * 2**self.n_layers, "or no score is left")
        return self.main(x)  # (N, 1, h, w)


def _check_images(network, x, unit, least, why):
    """Raise ValueError unless x is (N, network.in_channels, H, W) and H and W fit the network.

    They must be multiples of ``unit`` and at least ``least``; why: the reason, for the message.
    """
    channels = network.in_channels
    fits = x.ndim == 4 and x.shape[1] == channels
    for side in x.shape[2:]:
        if side < least or side % unit:
            fits = False
    if not fits:
        multiples = f"multiples of {unit}, " if unit > 1 else ""
        raise ValueError(
            f"{type(network).__name__}: images have shape {x.shape}, expected (N, {channels}, H, "
            f"W) with H and W {multiples}at least {least}, {why}"
        )


def discriminator_loss(real_scores, fake_scores):
    """(E[(D(x) - 1)^2] + E[D(fake)^2]) / 2: least squares (Mao et al. 2017).

    The half slows the discriminator down.
    """
    real_loss = mse_loss(real_scores, 1.0)
    fake_loss = mse_loss(fake_scores, 0.0)
    return (real_loss + fake_loss) * 0.5


def generator_loss(fake_scores):
    """E[(D(fake) - 1)^2]."""
    return mse_loss(fake_scores, 1.0)


class ImagePool:
    """A pool of earlier fakes, so that the discriminator does not forget them.

    Once it holds ``size`` images, it answers half of the new images, chosen at random, with an
    older image, which the new one then replaces (Shrivastava et al. 2017).
    shape: (C, H, W) of an image, against which a loaded state is checked; None if it is not known.
    """

    def __init__(self, size=50, shape=None):
        self.size = size
        self.shape = shape
        self.images = []

    def __call__(self, images):
        """A batch of fakes (N, C, H, W) -> new and older ones (N, C, H, W), outside the graph."""
        chosen = [self._exchange(image) for image in images.array]
        return Tensor(devices.xp.stack(chosen))

    def _exchange(self, image):
        """Give the pool an image (C, H, W); get the same one back, or an older one."""
        if len(self.images) < self.size:
            self.images.append(image.copy())
            return image
        if self.size and rng.generator.random() < 0.5:
            i = rng.generator.integers(self.size)
            older = self.images[i]
            self.images[i] = image.copy()
            return older
        return image

    def state_dict(self):
        return {"images": list(self.images)}

    def load_state_dict(self, state):
        """Continue from what ``state_dict`` gave. ValueError for anything else changes nothing."""
        check_names("the image pool's state", state, {"images"})
        images = state["images"]
        if not isinstance(images, list) or len(images) > self.size:
            found = len(images) if isinstance(images, list) else shown(images)
            raise ValueError(
                f"the image pool's state has {found} images, expected at most {self.size}"
            )
        for image in images:
            shape = self.shape or np.shape(images[0])
            if getattr(image, "dtype", None) != np.float32 or image.shape != shape:
                raise ValueError(
                    f"the image pool's state has {shown(image)}, expected images float32 "
                    f"{self.shape or 'of one shape'}"
                )
        self.images = [devices.xp.asarray(image) for image in images]
