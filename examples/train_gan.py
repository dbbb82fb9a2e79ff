"""Train the first GAN, two multilayer perceptrons, by Algorithm 1 of Goodfellow et al. 2014.

    python examples/train_gan.py                               # real digits, in minutes
    python examples/train_gan.py --data mnist --steps 100000   # the paper's networks and settings
    python examples/train_gan.py --resume                      # go on after Ctrl-C

With --data the defaults are the paper's. On the bundled digits the networks are smaller. Samples
are drawn with an average of G's weights (Yazici et al. 2019): --average 0 is the paper's way.
"""

from minigan import training
from minigan.evaluation.report import print_quality
from minigan.models import gan
from minigan.models.gan import discriminator_loss, generator_loss
from minigan.optim import SGD, ExponentialMovingAverage, decayed
from minigan.training import FLAG, at_least, at_least_one, chosen, fraction

PAPER = dict(steps=100000, batch_size=100, image_size=28, hidden=1200, units=240, pieces=5)
PAPER |= dict(latent_dim=100, latent="normal", pack=1, k=1, head_start=0, minimax=False)
PAPER |= dict(lr=0.1, lr_decay=1.000004, momentum=0.5, last_momentum=0.7, momentum_epochs=250)
PAPER |= dict(average=0.999, augment="", checkpoint_every=1000)
DIGITS = PAPER | dict(steps=10000, batch_size=64, image_size=8, hidden=256, units=128)
DIGITS |= dict(log_every=200, sample_every=500, checkpoint_every=500)
OPTIONS = [
    ("--units", at_least(1), "maxout units in each layer of D"),
    ("--pieces", at_least(1), "linear pieces of a maxout unit"),
    ("--pack", at_least(1), "how many images D judges as one (PacGAN)"),
    ("--k", at_least(1), "steps of D to each of G"),
    ("--head-start", at_least(0), "steps of D before the first of G"),
    ("--minimax", FLAG, "G descends log(1 - D(G(z))), instead of ascending log D(G(z))"),
    ("--lr-decay", at_least_one, "what the learning rate is divided by after each step"),
    ("--momentum", fraction, "the first momentum"),
    ("--last-momentum", fraction, "the momentum after --momentum-epochs"),
    ("--momentum-epochs", at_least(1), "epochs in which the momentum grows to its last value"),
]


def main(argv=None):
    args = training.parse("gan", __doc__, OPTIONS, PAPER, DIGITS, argv)
    if args.batch_size % args.pack:
        training.refuse(f"--batch-size {args.batch_size} is not a multiple of --pack {args.pack}")
    batches, image_arguments = training.images(args)
    layers = chosen(args, "hidden units pieces pack")
    architecture = {"latent_dim": args.latent_dim, **image_arguments, **layers}
    G, D = training.networks(args, architecture, gan.Generator, gan.Discriminator)
    judge = training.augmented(args, D)
    G_average = ExponentialMovingAverage(G, args.average)
    G_optimizer = SGD(G.parameters(), args.lr)
    D_optimizer = SGD(D.parameters(), args.lr)
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
        grown = min(1, batches.epoch / args.momentum_epochs)
        for optimizer in (G_optimizer, D_optimizer):
            optimizer.lr = decayed(args.lr, args.lr_decay, steps=step - 1)
            optimizer.momentum = args.momentum + (args.last_momentum - args.momentum) * grown

        for _ in range(args.k + (args.head_start if step == 1 else 0)):
            # Sample a minibatch of noise z and one of examples x. Update the discriminator by
            # ascending its stochastic gradient of log D(x) + log(1 - D(G(z))).
            z = latents(args.batch_size)
            x = next(batches)
            d_loss = discriminator_loss(judge(x), judge(G(z).detach()))
            D_optimizer.minimize(d_loss)

        # Sample a minibatch of noise z. Update G by ascending the gradient of log D(G(z)).
        z = latents(args.batch_size)
        g_loss = generator_loss(judge(G(z)), minimax=args.minimax)
        G_optimizer.minimize(g_loss)
        G_average.update(G)
        session.log(d_loss=d_loss, g_loss=g_loss)
    print_quality(args, session, G_average)


if __name__ == "__main__":
    training.program(main, output="progress")
