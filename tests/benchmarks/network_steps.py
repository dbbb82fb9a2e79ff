"""Training steps of the networks in networks.py, for either library: see bound.py.

Each function builds networks, and returns their step: a function that trains them once, with all
losses that the paper's algorithm has, and returns the losses.
"""

import lib
import numpy as np
from bound import bind

networks = bind("networks", lib)
F = lib.nn.functional
bce = F.binary_cross_entropy_with_logits


def adam(*models, lr=2e-4, betas=(0.5, 0.999)):
    parameters = []
    for model in models:
        parameters += list(model.parameters())
    return lib.optim.Adam(parameters, lr=lr, betas=betas)


def numbers(*shape, seed=0):
    """Uniform numbers in (-1, 1), float32."""
    rng = np.random.default_rng(seed)
    return lib.tensor(rng.uniform(-1, 1, shape).astype("float32"))


def update(optimizer, loss):
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def freeze(model, frozen=True):
    for parameter in model.parameters():
        parameter.requires_grad_(not frozen)


def game(generator, discriminator, latents, real):
    """The step of a GAN with the loss on logits."""
    d_optimizer = adam(discriminator)
    g_optimizer = adam(generator)

    def step():
        fake = generator(lib.randn(*latents))
        logits = discriminator(real)
        fake_logits = discriminator(fake.detach())
        d_loss = bce(logits, lib.ones_like(logits))
        d_loss = d_loss + bce(fake_logits, lib.zeros_like(fake_logits))
        update(d_optimizer, d_loss)
        freeze(discriminator)
        logits = discriminator(fake)
        g_loss = bce(logits, lib.ones_like(logits))
        update(g_optimizer, g_loss)
        freeze(discriminator, False)
        return d_loss.item(), g_loss.item()

    return step


def mlp(batch=64):
    hidden = perceptron = networks.perceptron
    generator = lib.nn.Sequential(hidden(100, 256, 512, 784), lib.nn.Tanh())
    discriminator = perceptron(784, 512, 256, 1)
    return game(generator, discriminator, (batch, 100), numbers(batch, 784))


def dcgan(batch=32):
    generator = networks.dcgan_generator()
    discriminator = networks.dcgan_discriminator()
    return game(generator, discriminator, (batch, 100, 1, 1), numbers(batch, 3, 64, 64))


def wgan_gp(batch=64, width=64):
    """One update of the critic: a gradient of a gradient."""
    critic = networks.wgan_critic(width)
    optimizer = adam(critic, lr=1e-4, betas=(0.0, 0.9))
    real = numbers(batch, 3, 32, 32)
    fake = numbers(batch, 3, 32, 32, seed=1)

    def step():
        t = lib.rand(batch, 1, 1, 1)
        between = t * real + (1 - t) * fake
        between = between.detach().requires_grad_()
        scores = critic(between)
        (slopes,) = lib.autograd.grad(scores.sum(), between, create_graph=True)
        squares = (slopes * slopes).sum((1, 2, 3))
        penalty = ((squares.sqrt() - 1) ** 2).mean()
        loss = critic(fake).mean() - critic(real).mean() + 10 * penalty
        update(optimizer, loss)
        return (loss.item(),)

    return step


def cyclegan(size, width, blocks, batch):
    """Both generators with adversarial, cycle and identity losses, then both discriminators."""
    G = networks.cyclegan_generator(width, blocks)
    H = networks.cyclegan_generator(width, blocks)
    D_A = networks.patch_discriminator(width=width)
    D_B = networks.patch_discriminator(width=width)
    g_optimizer = adam(G, H)
    d_optimizer = adam(D_A, D_B)
    a = numbers(batch, 3, size, size)
    b = numbers(batch, 3, size, size, seed=1)

    def distance(scores, target):
        return ((scores - target) ** 2).mean()

    def step():
        freeze(D_A)
        freeze(D_B)
        fake_b = G(a)
        fake_a = H(b)
        loss = distance(D_B(fake_b), 1) + distance(D_A(fake_a), 1)
        cycle = F.l1_loss(H(fake_b), a) + F.l1_loss(G(fake_a), b)
        identity = F.l1_loss(G(b), b) + F.l1_loss(H(a), a)
        g_loss = loss + 10 * cycle + 5 * identity
        update(g_optimizer, g_loss)
        freeze(D_A, False)
        freeze(D_B, False)
        of_a = distance(D_A(a), 1) + distance(D_A(fake_a.detach()), 0)
        of_b = distance(D_B(b), 1) + distance(D_B(fake_b.detach()), 0)
        d_loss = 0.5 * (of_a + of_b)
        update(d_optimizer, d_loss)
        return g_loss.item(), d_loss.item()

    return step


def sngan(batch=64):
    """Hinge losses."""
    generator = networks.SNGenerator()
    discriminator = networks.SNDiscriminator()
    g_optimizer = adam(generator, betas=(0.0, 0.9))
    d_optimizer = adam(discriminator, betas=(0.0, 0.9))
    real = numbers(batch, 3, 32, 32)

    def step():
        fake = generator(lib.randn(batch, 128))
        d_loss = F.relu(1 - discriminator(real)).mean()
        d_loss = d_loss + F.relu(1 + discriminator(fake.detach())).mean()
        update(d_optimizer, d_loss)
        freeze(discriminator)
        g_loss = -discriminator(fake).mean()
        update(g_optimizer, g_loss)
        freeze(discriminator, False)
        return d_loss.item(), g_loss.item()

    return step


def pix2pix(batch=4):
    generator = networks.unet()
    norm = lib.nn.BatchNorm2d
    discriminator = networks.patch_discriminator(inputs=6, norm=norm)
    g_optimizer = adam(generator)
    d_optimizer = adam(discriminator)
    a = numbers(batch, 3, 64, 64)
    b = numbers(batch, 3, 64, 64, seed=1)

    def step():
        fake = generator(a)
        logits = discriminator(lib.cat([a, b], 1))
        fake_logits = discriminator(lib.cat([a, fake.detach()], 1))
        d_loss = bce(logits, lib.ones_like(logits))
        d_loss = d_loss + bce(fake_logits, lib.zeros_like(fake_logits))
        update(d_optimizer, d_loss)
        freeze(discriminator)
        logits = discriminator(lib.cat([a, fake], 1))
        g_loss = bce(logits, lib.ones_like(logits)) + 100 * F.l1_loss(fake, b)
        update(g_optimizer, g_loss)
        freeze(discriminator, False)
        return d_loss.item(), g_loss.item()

    return step


def srresnet(batch=4):
    """The pretraining by the mean squared error."""
    network = networks.srresnet()
    optimizer = adam(network, lr=1e-4, betas=(0.9, 0.999))
    small = numbers(batch, 3, 24, 24)
    large = numbers(batch, 3, 96, 96, seed=1)

    def step():
        loss = F.mse_loss(network(small), large)
        update(optimizer, loss)
        return (loss.item(),)

    return step


def modulated(batch=16, maps=128):
    """A StyleGAN2 block, forward and backward."""
    block = networks.ModulatedBlock(maps)
    x = numbers(batch, maps, 32, 32).requires_grad_()
    w = numbers(batch, 512, seed=1)
    optimizer = adam(block)

    def step():
        x.grad = None
        loss = block(x, w).mean()
        update(optimizer, loss)
        return (loss.item(),)

    return step
