"""Train a DCGAN (Radford et al. 2015) by Algorithm 1 of Goodfellow et al. 2014.

    python examples/train_dcgan.py                                # real digits, in minutes
    python examples/train_dcgan.py --data photos/ --steps 50000   # your own images
    python examples/train_dcgan.py --resume                       # go on after Ctrl-C

With --data the defaults are the paper's. On the bundled digits, 1,437 small images, they are what
three minutes need. Two additions to the paper: samples are drawn with an exponential moving average
of the generator's weights (Yazici et al. 2019), and on the digits the discriminator pays for steep
slopes at real images (R1, Mescheder et al. 2018), because with so few images it would overfit.
"""

from minigan import training
from minigan.evaluation.report import print_quality
from minigan.models import dcgan
from minigan.models.dcgan import discriminator_loss, generator_loss, r1_penalty
from minigan.optim import Adam, ExponentialMovingAverage
from minigan.training import not_negative

PAPER = dict(steps=20000, batch_size=128, image_size=64, width=64, lr=2e-4, beta1=0.5, r1=0.0)
PAPER |= dict(latent_dim=100, latent="uniform", augment="", average=0.999)
DIGITS = PAPER | dict(steps=3000, batch_size=64, image_size=16, width=16, lr=2e-3, r1=0.5)
OPTIONS = [
    ("--r1", not_negative, "weight of the R1 penalty"),
]
R1_EVERY = 4  # the penalty is taken every fourth step, four times as large (Karras et al. 2020)


def main(argv=None):
    args = training.parse("dcgan", __doc__, OPTIONS, PAPER, DIGITS, argv)
    batches, image_arguments = training.images(args)
    architecture = {"latent_dim": args.latent_dim, **image_arguments, "width": args.width}
    G, D = training.networks(args, architecture, dcgan.Generator, dcgan.Discriminator)
    judge = training.augmented(args, D)
    G_average = ExponentialMovingAverage(G, args.average)
    G_optimizer = Adam(G.parameters(), args.lr, betas=(args.beta1, 0.999))
    D_optimizer = Adam(D.parameters(), args.lr, betas=(args.beta1, 0.999))
    latents = training.latents(args)
    session = training.session(
        args,
        architecture,
        latents,
        G_average,
        generator=G,
        discriminator=D,
        batches=batches,
        generator_optimizer=G_optimizer,
        discriminator_optimizer=D_optimizer,
    )
    for step in session:
        # Sample a minibatch of noise z and a minibatch of examples x.
        z = latents(args.batch_size)
        x = next(batches)

        # Update the discriminator by ascending its stochastic gradient of
        # log D(x) + log(1 - D(G(z))).
        fake = G(z)
        d_loss = discriminator_loss(judge(x), judge(fake.detach()))
        if args.r1 and step % R1_EVERY == 0:
            D_optimizer.minimize(d_loss, r1_penalty(judge, x, weight=args.r1 * R1_EVERY))
        else:
            D_optimizer.minimize(d_loss)

        # Update the generator by ascending its stochastic gradient of log D(G(z)), on the same z.
        g_loss = generator_loss(judge(fake))
        G_optimizer.minimize(g_loss)
        G_average.update(G)

        session.log(d_loss=d_loss, g_loss=g_loss)

    print_quality(args, session, G_average)


if __name__ == "__main__":
    training.program(main, output="progress")
