"""Train a CycleGAN (Zhu et al. 2017): translation between two kinds of images without pairs.

    python examples/train_cyclegan.py                      # drawn and embossed digits, in minutes
    python examples/train_cyclegan.py --data horse2zebra   # or a folder with trainA, trainB
    python examples/train_cyclegan.py --data-a summer/ --data-b winter/ --image-size 128 --blocks 6

With --data, or --data-a and --data-b, the defaults are the paper's. The bundled task is small: two
residual blocks see a whole stroke, patches of 16 pixels show its relief. See also translate.py.
"""

from minigan import training
from minigan.evaluation.translation import print_report
from minigan.functional import l1_loss
from minigan.models.cyclegan import discriminator_loss, generator_loss
from minigan.optim import Adam, ConstantThenLinearLR
from minigan.training import at_least, not_negative, translation

PAPER = dict(data=None, image_size=256, load_size=None, flip=True, batch_size=1, steps=200_000)
PAPER |= dict(generator="resnet", width=64, blocks=9, depth=7, patch_width=64, patch_layers=3)
PAPER |= dict(cycle_weight=10.0, identity_weight=0.5, pool_size=50, lr=2e-4, beta1=0.5)
PAPER |= dict(constant_steps=100_000, decay_steps=100_000, sample_every=1000, checkpoint_every=5000)
DIGITS = PAPER | dict(data="digits", image_size=32, load_size=32, flip=False, batch_size=4)
DIGITS |= dict(steps=600, width=16, blocks=2, patch_width=24, patch_layers=1, lr=1e-3)
DIGITS |= dict(constant_steps=300, decay_steps=300, sample_every=100, checkpoint_every=500)
OPTIONS = [
    *translation.OPTIONS,
    ("--cycle-weight", not_negative, "weight of the cycle loss"),
    ("--identity-weight", not_negative, "weight of the identity loss, relative to the cycle loss"),
    ("--pool-size", at_least(0), "how many fakes are remembered"),
    ("--constant-steps", at_least(0), "steps at the first learning rate, whatever --steps is"),
    ("--decay-steps", at_least(1), "steps after those, in which the rate falls to zero"),
]


def optimizer(args, *networks):
    """One Adam for the parameters of two networks, and its schedule."""
    parameters = []
    for network in networks:
        parameters += network.parameters()
    adam = Adam(parameters, args.lr, betas=(args.beta1, 0.999))
    return adam, ConstantThenLinearLR(adam, args.constant_steps, args.decay_steps)


def main(argv=None):
    args = training.parse("cyclegan", __doc__, OPTIONS, PAPER, DIGITS, argv)
    images, batches_A, batches_B = translation.images(args)
    architecture, G, F, D_A, D_B = translation.networks(args, images)
    G_optimizer, G_schedule = optimizer(args, G, F)
    D_optimizer, D_schedule = optimizer(args, D_A, D_B)
    pool_A, pool_B = translation.pools(args, images)
    data = dict(pool_A=pool_A, pool_B=pool_B, batches_A=batches_A, batches_B=batches_B)
    session = translation.session(
        args,
        architecture,
        images,
        AtoB=G,
        BtoA=F,
        discriminator_A=D_A,
        discriminator_B=D_B,
        generator_optimizer=G_optimizer,
        discriminator_optimizer=D_optimizer,
        generator_schedule=G_schedule,
        discriminator_schedule=D_schedule,
        **data,
    )
    for _ in session:
        a = next(batches_A)
        b = next(batches_B)
        # Update G: A -> B and F: B -> A. A fake should pass for real, a fake translated back should
        # be what it was made from, and what is of the target kind already should stay as it is.
        fake_b = G(a)
        fake_a = F(b)
        g_loss = generator_loss(D_B(fake_b)) + generator_loss(D_A(fake_a))
        cycle = l1_loss(F(fake_b), a) + l1_loss(G(fake_a), b)
        identity = l1_loss(G(b), b) + l1_loss(F(a), a)
        weighted = args.cycle_weight * (cycle + args.identity_weight * identity)
        G_optimizer.minimize(g_loss + weighted)
        # Update D_A and D_B, on real images and on fakes of this step and earlier ones.
        loss_A = discriminator_loss(D_A(a), D_A(pool_A(fake_a)))
        loss_B = discriminator_loss(D_B(b), D_B(pool_B(fake_b)))
        D_optimizer.minimize(loss_A + loss_B)
        G_schedule.step()
        D_schedule.step()
        session.log(d_loss=loss_A + loss_B, g_loss=g_loss, cycle=cycle, identity=identity)
    print_report(args, images, G, F)


if __name__ == "__main__":
    training.program(main, output="progress")
