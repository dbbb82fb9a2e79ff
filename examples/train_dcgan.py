"""Train a DCGAN (Radford et al. 2015) by Algorithm 1 of Goodfellow et al. 2014.

    python examples/train_dcgan.py                                   # real handwritten digits, minutes on two cores
    python examples/train_dcgan.py --data photos/ --steps 50000      # your own images, with the paper's settings
    python examples/train_dcgan.py --resume                          # go on after Ctrl-C

With --data the defaults are the paper's; on the bundled digits, 1,437 small images, they are what
three minutes need. Two additions to the paper: samples are drawn with an exponential moving
average of the generator's weights (Yazici et al. 2019), and on the digits the discriminator pays
for steep slopes at real images (R1, Mescheder et al. 2018), every fourth step four times as much
(Karras et al. 2020): a discriminator that knows so few images by heart teaches nothing.
"""

import numpy as np

import minigan as mg
from minigan import data, models
from minigan.evaluation.report import measure
from minigan.models.dcgan import discriminator_loss, generator_loss, r1_penalty
from minigan.optim import Adam, ExponentialMovingAverage
from minigan.training import command_line, run
from minigan.training.sampling import PRIORS, draw_latents, generate

PAPER = dict(steps=20000, batch_size=128, image_size=64, width=64, lr=2e-4, r1=0.0)
DIGITS = dict(steps=3000, batch_size=64, image_size=16, width=16, lr=2e-3, r1=0.5)
R1_EVERY = 4


def parse(argv=None):
    data_only = command_line.Parser(add_help=False)
    data_only.add_argument("--data", type=command_line.data_name, default="digits")
    name = data_only.parse_known_args(argv)[0].data
    parser = command_line.parser("dcgan", __doc__, data=name)
    parser.add_argument(
        "--image-size",
        type=command_line.at_least(1),
        help="16, 32, 64 or 128 (default: %(default)s)",
    )
    parser.add_argument("--latent-dim", type=command_line.at_least(1), default=100)
    parser.add_argument(
        "--latent", choices=PRIORS, default="uniform", help="the prior p(z) (default: %(default)s)"
    )
    parser.add_argument(
        "--width",
        type=command_line.at_least(1),
        help="feature maps of the narrowest layer (%(default)s)",
    )
    parser.add_argument(
        "--lr", type=command_line.positive, help="Adam's learning rate (default: %(default)s)"
    )
    parser.add_argument("--beta1", type=command_line.fraction, default=0.5)
    parser.add_argument(
        "--average",
        type=command_line.fraction,
        default=0.999,
        help="decay of G's average (%(default)s)",
    )
    parser.add_argument(
        "--r1",
        type=command_line.not_negative,
        help="weight of the R1 penalty (default: %(default)s)",
    )
    parser.set_defaults(**DIGITS if name == "digits" else PAPER)
    return command_line.parse(parser, argv)


def main(argv=None):
    args = parse(argv)
    with command_line.one_sentence():
        dataset = data.load(args.data, image_size=args.image_size, data_dir=args.data_dir)
        batches = data.Batches(dataset.images, args.batch_size, seed=args.seed)
        architecture = dict(
            latent_dim=args.latent_dim,
            image_size=args.image_size,
            channels=dataset.images.shape[1],
            width=args.width,
        )
        networks = args.networks_module or models.dcgan
        G, D = (
            models.build(network, architecture, args.room)
            for network in (networks.Generator, networks.Discriminator)
        )
    G_average = ExponentialMovingAverage(G, args.average)
    G_average.module.eval()
    G_optimizer = Adam(G.parameters(), args.lr, betas=(args.beta1, 0.999))
    D_optimizer = Adam(D.parameters(), args.lr, betas=(args.beta1, 0.999))

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

    for step in session:
        # Sample a minibatch of noise z and a minibatch of examples x.
        z = mg.tensor(noise(args.batch_size))
        x = mg.tensor(next(batches))

        # Update the discriminator by ascending its stochastic gradient of log D(x) + log(1 -
        # D(G(z))).
        fake = G(z)
        d_loss = discriminator_loss(D(x), D(fake.detach()))
        D_optimizer.zero_grad()
        d_loss.backward()
        if args.r1 and step % R1_EVERY == 0:
            r1_penalty(D, x, weight=args.r1 * R1_EVERY).backward()
        D_optimizer.step()

        # Update the generator by ascending its stochastic gradient of log D(G(z)), on the same
        # noise.
        D.requires_grad_(False)
        g_loss = generator_loss(D(fake))
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
