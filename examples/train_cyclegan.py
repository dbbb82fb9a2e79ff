"""Train a CycleGAN (Zhu et al. 2017): translation between two kinds of images without a single
pair.

    python examples/train_cyclegan.py                                # drawn digits <-> embossed digits, in minutes
    python examples/train_cyclegan.py --data horse2zebra             # downloaded once; or a folder with trainA, trainB
    python examples/train_cyclegan.py --data-a summer/ --data-b winter/ --image-size 128 --blocks 6
    python examples/train_cyclegan.py --resume                       # go on after Ctrl-C
    python examples/translate.py runs/cyclegan --direction AtoB --input photos/ --out translated/

With --data, or --data-a and --data-b, the defaults are the paper's: photographs of 256 pixels,
200 epochs of a thousand images, work for a GPU. The bundled task is small, 32 pixels and two
colours: two residual blocks see a whole stroke, patches of 16 pixels show its relief, a quarter
of the feature maps will do, and with so few the learning rate may be five times as high. A digit
that is mirrored is no digit, so there is no flip and no crop.
"""

import argparse

import numpy as np

import minigan as mg
from minigan import data, models
from minigan.data import pairs
from minigan.evaluation.translation import report
from minigan.functional import l1_loss
from minigan.models.cyclegan import (
    ImagePool,
    PatchDiscriminator,
    discriminator_loss,
    generator_loss,
)
from minigan.optim import Adam, ConstantThenLinearLR
from minigan.training import command_line, run
from minigan.training.translation import GENERATORS, translate

PAPER = dict(
    steps=200_000,
    batch_size=1,
    image_size=256,
    width=64,
    blocks=9,
    patch_width=64,
    patch_layers=3,
    flip=True,
    lr=2e-4,
    constant_steps=100_000,
    decay_steps=100_000,
    sample_every=1000,
    checkpoint_every=5000,
)
DIGITS = dict(
    steps=600,
    batch_size=4,
    image_size=32,
    load_size=32,
    width=16,
    blocks=2,
    patch_width=24,
    patch_layers=1,
    flip=False,
    lr=1e-3,
    constant_steps=300,
    decay_steps=300,
)


def parse(argv=None):
    first = command_line.Parser(add_help=False)
    for option in ("--data", "--data-a", "--data-b"):
        first.add_argument(option, type=command_line.data_name)
    given = first.parse_known_args(argv)[0]
    name = given.data or (None if given.data_a or given.data_b else "digits")
    parser = command_line.parser("cyclegan", __doc__, data=name)

    def add(option, help, type=None, default=None, **more):
        parser.add_argument(
            option, type=type, default=default, help=f"{help} (default: %(default)s)", **more
        )

    add("--data-a", "one kind of images: all that --data takes, FILE.npz:KEY too", metavar="A")
    add("--data-b", "the other kind", metavar="B")
    add(
        "--halves",
        "A and B are pairs, arrays of one .npz: train on A of one half and B of the other; its array KEY, "
        "such as source, says which images belong together",
        metavar="KEY",
    )
    parser.add_argument(
        "--skip-unreadable",
        action="store_true",
        help="name unreadable files and go on without them",
    )
    add("--image-size", "pixels a side that the networks see", command_line.at_least(1))
    add(
        "--load-size",
        "resize to this, then crop by chance; without it image size * 286 / 256",
        command_line.at_least(1),
    )
    parser.add_argument(
        "--flip", action=argparse.BooleanOptionalAction, help="mirror images by chance"
    )
    add("--generator", "residual, or a U-Net", default="resnet", choices=GENERATORS)
    add("--width", "feature maps of a generator's first layer", command_line.at_least(1))
    add(
        "--blocks",
        "residual blocks of a generator; the paper's for 128 pixels is 6",
        command_line.at_least(0),
    )
    add("--depth", "halvings of a U-Net", command_line.at_least(2), 7)
    add("--patch-width", "feature maps of a discriminator's first layer", command_line.at_least(1))
    add(
        "--patch-layers",
        "3, 2 or 1: a discriminator's patches have 70, 34 or 16 pixels",
        command_line.at_least(1),
    )
    add("--cycle-weight", "of the cycle loss", command_line.not_negative, 10.0)
    add(
        "--identity-weight",
        "of the identity loss, times the cycle loss's",
        command_line.not_negative,
        0.5,
    )
    add("--pool-size", "how many fakes are remembered", command_line.at_least(0), 50)
    add("--lr", "Adam's first learning rate", command_line.positive)
    add("--beta1", "Adam's", command_line.fraction, 0.5)
    add(
        "--constant-steps",
        "steps with this learning rate, whatever --steps",
        command_line.at_least(0),
    )
    add("--decay-steps", "then steps in which it falls to zero", command_line.at_least(1))
    parser.set_defaults(**DIGITS if name == "digits" else PAPER)
    args = command_line.parse(
        parser, argv, optional=("data", "load_size")
    )  # of the paper, unlike of the digits
    if args.steps > args.constant_steps + args.decay_steps:
        parser.error(
            f"--steps {args.steps} is more than --constant-steps {args.constant_steps} + --decay-steps "
            f"{args.decay_steps}, after which the learning rate is zero"
        )
    return args


def main(argv=None):
    args = parse(argv)
    with command_line.one_sentence():
        images = pairs.load(args)
        batches_a, batches_b = (
            data.Batches(
                kind, args.batch_size, seed=(args.seed, i), crop=args.image_size, flip=args.flip
            )
            for i, kind in enumerate((images.a, images.b))
        )
        channels = images.a.shape[1]
        architecture = dict(
            generator=args.generator,
            in_channels=channels,
            out_channels=channels,
            width=args.width,
            blocks=args.blocks,
            depth=args.depth,
        )
        patches = dict(in_channels=channels, width=args.patch_width, n_layers=args.patch_layers)
        networks = args.networks_module
        Generator = networks.Generator if networks else GENERATORS[args.generator]
        Discriminator = networks.Discriminator if networks else PatchDiscriminator
        G, F = (models.build(Generator, architecture, args.room) for _ in "AB")  # A -> B and B -> A
        D_A, D_B = (models.build(Discriminator, patches, args.room) for _ in "AB")
        with mg.no_grad():  # before anything is written: do the networks take images of this size?
            fake = G(mg.zeros(1, channels, args.image_size, args.image_size))
            D_B(fake)
    G_optimizer = Adam(G.parameters() + F.parameters(), args.lr, betas=(args.beta1, 0.999))
    D_optimizer = Adam(D_A.parameters() + D_B.parameters(), args.lr, betas=(args.beta1, 0.999))
    G_schedule, D_schedule = (
        ConstantThenLinearLR(optimizer, args.constant_steps, args.decay_steps)
        for optimizer in (G_optimizer, D_optimizer)
    )
    pool_a, pool_b = (ImagePool(args.pool_size, shape=fake.shape[1:]) for _ in "AB")
    shown = [
        data.to_float(x[np.linspace(0, len(x) - 1, 6).astype(int)])
        for x in (images.test_a, images.test_b)
    ]

    def sample():
        """Six rows of six: real A, fake B, cycled A; real B, fake A, cycled B."""
        rows = []
        for real, there, back in zip(shown, (G.eval(), F.eval()), (F, G)):
            fake = translate(there, real)
            rows += [real, fake, translate(back, fake)]
        G.train(), F.train()
        return np.concatenate(rows)

    session = run.Run(
        args,
        state={
            "AtoB": G,
            "BtoA": F,
            "discriminator_A": D_A,
            "discriminator_B": D_B,
            "generator_optimizer": G_optimizer,
            "discriminator_optimizer": D_optimizer,
            "generator_schedule": G_schedule,
            "discriminator_schedule": D_schedule,
            "pool_A": pool_a,
            "pool_B": pool_b,
            "batches_A": batches_a,
            "batches_B": batches_b,
        },
        architecture=architecture,
        sample=sample,
        sampling={"batch_statistics": "running"},
    )

    for _ in session:
        a, b = mg.tensor(next(batches_a)), mg.tensor(next(batches_b))

        # Update G and F. A fake should pass for real; a fake translated back should be what it
        # was made from; and what is of the target kind already should stay as it is.
        for D in (D_A, D_B):
            D.requires_grad_(False)
        fake_b, fake_a = G(a), F(b)
        g_loss = generator_loss(D_B(fake_b)) + generator_loss(D_A(fake_a))
        cycle = l1_loss(F(fake_b), a) + l1_loss(G(fake_a), b)
        identity = l1_loss(G(b), b) + l1_loss(F(a), a)
        G_optimizer.zero_grad()
        (g_loss + args.cycle_weight * (cycle + args.identity_weight * identity)).backward()
        G_optimizer.step()

        # Update D_A and D_B, on real images and on fakes of this step and earlier ones.
        for D in (D_A, D_B):
            D.requires_grad_(True)
        d_loss = discriminator_loss(D_A(a), D_A(pool_a(fake_a))) + discriminator_loss(
            D_B(b), D_B(pool_b(fake_b))
        )
        D_optimizer.zero_grad()
        d_loss.backward()
        D_optimizer.step()

        G_schedule.step()
        D_schedule.step()
        session.log(d_loss=d_loss, g_loss=g_loss, cycle=cycle, identity=identity)

    if not args.quiet and images.paired:
        print(report(images, G.eval(), F.eval()))


if __name__ == "__main__":
    command_line.program(main, output="progress")
