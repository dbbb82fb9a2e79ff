"""CycleGAN (Zhu, Park, Isola and Efros 2017): translation between two kinds of images without a
single pair.

Two generators, G: A -> B and F: B -> A, each judged by a discriminator of its target. What ties
them is the cycle: F(G(a)) must be a again, and G(F(b)) be b, so neither can forget what its input
showed. Layer shapes and parameter counts are those of the authors' code: a residual generator
with reflection padding and instance norm, and a discriminator that judges overlapping patches
instead of whole images. All weights begin as N(0, 0.02^2).
"""

import numpy as np

from .. import devices, nn, rng
from ..engine import Tensor
from ..files.foreign import check_names, shown
from ..functional import mse_loss
from ..nn.init import dcgan_
from ..ops import cat

GENERATOR_TAKES = ("image",)  # for each image

DEEPEST = 16  # an image that can be halved more often has a side of more than 65,536 pixels


def _check_images(network, x, unit, least, why):
    c, sides = network.in_channels, x.shape[2:]
    if x.ndim != 4 or x.shape[1] != c or min(sides) < least or any(n % unit for n in sides):
        of = f"multiples of {unit}, " if unit > 1 else ""
        raise ValueError(
            f"{type(network).__name__}: images have shape {x.shape}, expected (N, {c}, H, W) with H and W "
            f"{of}at least {least}, {why}"
        )


def _normed(convolution, channels, activation=None):
    return [convolution, nn.InstanceNorm2d(channels), activation or nn.ReLU()]


class ResidualBlock(nn.Module):
    """x + two 3x3 convolutions of x, (N, channels, H, W)."""

    def __init__(self, channels):
        self.main = nn.Sequential(
            nn.ReflectionPad2d(1),
            *_normed(nn.Conv2d(channels, channels, 3), channels),
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            nn.InstanceNorm2d(channels),
        )

    def forward(self, x):
        return x + self.main(x)


class ResnetGenerator(nn.Module):
    """Images (N, in_channels, H, W) in [-1, 1] -> (N, out_channels, H, W) in (-1, 1); H and W
    multiples of 4.

    c7s1-64, d128, d256, ``blocks`` residual blocks (9 at 256 pixels, 6 at 128), u128, u64, c7s1-3.
    """

    unit = 4

    def __init__(self, in_channels=3, out_channels=3, width=64, blocks=9):
        self.in_channels = in_channels
        down = [
            layer
            for c in (width, 2 * width)
            for layer in _normed(nn.Conv2d(c, 2 * c, 3, stride=2, padding=1), 2 * c)
        ]
        up = [
            layer
            for c in (2 * width, width)
            for layer in _normed(
                nn.ConvTranspose2d(2 * c, c, 3, stride=2, padding=1, output_padding=1), c
            )
        ]
        self.main = nn.Sequential(
            nn.ReflectionPad2d(3),
            *_normed(nn.Conv2d(in_channels, width, 7), width),
            *down,
            *(ResidualBlock(4 * width) for _ in range(blocks)),
            *up,
            nn.ReflectionPad2d(3),
            nn.Conv2d(width, out_channels, 7),
            nn.Tanh(),
        )
        dcgan_(self)

    def forward(self, x):
        _check_images(self, x, self.unit, 8, "which it halves twice")
        return self.main(x)


class UnetGenerator(nn.Module):
    """The same by a U-Net (Isola et al. 2017): ``depth`` halvings, a way around each; H and W
    multiples of 2^depth.
    """

    def __init__(self, in_channels=3, out_channels=3, width=64, depth=7):
        if not 2 <= depth <= DEEPEST:
            raise ValueError(
                f"UnetGenerator: depth is {depth}, expected at least 2 and at most {DEEPEST}"
            )
        self.in_channels, self.unit = in_channels, 2**depth
        channels = [in_channels] + [width * min(2**i, 8) for i in range(depth)]
        level = None
        for i in reversed(range(depth)):  # from the inside out
            level = _Level(
                channels[i],
                channels[i + 1],
                channels[i] if i else out_channels,
                level,
                outermost=i == 0,
            )
        self.main = level
        dcgan_(self)

    def forward(self, x):
        _check_images(
            self, x, self.unit, self.unit, f"which it halves {self.unit.bit_length() - 1} times"
        )
        return self.main(x)


class _Level(nn.Module):
    """Down, the level below, up, and beside it the input: the way around. No norm at the outer
    and inner ends.
    """

    def __init__(self, outer, inner, out, inside, *, outermost):
        down = [
            nn.LeakyReLU(0.2),
            nn.Conv2d(outer, inner, 4, stride=2, padding=1),
            nn.InstanceNorm2d(inner),
        ]
        down = down[outermost : len(down) - (outermost or inside is None)]
        up = nn.ConvTranspose2d(2 * inner if inside else inner, out, 4, stride=2, padding=1)
        self.main = nn.Sequential(
            *down,
            *([inside] if inside else []),
            nn.ReLU(),
            up,
            nn.Tanh() if outermost else nn.InstanceNorm2d(out),
        )
        self.outermost = outermost

    def forward(self, x):
        return self.main(x) if self.outermost else cat([x, self.main(x)], 1)


class PatchDiscriminator(nn.Module):
    """Images (N, in_channels, H, W) -> scores (N, 1, h, w), each of a patch of 70, 34 or 16
    pixels (n_layers 3, 2, 1).

    C64-C128-C256-C512 with 4x4 kernels: the first n_layers convolutions halve the image, the two
    after them do not.
    """

    def __init__(self, in_channels=3, width=64, n_layers=3):
        if not 1 <= n_layers <= DEEPEST:
            raise ValueError(
                f"PatchDiscriminator: n_layers is {n_layers}, expected at least 1 and at most {DEEPEST}"
            )
        self.in_channels, self.n_layers = in_channels, n_layers
        maps = [width * min(2**i, 8) for i in range(n_layers + 1)]
        layers = [nn.Conv2d(in_channels, width, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        for i, (here, there) in enumerate(zip(maps, maps[1:]), start=1):
            convolution = nn.Conv2d(here, there, 4, stride=2 if i < n_layers else 1, padding=1)
            layers += _normed(convolution, there, nn.LeakyReLU(0.2))
        self.main = nn.Sequential(*layers, nn.Conv2d(maps[-1], 1, 4, stride=1, padding=1))
        dcgan_(self)

    def forward(self, x):
        _check_images(self, x, 1, 3 * 2**self.n_layers, "or no score is left")
        return self.main(x)


def discriminator_loss(real_scores, fake_scores):
    """Half of E[(D(x) - 1)^2] + E[D(fake)^2]: least squares (Mao et al. 2017), halved to slow D
    down.
    """
    return (mse_loss(real_scores, 1.0) + mse_loss(fake_scores, 0.0)) * 0.5


def generator_loss(fake_scores):
    """E[(D(fake) - 1)^2]."""
    return mse_loss(fake_scores, 1.0)


class ImagePool:
    """Shows the discriminator fakes of earlier steps too (Shrivastava et al. 2017), so that it
    unlearns none.

    Once it holds ``size`` images, it answers every other one, by chance, with an older image,
    which it then replaces. shape: (C, H, W) of an image, to which a state is held; None where it
    is not known.
    """

    def __init__(self, size=50, shape=None):
        self.size, self.shape, self.images = size, shape, []

    def __call__(self, images):
        """A batch (N, C, H, W) of fakes -> as many new and older ones, outside the graph."""
        chosen = []
        for image in images.array:
            if len(self.images) < self.size:
                self.images.append(image.copy())
            elif self.size and rng.generator.random() < 0.5:
                i = rng.generator.integers(self.size)
                self.images[i], image = image.copy(), self.images[i]
            chosen.append(image)
        return Tensor(devices.xp.stack(chosen))

    def state_dict(self):
        return {"images": list(self.images)}

    def load_state_dict(self, state):
        """Continue from what ``state_dict`` gave. ValueError for anything else changes nothing."""
        check_names("the image pool's state", state, {"images"})
        images = state["images"]
        if not isinstance(images, list) or len(images) > self.size:
            raise ValueError(
                f"the image pool's state has {_count(images)} images, expected at most {self.size}"
            )
        for image in images:
            shape = self.shape or np.shape(images[0])
            if getattr(image, "dtype", None) != np.float32 or image.shape != shape:
                raise ValueError(
                    f"the image pool's state has {shown(image)}, expected images float32 "
                    f"{self.shape or 'of one shape'}"
                )
        self.images = [devices.xp.asarray(image) for image in images]


def _count(images):
    return len(images) if isinstance(images, list) else shown(images)
