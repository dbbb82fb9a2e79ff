"""Train a WGAN by Algorithm 1 of Arjovsky et al. 2017 (--penalty clip) or Gulrajani et al. 2017.

    python examples/train_wgan.py                  # real digits, in minutes
    python examples/train_wgan.py --penalty clip   # the same, as in the first paper
    python examples/train_wgan.py --data mnist --generator mlp --critic mlp

With --data the defaults are those of the paper that --penalty names. The logged w1 estimates the
Wasserstein distance. Samples are drawn with an average of G's weights, unless with --average 0.
"""

import minigan as mg
from minigan import training
from minigan.evaluation.report import print_quality
from minigan.models import wgan
from minigan.models.wgan import critic_loss, generator_loss, gradient_penalty
from minigan.optim import Adam, ExponentialMovingAverage, RMSprop
from minigan.training import at_least, chosen, not_negative, positive

BOTH = dict(latent_dim=100, latent="normal", hidden=512, average=0.999, n_critic=5)
BOTH |= dict(clip=0.01, penalty_weight=10.0, generator="dcgan", critic="dcgan", augment="")
LARGE = BOTH | dict(steps=20000, image_size=64, width=64)
SMALL = BOTH | dict(steps=1500, image_size=16, width=16)
PAPER = {
    "gp": LARGE | dict(norm="layer", lr=1e-4),
    "clip": LARGE | dict(norm="batch", lr=5e-5),
}
DIGITS = {
    "gp": SMALL | dict(norm="none", lr=1e-3),
    "clip": SMALL | dict(norm="batch", lr=5e-4),
}
OPTIONS = [
    ("--penalty", PAPER, "what keeps the critic from being too steep"),
    ("--clip", positive, "the largest weight of a clipped critic"),
    ("--penalty-weight", not_negative, "lambda, the weight of the gradient penalty"),
    ("--n-critic", at_least(1), "critic steps to each of G; clip: 100 at first and every 500th"),
    ("--generator", wgan.GENERATORS, "its architecture"),
    ("--critic", wgan.CRITICS, "its architecture"),
    ("--norm", wgan.NORMS, "normalisation in the DCGAN-shaped critic"),
]


def optimizer(args, network):
    """RMSprop in the first paper, Adam in the second."""
    if args.penalty == "clip":
        return RMSprop(network.parameters(), args.lr)
    return Adam(network.parameters(), args.lr, betas=(0.0, 0.9))


def main(argv=None):
    args = training.parse("wgan", __doc__, OPTIONS, PAPER, DIGITS, argv, by="penalty")
    is_clipped = args.penalty == "clip"
    if not is_clipped and args.norm == "batch":
        training.refuse("--norm batch ties a batch's samples; --penalty gp needs layer or none")
    batches, image_arguments = training.images(args)
    layers = chosen(args, "width hidden norm")
    architecture = {"latent_dim": args.latent_dim, **image_arguments, **layers}
    Generator = wgan.GENERATORS[args.generator]
    G, f = training.networks(args, architecture, Generator, wgan.CRITICS[args.critic])
    architecture["generator"] = "Generator" if args.networks else Generator.__name__
    judge = training.augmented(args, f)
    G_average = ExponentialMovingAverage(G, args.average)
    G_optimizer = optimizer(args, G)
    f_optimizer = optimizer(args, f)
    latents = training.latents(args)
    state = {"generator": G, "critic": f, "batches": batches}
    state |= {"generator_optimizer": G_optimizer, "critic_optimizer": f_optimizer}
    session = training.session(args, architecture, latents, G_average, **state)
    for step in session:
        for _ in range(wgan.critic_steps(step, args.n_critic) if is_clipped else args.n_critic):
            # Sample real x and noise z. The critic ascends f(x) - f(G(z)), less the penalty.
            x = next(batches)
            with mg.no_grad():
                fake = G(latents(args.batch_size))
            f_loss = critic_loss(judge(x), judge(fake))
            w1 = -f_loss.detach()
            if not is_clipped:
                f_loss = f_loss + gradient_penalty(judge, x, fake, args.penalty_weight)
            f_optimizer.minimize(f_loss)
            if is_clipped:
                wgan.clip_weights_(f, args.clip)
        # Sample noise z. The generator ascends f(G(z)).
        g_loss = generator_loss(judge(G(latents(args.batch_size))))
        G_optimizer.minimize(g_loss)
        G_average.update(G)
        session.log(w1=w1, f_loss=f_loss, g_loss=g_loss)
    print_quality(args, session, G_average)


if __name__ == "__main__":
    training.program(main, output="progress")
