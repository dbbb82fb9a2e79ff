"""Train a DCGAN (Radford et al. 2015) by Algorithm 1 of Goodfellow et al. 2014.

    python examples/train_dcgan.py                                   # real handwritten digits, minutes on two cores
    python examples/train_dcgan.py --data photos/ --image-size 64 --width 64 --batch-size 128 --steps 50000
    python examples/train_dcgan.py --resume                          # go on after Ctrl-C

The defaults are the paper's where the bundled digits allow. Two additions keep training steady on 1,437 images: samples
are drawn with an exponential moving average of the generator's weights (Yazici et al. 2019), and every few steps the
discriminator pays for steep slopes at real images (R1, Mescheder et al. 2018).
"""

import numpy as np

import minigan as mg
from minigan import data, models, run
from minigan.models.dcgan import discriminator_loss, generator_loss
from minigan.optim import Adam, ExponentialMovingAverage
from sample import PRIORS, generate


def parse(argv=None):
    parser = run.parser("dcgan", __doc__, steps=2500, batch_size=64)
    parser.add_argument("--image-size", type=run.at_least(1), default=16, help="16, 32, 64 or 128 (default: %(default)s)")
    parser.add_argument("--latent-dim", type=run.at_least(1), default=100)
    parser.add_argument("--latent", choices=PRIORS, default="uniform", help="the prior p(z) (default: %(default)s)")
    parser.add_argument("--width", type=run.at_least(1), default=32, help="feature maps of the widest layer; the paper: 64")
    parser.add_argument("--lr", type=run.positive, default=2e-4)
    parser.add_argument("--beta1", type=run.fraction, default=0.5)
    parser.add_argument("--average", type=run.fraction, default=0.999, help="decay of the average of G; 0 for none")
    parser.add_argument("--r1", type=float, default=0.0, help="weight of the R1 penalty; 0 for none")
    return run.parse(parser, argv)


def main(argv=None):
    args = parse(argv)
    dataset = data.load(args.data, image_size=args.image_size, data_dir=args.data_dir)
    batches = data.Batches(dataset.images, args.batch_size, seed=args.seed)
    architecture = dict(latent_dim=args.latent_dim, image_size=args.image_size, channels=dataset.images.shape[1],
                        width=args.width)
    networks = args.networks_module or models.dcgan
    G, D = models.build(networks.Generator, architecture), models.build(networks.Discriminator, architecture)
    G_average = ExponentialMovingAverage(G, args.average)
    G_average.module.eval()
    G_optimizer = Adam(G.parameters(), args.lr, betas=(args.beta1, 0.999))
    D_optimizer = Adam(D.parameters(), args.lr, betas=(args.beta1, 0.999))

    def noise(m, generator=mg.rng.generator):
        return PRIORS[args.latent](generator, (m, args.latent_dim)).astype(np.float32)

    fixed_noise = noise(64, np.random.default_rng(args.seed))
    session = run.Run(args, state={"generator": G, "average": G_average, "discriminator": D, "batches": batches,
                                   "generator_optimizer": G_optimizer, "discriminator_optimizer": D_optimizer},
                      architecture=architecture, sample=lambda: generate(G_average.module, fixed_noise),
                      sampling={"network": "average", "batch_statistics": "running", "latent": args.latent})

    for _ in session:
        # Sample a minibatch of noise z and a minibatch of examples x.
        z = mg.tensor(noise(args.batch_size))
        x = mg.tensor(next(batches))

        # Update the discriminator by ascending its stochastic gradient of log D(x) + log(1 - D(G(z))).
        fake = G(z)
        d_loss = discriminator_loss(D(x), D(fake.detach()))
        D_optimizer.zero_grad()
        d_loss.backward()
        D_optimizer.step()

        # Update the generator by ascending its stochastic gradient of log D(G(z)), on the same noise.
        D.requires_grad_(False)
        g_loss = generator_loss(D(fake))
        G_optimizer.zero_grad()
        g_loss.backward()
        G_optimizer.step()
        D.requires_grad_(True)
        G_average.update(G)

        session.log(d_loss=d_loss, g_loss=g_loss)


if __name__ == "__main__":
    main()
