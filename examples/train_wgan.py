"""Train a WGAN: Algorithm 1 of Arjovsky et al. 2017 (--penalty clip) or of Gulrajani et al. 2017
(--penalty gp).

    python examples/train_wgan.py                                        # real handwritten digits, minutes on two cores
    python examples/train_wgan.py --penalty clip                         # the same, the first paper's way
    python examples/train_wgan.py --data mnist --image-size 32 --width 32
    python examples/train_wgan.py --data mnist --generator mlp --critic mlp
    python examples/train_wgan.py --resume                               # go on after Ctrl-C

With --data the defaults are those of the paper that --penalty names; on the bundled digits, 1,437
small images, they are what a few minutes need. The logged w1 is the critic's estimate of the
Wasserstein distance, which with weight clipping is in units of the critic's own steepness.
Samples are drawn with an exponential moving average of the generator's weights (Yazici et al.
2019), which the papers do not have: --average 0 leaves it out.
"""

import numpy as np

import minigan as mg
from minigan import data, models
from minigan.evaluation.report import measure
from minigan.models.wgan import (
    clip_weights_,
    critic_loss,
    critic_steps,
    generator_loss,
    gradient_penalty,
)
from minigan.optim import Adam, ExponentialMovingAverage, RMSprop
from minigan.training import command_line, run
from minigan.training.sampling import PRIORS, draw_latents, generate

PAPER = {
    "clip": dict(steps=20000, image_size=64, width=64, norm="batch", lr=5e-5),
    "gp": dict(steps=20000, image_size=64, width=64, norm="layer", lr=1e-4),
}
DIGITS = {
    "clip": dict(steps=1500, image_size=16, width=16, norm="batch", lr=5e-4),
    "gp": dict(steps=1500, image_size=16, width=16, norm="none", lr=1e-3),
}
GENERATORS = {"dcgan": "Generator", "mlp": "MLPGenerator"}
CRITICS = {"dcgan": "Critic", "mlp": "MLPCritic"}


def parse(argv=None):
    choice = command_line.Parser(add_help=False)
    choice.add_argument("--data", type=command_line.data_name, default="digits")
    choice.add_argument("--penalty", default="gp")
    chosen = choice.parse_known_args(argv)[0]
    parser = command_line.parser("wgan", __doc__, data=chosen.data)

    def add(option, type, help, default=None):
        parser.add_argument(
            option, type=type, default=default, help=f"{help} (default: %(default)s)"
        )

    def choose(option, choices, help, default=None):
        parser.add_argument(
            option, choices=choices, default=default, help=f"{help} (default: %(default)s)"
        )

    choose("--penalty", ("clip", "gp"), "what keeps the critic from being too steep", "gp")
    add("--clip", command_line.positive, "the largest weight of a clipped critic", 0.01)
    add(
        "--penalty-weight",
        command_line.not_negative,
        "lambda, the weight of the gradient penalty",
        10.0,
    )
    add(
        "--n-critic",
        command_line.at_least(1),
        "the critic's steps to each of the generator; with clip, it takes "
        "100 to each of the first 25 and every 500th",
        5,
    )
    choose("--generator", GENERATORS, "its architecture", "dcgan")
    choose("--critic", CRITICS, "its architecture", "dcgan")
    choose("--norm", models.wgan.NORMS, "normalisation in the DCGAN-shaped critic")
    add("--image-size", command_line.at_least(1), "16, 32, 64 or 128; any for two mlps")
    add("--latent-dim", command_line.at_least(1), "the length of z", 100)
    choose("--latent", PRIORS, "the prior p(z)", "normal")
    add("--width", command_line.at_least(1), "feature maps of the narrowest DCGAN layer")
    add("--hidden", command_line.at_least(1), "units in each layer of an mlp", 512)
    add("--lr", command_line.positive, "learning rate of RMSprop (clip) or of Adam (0, 0.9) (gp)")
    add("--average", command_line.fraction, "decay of G's average", 0.999)
    parser.set_defaults(**(DIGITS if chosen.data == "digits" else PAPER).get(chosen.penalty, {}))
    args = command_line.parse(parser, argv)
    if args.penalty == "gp" and args.norm == "batch":
        parser.error(
            "--norm batch ties the samples of a batch together, but --penalty gp is on each sample's own "
            "slope: expected layer or none"
        )
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
            width=args.width,
            hidden=args.hidden,
            norm=args.norm,
        )
        networks, G_name, f_name = args.networks_module, "Generator", "Discriminator"
        if networks is None:
            networks, G_name, f_name = models.wgan, GENERATORS[args.generator], CRITICS[args.critic]
        architecture["generator"] = G_name
        G, f = (
            models.build(getattr(networks, name), architecture, args.room)
            for name in (G_name, f_name)
        )
    G_average = ExponentialMovingAverage(G, args.average)
    G_average.module.eval()
    clipped = args.penalty == "clip"
    G_optimizer, f_optimizer = (
        RMSprop(network.parameters(), args.lr)
        if clipped
        else Adam(network.parameters(), args.lr, betas=(0.0, 0.9))
        for network in (G, f)
    )

    def noise(m, generator=mg.rng.generator):
        return PRIORS[args.latent](generator, (m, args.latent_dim)).astype(np.float32)

    fixed_noise = noise(64, np.random.default_rng(args.seed))
    session = run.Run(
        args,
        state={
            "generator": G,
            "average": G_average,
            "critic": f,
            "batches": batches,
            "generator_optimizer": G_optimizer,
            "critic_optimizer": f_optimizer,
        },
        architecture=architecture,
        sample=lambda: generate(G_average.module, fixed_noise),
        sampling={"network": "average", "batch_statistics": "running", "latent": args.latent},
    )

    for step in session:
        for _ in range(critic_steps(step, args.n_critic) if clipped else args.n_critic):
            # Sample real x and noise z; the critic ascends f(x) - f(G(z)), less the penalty.
            x = mg.tensor(next(batches))
            with mg.no_grad():
                fake = G(mg.tensor(noise(args.batch_size)))
            f_loss = critic_loss(f(x), f(fake))
            w1 = -f_loss.detach()
            if not clipped:
                f_loss = f_loss + gradient_penalty(f, x, fake, args.penalty_weight)
            f_optimizer.zero_grad()
            f_loss.backward()
            f_optimizer.step()
            if clipped:
                clip_weights_(f, args.clip)

        # Sample noise z; the generator ascends f(G(z)).
        f.requires_grad_(False)
        g_loss = generator_loss(f(G(mg.tensor(noise(args.batch_size)))))
        G_optimizer.zero_grad()
        g_loss.backward()
        G_optimizer.step()
        f.requires_grad_(True)
        G_average.update(G)

        session.log(w1=w1, f_loss=f_loss, g_loss=g_loss)

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
