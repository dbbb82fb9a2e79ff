"""Networks of many GANs in the calling forms that minigan and PyTorch share.

`lib` is one of the two libraries: see bound.py, which runs this text once for each.
"""

import lib

nn = lib.nn
F = nn.functional

# ---- perceptron and DCGAN ------------------------------------------------------------------------


def perceptron(*sizes):
    """Linear layers with LeakyReLU between them."""
    layers = []
    for inputs, outputs in zip(sizes, sizes[1:]):
        layers += [
            nn.Linear(inputs, outputs),
            nn.LeakyReLU(0.2),
        ]
    return nn.Sequential(*layers[:-1])


def dcgan_generator(latent_dim=100, width=64):
    """(N, latent_dim, 1, 1) -> (N, 3, 64, 64)."""
    maps = 8 * width
    layers = [
        nn.ConvTranspose2d(latent_dim, maps, 4, 1, 0, bias=False),
    ]
    layers += [
        nn.BatchNorm2d(maps),
        nn.ReLU(True),
    ]
    for _ in range(3):
        layers.append(nn.ConvTranspose2d(maps, maps // 2, 4, 2, 1, bias=False))
        maps //= 2
        layers += [
            nn.BatchNorm2d(maps),
            nn.ReLU(True),
        ]
    layers += [
        nn.ConvTranspose2d(maps, 3, 4, 2, 1, bias=False),
        nn.Tanh(),
    ]
    return nn.Sequential(*layers)


def dcgan_discriminator(width=64):
    """(N, 3, 64, 64) -> (N, 1, 1, 1)."""
    layers = [
        nn.Conv2d(3, width, 4, 2, 1, bias=False),
        nn.LeakyReLU(0.2, True),
    ]
    maps = width
    for _ in range(3):
        layers.append(nn.Conv2d(maps, 2 * maps, 4, 2, 1, bias=False))
        maps *= 2
        layers += [
            nn.BatchNorm2d(maps),
            nn.LeakyReLU(0.2, True),
        ]
    layers.append(nn.Conv2d(maps, 1, 4, 1, 0, bias=False))
    return nn.Sequential(*layers)


def wgan_critic(width=64):
    """(N, 3, 32, 32) -> (N, 1, 1, 1), with layer norm as for the gradient penalty."""
    layers = [
        nn.Conv2d(3, width, 4, 2, 1),
        nn.LeakyReLU(0.2),
    ]
    maps = width
    for side in (8, 4):
        layers.append(nn.Conv2d(maps, 2 * maps, 4, 2, 1, bias=False))
        maps *= 2
        layers += [
            nn.LayerNorm((maps, side, side)),
            nn.LeakyReLU(0.2),
        ]
    layers.append(nn.Conv2d(maps, 1, 4))
    return nn.Sequential(*layers)


# ---- CycleGAN ------------------------------------------------------------------------------------


class Residual(nn.Module):
    """x + main(x)."""

    def __init__(self, *layers):
        super().__init__()
        self.main = nn.Sequential(*layers)

    def forward(self, x):
        return x + self.main(x)


def cyclegan_block(maps):
    return Residual(
        nn.ReflectionPad2d(1),
        nn.Conv2d(maps, maps, 3),
        nn.InstanceNorm2d(maps),
        nn.ReLU(True),
        nn.ReflectionPad2d(1),
        nn.Conv2d(maps, maps, 3),
        nn.InstanceNorm2d(maps),
    )


def cyclegan_generator(width=64, blocks=9):
    """(N, 3, H, W) -> (N, 3, H, W): the authors' residual generator."""
    layers = [
        nn.ReflectionPad2d(3),
        nn.Conv2d(3, width, 7),
    ]
    layers += [
        nn.InstanceNorm2d(width),
        nn.ReLU(True),
    ]
    maps = width
    for _ in range(2):
        layers.append(nn.Conv2d(maps, 2 * maps, 3, 2, 1))
        maps *= 2
        layers += [
            nn.InstanceNorm2d(maps),
            nn.ReLU(True),
        ]
    for _ in range(blocks):
        layers.append(cyclegan_block(maps))
    for _ in range(2):
        layers.append(nn.ConvTranspose2d(maps, maps // 2, 3, 2, 1, output_padding=1))
        maps //= 2
        layers += [
            nn.InstanceNorm2d(maps),
            nn.ReLU(True),
        ]
    layers += [
        nn.ReflectionPad2d(3),
        nn.Conv2d(maps, 3, 7),
        nn.Tanh(),
    ]
    return nn.Sequential(*layers)


def patch_discriminator(inputs=3, width=64, norm=nn.InstanceNorm2d):
    """(N, inputs, H, W) -> a score for each patch of 70 pixels."""
    layers = [
        nn.Conv2d(inputs, width, 4, 2, 1),
        nn.LeakyReLU(0.2, True),
    ]
    maps = width
    for stride in (2, 2, 1):
        layers.append(nn.Conv2d(maps, 2 * maps, 4, stride, 1))
        maps *= 2
        layers += [
            norm(maps),
            nn.LeakyReLU(0.2, True),
        ]
    layers.append(nn.Conv2d(maps, 1, 4, 1, 1))
    return nn.Sequential(*layers)


# ---- SN-GAN --------------------------------------------------------------------------------------


def spectral_conv(*arguments):
    return nn.utils.spectral_norm(nn.Conv2d(*arguments))


class UpBlock(nn.Module):
    """(N, maps, H, W) -> (N, maps, 2 H, 2 W)."""

    def __init__(self, maps):
        super().__init__()
        self.norm1 = nn.BatchNorm2d(maps)
        self.conv1 = nn.Conv2d(maps, maps, 3, 1, 1)
        self.norm2 = nn.BatchNorm2d(maps)
        self.conv2 = nn.Conv2d(maps, maps, 3, 1, 1)
        self.shortcut = nn.Conv2d(maps, maps, 1)

    def forward(self, x):
        h = F.relu(self.norm1(x))
        h = F.interpolate(h, scale_factor=2)
        h = self.conv1(h)
        h = F.relu(self.norm2(h))
        h = self.conv2(h)
        return h + self.shortcut(F.interpolate(x, scale_factor=2))


class DownBlock(nn.Module):
    """(N, inputs, H, W) -> (N, maps, H / 2, W / 2), or the same size without `halves`."""

    def __init__(self, inputs, maps, is_first=False, halves=True):
        super().__init__()
        self.is_first = is_first
        self.halves = halves
        self.conv1 = spectral_conv(inputs, maps, 3, 1, 1)
        self.conv2 = spectral_conv(maps, maps, 3, 1, 1)
        self.shortcut = spectral_conv(inputs, maps, 1) if halves else nn.Identity()

    def half(self, x):
        return F.avg_pool2d(x, 2) if self.halves else x

    def forward(self, x):
        h = x if self.is_first else F.relu(x)
        h = self.conv1(h)
        h = F.relu(h)
        h = self.conv2(h)
        h = self.half(h)
        if self.is_first:
            return h + self.shortcut(self.half(x))
        return h + self.half(self.shortcut(x))


class SNGenerator(nn.Module):
    """(N, 128) -> (N, 3, 32, 32)."""

    def __init__(self, maps=128):
        super().__init__()
        self.maps = maps
        self.linear = nn.Linear(128, 16 * maps)
        self.blocks = nn.Sequential(UpBlock(maps), UpBlock(maps), UpBlock(maps))
        self.norm = nn.BatchNorm2d(maps)
        self.conv = nn.Conv2d(maps, 3, 3, 1, 1)

    def forward(self, z):
        h = self.linear(z)
        h = h.view(len(z), self.maps, 4, 4)
        h = self.blocks(h)
        h = F.relu(self.norm(h))
        return self.conv(h).tanh()


class SNDiscriminator(nn.Module):
    """(N, 3, 32, 32) -> (N, 1)."""

    def __init__(self, maps=128):
        super().__init__()
        self.blocks = nn.Sequential(
            DownBlock(3, maps, is_first=True),
            DownBlock(maps, maps),
            DownBlock(maps, maps, halves=False),
            DownBlock(maps, maps, halves=False),
        )
        self.linear = nn.utils.spectral_norm(nn.Linear(maps, 1))

    def forward(self, x):
        h = F.relu(self.blocks(x))
        h = h.sum((2, 3))
        return self.linear(h)


# ---- pix2pix -------------------------------------------------------------------------------------


class Level(nn.Module):
    """A level of a U-Net: down, the level within, up, beside its input."""

    def __init__(self, outer, inner, within=None, dropout=False):
        super().__init__()
        layers = [
            nn.LeakyReLU(0.2),
            nn.Conv2d(outer, inner, 4, 2, 1, bias=False),
        ]
        maps = inner
        if within is not None:
            layers += [
                nn.BatchNorm2d(inner),
                within,
            ]
            maps = 2 * inner
        layers += [
            nn.ReLU(),
            nn.ConvTranspose2d(maps, outer, 4, 2, 1, bias=False),
        ]
        layers.append(nn.BatchNorm2d(outer))
        if dropout:
            layers.append(nn.Dropout(0.5))
        self.main = nn.Sequential(*layers)

    def forward(self, x):
        return lib.cat([x, self.main(x)], 1)


def unet(width=64):
    """(N, 3, 64, 64) -> (N, 3, 64, 64), down to one pixel."""
    level = Level(8 * width, 8 * width)
    level = Level(8 * width, 8 * width, level, dropout=True)
    level = Level(4 * width, 8 * width, level)
    level = Level(2 * width, 4 * width, level)
    level = Level(width, 2 * width, level)
    return nn.Sequential(
        nn.Conv2d(3, width, 4, 2, 1),
        level,
        nn.ReLU(),
        nn.ConvTranspose2d(2 * width, 3, 4, 2, 1),
        nn.Tanh(),
    )


# ---- SRResNet ------------------------------------------------------------------------------------


def srresnet_block(maps):
    return Residual(
        nn.Conv2d(maps, maps, 3, 1, 1, bias=False),
        nn.BatchNorm2d(maps),
        nn.PReLU(),
        nn.Conv2d(maps, maps, 3, 1, 1, bias=False),
        nn.BatchNorm2d(maps),
    )


def srresnet(maps=64, blocks=16):
    """(N, 3, H, W) -> (N, 3, 4 H, 4 W)."""
    body = [srresnet_block(maps) for _ in range(blocks)]
    body += [
        nn.Conv2d(maps, maps, 3, 1, 1, bias=False),
        nn.BatchNorm2d(maps),
    ]
    layers = [
        nn.Conv2d(3, maps, 9, 1, 4),
        nn.PReLU(),
        Residual(*body),
    ]
    for _ in range(2):
        layers.append(nn.Conv2d(maps, 4 * maps, 3, 1, 1))
        layers += [
            nn.PixelShuffle(2),
            nn.PReLU(),
        ]
    layers.append(nn.Conv2d(maps, 3, 9, 1, 4))
    return nn.Sequential(*layers)


# ---- StyleGAN2 -----------------------------------------------------------------------------------


class ModulatedBlock(nn.Module):
    """Scale by the style, convolve, scale back: (N, maps, H, W), w (N, 512) -> (N, maps, H, W)."""

    def __init__(self, maps=128):
        super().__init__()
        self.style = nn.Linear(512, maps)
        self.conv = nn.Conv2d(maps, maps, 3, 1, 1, bias=False)
        self.bias = nn.Parameter(lib.zeros(1, maps, 1, 1))

    def forward(self, x, w):
        scale = self.style(w) + 1
        weight = self.conv.weight
        squares = (weight * weight).sum((2, 3))  # (K, C)
        power = (scale * scale) @ squares.t()  # (N, K)
        demodulation = lib.rsqrt(power + 1e-8)
        h = x * scale[:, :, None, None]
        h = self.conv(h)
        h = h * demodulation[:, :, None, None]
        return F.leaky_relu(h + self.bias, 0.2)
