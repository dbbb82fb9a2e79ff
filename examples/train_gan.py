"""Train the first GAN, two multilayer perceptrons, by Algorithm 1 of Goodfellow et al. 2014.

    python examples/train_gan.py                                # real handwritten digits, minutes on two cores
    python examples/train_gan.py --data mnist --steps 100000    # the paper's networks and settings
    python examples/train_gan.py --resume                       # go on after Ctrl-C

With --data the defaults are the paper's, or its authors' code's; on the bundled digits, 1,437
images of 8 x 8 pixels, the networks are smaller. Samples are drawn with an exponential moving
average of the generator's weights (Yazici et al. 2019), which the paper does not have: --average
0 leaves it out.
"""

import math

import numpy as np

import minigan as mg
from minigan import data, models
from minigan.evaluation.report import measure
from minigan.models.gan import discriminator_loss, generator_loss
from minigan.optim import SGD, ExponentialMovingAverage
from minigan.training import command_line, run
from minigan.training.sampling import PRIORS, draw_latents, generate

PAPER = dict(
    steps=100000,
    batch_size=100,
    image_size=28,
    hidden=1200,
    units=240,
    lr=0.1,
    checkpoint_every=1000,
)
DIGITS = dict(
    steps=10000,
    batch_size=64,
    image_size=8,
    hidden=256,
    units=128,
    lr=0.1,
    log_every=200,
    sample_every=500,
)


def parse(argv=None):
    data_only = command_line.Parser(add_help=False)
    data_only.add_argument("--data", type=command_line.data_name, default="digits")
    name = data_only.parse_known_args(argv)[0].data
    parser = command_line.parser("gan", __doc__, data=name)

    def add(option, type, help, default=None):
        parser.add_argument(
            option, type=type, default=default, help=f"{help} (default: %(default)s)"
        )

    add("--image-size", command_line.at_least(1), "height and width to which images are resized")
    add("--latent-dim", command_line.at_least(1), "the length of z", 100)
    parser.add_argument(
        "--latent", choices=PRIORS, default="normal", help="the prior p(z) (default: %(default)s)"
    )
    add("--hidden", command_line.at_least(1), "units in each layer of G")
    add("--units", command_line.at_least(1), "maxout units in each layer of D")
    add("--pieces", command_line.at_least(1), "linear pieces of a maxout unit", 5)
    add("--pack", command_line.at_least(1), "how many images D judges as one (PacGAN)", 1)
    add("--k", command_line.at_least(1), "steps of D to each of G", 1)
    add("--head-start", command_line.at_least(0), "steps of D before the first of G", 0)
    parser.add_argument(
        "--minimax",
        action="store_true",
        help="G descends log(1 - D(G(z))) as in the game's formula, "
        "instead of ascending log D(G(z)) as the paper advises",
    )
    add("--lr", command_line.positive, "the first learning rate")
    add(
        "--lr-decay",
        command_line.at_least_one,
        "what it is divided by after each step, down to 1e-6",
        1.000004,
    )
    add("--momentum", command_line.fraction, "the first momentum", 0.5)
    add("--last-momentum", command_line.fraction, "the momentum after so many epochs:", 0.7)
    add(
        "--momentum-epochs",
        command_line.at_least(1),
        "epochs in which the momentum grows to its last value",
        250,
    )
    add("--average", command_line.fraction, "decay of G's average", 0.999)
    parser.set_defaults(**DIGITS if name == "digits" else PAPER)
    args = command_line.parse(parser, argv)
    if args.batch_size % args.pack:
        parser.error(f"--batch-size {args.batch_size} is no multiple of --pack {args.pack}")
    return args


def main(argv=None):
    args = parse(argv)
    with command_line.one_sentence():
        dataset = data.load(args.data, image_size=args.image_size, data_dir=args.data_dir)
        batches = data.Batches(dataset.images, args.batch_size, seed=args.seed)
        architecture = dict(
            latent_dim=args.latent_dim,
            image_size=args.image_size,
            channels=dataset.images.shape[1],
            hidden=args.hidden,
            units=args.units,
            pieces=args.pieces,
            pack=args.pack,
        )
        networks = args.networks_module or models.gan
        G, D = (
            models.build(network, architecture, args.room)
            for network in (networks.Generator, networks.Discriminator)
        )
    G_average = ExponentialMovingAverage(G, args.average)
    G_average.module.eval()
    G_optimizer, D_optimizer = SGD(G.parameters(), args.lr), SGD(D.parameters(), args.lr)

    def noise(m, generator=mg.rng.generator):
        return PRIORS[args.latent](generator, (m, args.latent_dim)).astype(np.float32)

    fixed_noise = noise(64, np.random.default_rng(args.seed))
    session = run.Run(
        args,
        state={
            "generator": G,
            "average": G_average,
            "discriminator": D,
            "batches": batches,
            "generator_optimizer": G_optimizer,
            "discriminator_optimizer": D_optimizer,
        },
        architecture=architecture,
        sample=lambda: generate(G_average.module, fixed_noise),
        sampling={"network": "average", "batch_statistics": "running", "latent": args.latent},
    )

    # After so many steps the learning rate stays at 1e-6, and a power of more would be too large
    # for a float.
    decaying = 0
    if args.lr_decay > 1:
        decaying = max(0, math.ceil((math.log(args.lr) - math.log(1e-6)) / math.log(args.lr_decay)))

    for step in session:
        for optimizer in (G_optimizer, D_optimizer):
            optimizer.lr = max(args.lr / args.lr_decay ** min(step - 1, decaying), 1e-6)
            optimizer.momentum = args.momentum + (args.last_momentum - args.momentum) * min(
                1, batches.epoch / args.momentum_epochs
            )

        for _ in range(args.k + (args.head_start if step == 1 else 0)):
            # Sample a minibatch of noise z and a minibatch of examples x.
            z = mg.tensor(noise(args.batch_size))
            x = mg.tensor(next(batches))

            # Update the discriminator by ascending its stochastic gradient of log D(x) + log(1 -
            # D(G(z))).
            d_loss = discriminator_loss(D(x), D(G(z).detach()))
            D_optimizer.zero_grad()
            d_loss.backward()
            D_optimizer.step()

        # Sample a minibatch of noise z; update the generator by ascending its stochastic gradient
        # of log D(G(z)).
        z = mg.tensor(noise(args.batch_size))
        D.requires_grad_(False)
        g_loss = generator_loss(D(G(z)), minimax=args.minimax)
        G_optimizer.zero_grad()
        g_loss.backward()
        G_optimizer.step()
        D.requires_grad_(True)
        G_average.update(G)

        session.log(d_loss=d_loss, g_loss=g_loss)

    if (
        not args.quiet and args.data == "digits"
    ):  # seconds here; for other data there is examples/evaluate.py
        print(
            measure(
                generate(G_average.module, draw_latents(1000, session.about, seed=0)), args.data
            )
        )
        print(f"see {session.out / 'samples.png'}")


if __name__ == "__main__":
    command_line.program(main, output="progress")
