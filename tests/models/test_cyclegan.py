"""CycleGAN's networks are the published ones, its patches have the published size, its pool loses
nothing.

PyTorch twins of the networks, written down here from the paper's table, are the independent
oracle: same shapes, same outputs, and the same weights after whole training steps in float64.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigan as mg
from minigan import functional as F
from minigan import nn, rng
from minigan.models import cyclegan
from minigan.models.cyclegan import ImagePool, PatchDiscriminator, ResnetGenerator, UnetGenerator
from minigan.optim import Adam


def count(network):
    return sum(p.numel() for p in network.parameters())


def weight_shapes(network):
    return [p.shape for _, p in network.named_parameters() if p.ndim > 1]


# ---- as published


@pytest.mark.parametrize(
    "network, parameters",
    [
        (lambda: ResnetGenerator(blocks=9), 11_378_179),
        (lambda: ResnetGenerator(blocks=6), 7_837_699),
        (lambda: PatchDiscriminator(), 2_764_737),
    ],
)
def test_the_parameter_counts_are_those_of_the_authors_code(network, parameters):
    assert count(network()) == parameters


def test_the_layers_of_the_residual_generator_are_the_papers():
    """c7s1-64, d128, d256, nine times R256, u128, u64, c7s1-3."""
    blocks = [(256, 256, 3, 3)] * 18
    assert weight_shapes(ResnetGenerator()) == [
        (64, 3, 7, 7),
        (128, 64, 3, 3),
        (256, 128, 3, 3),
        *blocks,
        (256, 128, 3, 3),
        (128, 64, 3, 3),
        (3, 64, 7, 7),
    ]


def test_the_layers_of_the_discriminator_are_the_papers():
    """C64-C128-C256-C512 and a last convolution to one score."""
    assert weight_shapes(PatchDiscriminator()) == [
        (64, 3, 4, 4),
        (128, 64, 4, 4),
        (256, 128, 4, 4),
        (512, 256, 4, 4),
        (1, 512, 4, 4),
    ]


def test_the_channels_of_the_u_net_double_up_to_512_and_come_back_doubled_by_the_ways_around():
    assert [shape[:2] for shape in weight_shapes(UnetGenerator(depth=5))] == [
        (64, 3),
        (128, 64),
        (256, 128),
        (512, 256),
        (512, 512),  # down: (out, in)
        (512, 512),
        (1024, 256),
        (512, 128),
        (256, 64),
        (128, 3),
    ]  # up: (in, out)


@pytest.mark.parametrize(
    "network",
    [
        ResnetGenerator(width=32, blocks=1),
        UnetGenerator(width=32, depth=3),
        PatchDiscriminator(width=32),
    ],
)
def test_weights_begin_as_normal_numbers_of_standard_deviation_2_percent_and_biases_as_zero(
    network,
):
    weights = np.concatenate([p.numpy().ravel() for p in network.parameters() if p.ndim > 1])
    assert (
        weights.std() == pytest.approx(0.02, rel=0.02)
        and abs(weights.mean()) < 5 * 0.02 / len(weights) ** 0.5
    )
    assert not any(p.numpy().any() for p in network.parameters() if p.ndim == 1)


@pytest.mark.parametrize("n_layers, patch", [(3, 70), (2, 34), (1, 16)])
def test_one_score_sees_a_patch_of_the_published_size_and_all_of_it(n_layers, patch):
    """The gradient of one score is zero outside the patch. Instance norm, whose mean sees all
    pixels, is taken out.
    """
    D = PatchDiscriminator(1, width=3, n_layers=n_layers).double()
    for layer in D.modules():
        if isinstance(layer, nn.InstanceNorm2d):
            layer.forward = lambda x, negative_slope: F.leaky_relu(x, negative_slope)
    x = mg.randn(1, 1, 128, 128, dtype=np.float64, requires_grad=True)
    scores = D(x)
    middle = scores.shape[2] // 2
    (slope,) = mg.grad(scores[0, 0, middle, middle], x)
    seen = slope.numpy()[0, 0] != 0
    for axis in (0, 1):
        lines = np.flatnonzero(seen.any(axis))
        assert lines[-1] - lines[0] + 1 == patch == len(lines)
    assert seen.sum() == patch**2


# ---- sizes


@given(st.integers(2, 6), st.integers(2, 6), st.integers(1, 2))
@settings(max_examples=10)
def test_a_translation_has_the_size_of_its_original(height, width, n):
    x = mg.randn(n, 1, 4 * height, 4 * width)
    for G in (ResnetGenerator(1, 3, width=2, blocks=1), UnetGenerator(1, 3, width=2, depth=2)):
        y = G(x).numpy()
        assert y.shape == (n, 3, 4 * height, 4 * width) and abs(y).max() < 1


@pytest.mark.parametrize("n_layers", [1, 2, 3, 4])
def test_the_smallest_image_leaves_a_discriminator_one_score_and_a_smaller_one_is_refused(n_layers):
    D, least = PatchDiscriminator(1, width=2, n_layers=n_layers), 3 * 2**n_layers
    assert D(mg.zeros(1, 1, least, least + 1)).shape == (1, 1, 1, 1)
    with pytest.raises(
        ValueError, match=rf"{least - 1}\), expected .* at least {least}, or no score is left"
    ):
        D(mg.zeros(1, 1, least, least - 1))


@pytest.mark.parametrize(
    "network, shape, message",
    [
        (
            ResnetGenerator(3, 3, 2, 1),
            (1, 3, 30, 32),
            r"\(1, 3, 30, 32\), expected .* multiples of 4.*halves twice",
        ),
        (ResnetGenerator(3, 3, 2, 1), (1, 3, 4, 8), "at least 8"),
        (ResnetGenerator(3, 3, 2, 1), (1, 1, 8, 8), r"expected \(N, 3, H, W\)"),
        (ResnetGenerator(3, 3, 2, 1), (3, 8, 8), r"expected \(N, 3, H, W\)"),
        (UnetGenerator(1, 1, 2, 4), (1, 1, 24, 16), "multiples of 16, .*halves 4 times"),
        (PatchDiscriminator(3, 2), (2, 1, 64, 64), r"expected \(N, 3, H, W\)"),
    ],
)
def test_images_that_do_not_fit_are_refused_in_one_sentence(network, shape, message):
    with pytest.raises(ValueError, match=message):
        network(mg.zeros(*shape))


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: PatchDiscriminator(n_layers=0), "n_layers is 0"),
        (lambda: UnetGenerator(depth=1), "depth is 1"),
    ],
)
def test_networks_that_are_none_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# ---- losses and derivatives


def test_the_losses_are_squares_and_the_discriminators_is_halved():
    real, fake = mg.tensor([1.0, 3.0]), mg.tensor([0.0, -2.0])
    assert cyclegan.discriminator_loss(real, fake).item() == pytest.approx(
        0.5 * ((0 + 4) / 2 + (0 + 4) / 2)
    )
    assert cyclegan.generator_loss(fake).item() == pytest.approx((1 + 9) / 2)
    assert cyclegan.generator_loss(mg.ones(3)).item() == 0
    assert cyclegan.discriminator_loss(mg.ones(3), mg.zeros(3)).item() == 0


@pytest.mark.parametrize(
    "network, size",
    [
        (ResnetGenerator(1, 1, width=2, blocks=1), 8),
        (UnetGenerator(1, 1, width=2, depth=2), 8),
        (PatchDiscriminator(1, width=2, n_layers=1), 8),
    ],
)
def test_derivatives_agree_with_finite_differences(network, size):
    network.double()
    for p in (
        network.parameters()
    ):  # far from zero, where (Leaky)ReLU has its kink, and where tanh is not flat
        with mg.no_grad():
            p.copy_(np.random.default_rng(p.numel()).standard_normal(p.shape) * 0.3)
    mg.gradcheck(network, [np.random.default_rng(1).standard_normal((1, 1, size, size))])


# ---- the pool


def images_of(*numbers):
    return mg.tensor(np.array(numbers, np.float32).reshape(-1, 1, 1, 1))


def numbers_of(images):
    return [int(number) for number in images.numpy().ravel()]


@given(
    st.integers(0, 5), st.lists(st.integers(1, 4), min_size=1, max_size=20), st.integers(0, 2**32)
)
@settings(max_examples=60)
def test_a_pool_gives_back_every_image_once_or_keeps_it(size, batches, seed):
    """Given and kept before = returned and kept after; nothing is lost, doubled or made up."""
    mg.manual_seed(seed)
    pool, given_so_far, returned = ImagePool(size), [], []
    for batch in batches:
        new = list(range(len(given_so_far), len(given_so_far) + batch))
        given_so_far += new
        out = numbers_of(pool(images_of(*new)))
        assert len(out) == batch
        returned += out
    kept = [int(image.item()) for image in pool.images]
    assert len(kept) == min(size, len(given_so_far)) and len(set(kept)) == len(kept)
    early = given_so_far[:size]  # while it fills, the pool answers with the image and keeps it too
    assert returned[:size] == early and sorted(returned[size:] + kept) == given_so_far


def test_a_full_pool_answers_about_every_other_image_with_an_older_one():
    mg.manual_seed(0)
    pool = ImagePool(50)
    pool(images_of(*range(50)))
    answers = np.array(numbers_of(pool(images_of(*range(50, 2050)))))
    older = (answers != np.arange(50, 2050)).mean()
    assert abs(older - 0.5) < 5 * 0.5 / 2000**0.5
    assert len(set(answers[answers < 50])) > 40  # all places are replaced


def test_a_pool_of_none_gives_back_what_it_gets_and_draws_nothing():
    before = rng.state_dict()
    assert numbers_of(ImagePool(0)(images_of(1, 2, 3))) == [1, 2, 3]
    assert rng.state_dict() == before


def test_the_pool_cuts_the_graph_and_keeps_copies():
    pool = ImagePool(1)
    for _ in range(10):  # some of which replace the image in the pool
        fake = mg.ones(2, 1, 1, 1, requires_grad=True) * 2
        assert not pool(fake).requires_grad
        assert not np.shares_memory(pool.images[0], fake.array)


def test_a_pool_continues_to_the_same_bits(tmp_path):
    mg.manual_seed(3)
    pool = ImagePool(4)
    pool(images_of(*range(9)))
    mg.save(tmp_path / "pool.npz", {"pool": pool.state_dict(), "rng": rng.state_dict()})
    expected = numbers_of(pool(images_of(*range(9, 30))))
    state = mg.load(tmp_path / "pool.npz")
    resumed = ImagePool(4)
    resumed.load_state_dict(state["pool"])
    rng.load_state_dict(state["rng"])
    assert numbers_of(resumed(images_of(*range(9, 30)))) == expected
    with pytest.raises(ValueError, match="has 4 images, expected at most 3"):
        ImagePool(3).load_state_dict(state["pool"])


# ---- PyTorch


def torch_resnet(torch, channels, width, blocks):
    t = torch.nn

    class Residual(t.Module):
        def __init__(self, c):
            super().__init__()
            self.body = t.Sequential(
                t.ReflectionPad2d(1),
                t.Conv2d(c, c, 3),
                t.InstanceNorm2d(c),
                t.ReLU(),
                t.ReflectionPad2d(1),
                t.Conv2d(c, c, 3),
                t.InstanceNorm2d(c),
            )

        def forward(self, x):
            return x + self.body(x)

    w = width
    return t.Sequential(
        t.ReflectionPad2d(3),
        t.Conv2d(channels, w, 7),
        t.InstanceNorm2d(w),
        t.ReLU(),
        t.Conv2d(w, 2 * w, 3, 2, 1),
        t.InstanceNorm2d(2 * w),
        t.ReLU(),
        t.Conv2d(2 * w, 4 * w, 3, 2, 1),
        t.InstanceNorm2d(4 * w),
        t.ReLU(),
        *[Residual(4 * w) for _ in range(blocks)],
        t.ConvTranspose2d(4 * w, 2 * w, 3, 2, 1, 1),
        t.InstanceNorm2d(2 * w),
        t.ReLU(),
        t.ConvTranspose2d(2 * w, w, 3, 2, 1, 1),
        t.InstanceNorm2d(w),
        t.ReLU(),
        t.ReflectionPad2d(3),
        t.Conv2d(w, channels, 7),
        t.Tanh(),
    ).double()


def torch_unet(torch, channels, width):
    """Three halvings, written out."""
    t = torch.nn

    class Unet(t.Module):
        def __init__(self):
            super().__init__()
            w = width
            self.down1, self.down2 = t.Conv2d(channels, w, 4, 2, 1), t.Conv2d(w, 2 * w, 4, 2, 1)
            self.down3, self.up3 = (
                t.Conv2d(2 * w, 4 * w, 4, 2, 1),
                t.ConvTranspose2d(4 * w, 2 * w, 4, 2, 1),
            )
            self.up2, self.up1 = (
                t.ConvTranspose2d(4 * w, w, 4, 2, 1),
                t.ConvTranspose2d(2 * w, channels, 4, 2, 1),
            )

        def forward(self, x):
            f = t.functional
            a = self.down1(x)
            b = f.instance_norm(self.down2(f.leaky_relu(a, 0.2)))
            c = self.down3(f.leaky_relu(b, 0.2))
            b = torch.cat([b, f.instance_norm(self.up3(f.relu(c)))], 1)
            a = torch.cat([a, f.instance_norm(self.up2(f.relu(b)))], 1)
            return torch.tanh(self.up1(f.relu(a)))

    return Unet().double()


def torch_patches(torch, channels, w):
    t = torch.nn
    return t.Sequential(
        t.Conv2d(channels, w, 4, 2, 1),
        t.LeakyReLU(0.2),
        t.Conv2d(w, 2 * w, 4, 2, 1),
        t.InstanceNorm2d(2 * w),
        t.LeakyReLU(0.2),
        t.Conv2d(2 * w, 4 * w, 4, 1, 1),
        t.InstanceNorm2d(4 * w),
        t.LeakyReLU(0.2),
        t.Conv2d(4 * w, 1, 4, 1, 1),
    ).double()


def same_weights(torch, ours, theirs):
    """Give both networks the same weights, of a size at which no layer is idle; they have the
    same order.
    """
    generator = np.random.default_rng(0)
    theirs_in_order = list(theirs.parameters())
    assert [p.shape for p in ours.parameters()] == [tuple(q.shape) for q in theirs_in_order]
    for p, q in zip(ours.parameters(), theirs_in_order):
        values = generator.standard_normal(p.shape) * 0.2
        with mg.no_grad(), torch.no_grad():
            p.copy_(values)
            q.copy_(torch.from_numpy(values))
    return ours, theirs


@pytest.fixture
def torch():
    torch = pytest.importorskip(
        "torch", reason="PyTorch, the independent oracle, is not installed (extra: oracle)"
    )
    torch.set_num_threads(1)
    return torch


@pytest.mark.parametrize(
    "make",
    [
        lambda torch: (ResnetGenerator(3, 3, 3, 2).double(), torch_resnet(torch, 3, 3, 2)),
        lambda torch: (UnetGenerator(3, 3, 3, 3).double(), torch_unet(torch, 3, 3)),
        lambda torch: (PatchDiscriminator(3, 3, 2).double(), torch_patches(torch, 3, 3)),
    ],
    ids=["residual", "u-net", "patches"],
)
def test_outputs_agree_with_pytorch(torch, make):
    ours, theirs = make(torch)
    same_weights(torch, ours, theirs)
    x = np.random.default_rng(1).standard_normal((2, 3, 24, 16))
    expected = theirs(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(ours(mg.tensor(x)).numpy(), expected, rtol=1e-10, atol=1e-12)


def test_training_steps_agree_with_pytorch(torch):
    """Three steps of the whole game in float64: four networks, adversarial, cycle and identity
    losses, two Adams.
    """
    pairs = [
        same_weights(torch, ResnetGenerator(1, 1, 2, 1).double(), torch_resnet(torch, 1, 2, 1))
        for _ in "GF"
    ]
    pairs += [
        same_weights(torch, PatchDiscriminator(1, 2, 2).double(), torch_patches(torch, 1, 2))
        for _ in "AB"
    ]
    (G, F_, A, B), theirs = zip(*pairs)
    images = np.random.default_rng(2).uniform(-1, 1, (3, 2, 2, 1, 16, 16))
    settings = dict(lr=1e-3, betas=(0.5, 0.999))

    def generator_loss(G, F_, A, B, a, b, l1, adversarial):
        fake_b, fake_a = G(a), F_(b)
        loss = (
            adversarial(B(fake_b))
            + adversarial(A(fake_a))
            + 10 * (l1(F_(fake_b), a) + l1(G(fake_a), b))
        )
        return loss + 5 * (l1(G(b), b) + l1(F_(a), a)), fake_a.detach(), fake_b.detach()

    optimizers = [Adam(x.parameters() + y.parameters(), **settings) for x, y in ((G, F_), (A, B))]
    for a, b in images:
        a, b = mg.tensor(a), mg.tensor(b)
        loss, fake_a, fake_b = generator_loss(G, F_, A, B, a, b, F.l1_loss, cyclegan.generator_loss)
        G.zero_grad(), F_.zero_grad()
        loss.backward()
        optimizers[0].step()
        loss = cyclegan.discriminator_loss(A(a), A(fake_a)) + cyclegan.discriminator_loss(
            B(b), B(fake_b)
        )
        A.zero_grad(), B.zero_grad()
        loss.backward()
        optimizers[1].step()

    G, F_, A, B = theirs
    optimizers = [
        torch.optim.Adam([*x.parameters(), *y.parameters()], **settings)
        for x, y in ((G, F_), (A, B))
    ]
    for a, b in images:
        a, b = torch.from_numpy(a), torch.from_numpy(b)
        loss, fake_a, fake_b = generator_loss(
            G,
            F_,
            A,
            B,
            a,
            b,
            torch.nn.functional.l1_loss,
            lambda scores: ((scores - 1) ** 2).mean(),
        )
        optimizers[0].zero_grad()
        loss.backward()
        optimizers[0].step()
        loss = sum(
            ((D(real) - 1) ** 2).mean() / 2 + (D(fake) ** 2).mean() / 2
            for D, real, fake in ((A, a, fake_a), (B, b, fake_b))
        )
        optimizers[1].zero_grad()
        loss.backward()
        optimizers[1].step()

    for ours, twin in pairs:
        for p, q in zip(ours.parameters(), twin.parameters()):
            np.testing.assert_allclose(p.numpy(), q.detach().numpy(), rtol=0, atol=1e-7)
