"""Networks for images of other sizes than the papers': oblong, large, and no power of 2."""

import pytest

import minigan as mg
from minigan.models import dcgan, gan, wgan
from minigan.sizes import height_and_width


def dcgans(image_size):
    """A generator, a discriminator and a critic of DCGAN's kind, for grey images of this size."""
    how = dict(image_size=image_size, channels=1, width=2)
    return dcgan.Generator(3, **how), dcgan.Discriminator(**how), wgan.Critic(**how)


def perceptrons(image_size):
    how = dict(image_size=image_size, channels=1)
    G = wgan.MLPGenerator(3, **how, hidden=4)
    return G, gan.Discriminator(**how, units=3, pieces=2), wgan.MLPCritic(**how, hidden=4)


@pytest.mark.parametrize("networks", [dcgans, perceptrons])
@pytest.mark.parametrize("image_size", ["16x24", (48, 32), 28, "96x160"])
def test_every_network_takes_and_makes_images_of_its_size(networks, image_size):
    G, *others = networks(image_size)
    z = mg.randn(2, 3)
    x = G(z)
    assert x.shape[:2] == (2, 1)
    assert x.shape[2:] == height_and_width(image_size)
    for network in others:
        assert network(x).shape == (2,)
        with pytest.raises(ValueError, match="images have shape"):
            network(x[:, :, :-1])


MAPS = {
    16: [2, 4],
    64: [2, 4, 8, 16],
    128: [2, 4, 8, 16, 32],
    512: [2, 4, 8, 16, 32, 32, 32],
    "96x160": [2, 4, 8, 16],
}


@pytest.mark.parametrize("image_size, maps", MAPS.items())
def test_the_feature_maps_double_up_to_16_times_the_width(image_size, maps):
    assert dcgan.feature_maps(image_size, width=2) == maps
    D = dcgan.Discriminator(image_size, channels=1, width=2)
    found = [len(weight) for weight in D.parameters() if weight.ndim == 4]
    assert found == [*maps, 1]


def test_the_smallest_maps_have_4_to_7_pixels_on_their_shorter_side():
    assert dcgan.smallest_maps(28) == (7, 7)
    assert dcgan.smallest_maps(64) == (4, 4)
    assert dcgan.smallest_maps("96x160") == (6, 10)


@pytest.mark.parametrize(
    "image_size, message",
    [
        (12, "12, expected sides of 16 to 1024 pixels$"),
        (2048, "2048, expected sides of 16 to 1024 pixels$"),
        ("20x34", "20x34, expected sides of 16 to 1024 pixels that are multiples of 4$"),
        ("wide", "'wide', expected a whole number of at least 1, or height x width"),
    ],
)
def test_other_sizes_are_refused(image_size, message):
    with pytest.raises(ValueError, match=message):
        dcgan.Generator(image_size=image_size)
