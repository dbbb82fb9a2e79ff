"""A network's arguments are keywords, and one that it does not know is an error."""

import pytest

from minigan import models
from minigan.models import cyclegan, dcgan, gan, wgan


def test_an_unknown_argument_is_refused():
    arguments = {"latent_dim": 4, "widht": 4}
    message = "Generator does not know widht, expected some of latent"
    with pytest.raises(ValueError, match=message):
        models.build(dcgan.Generator, arguments)


def test_an_unknown_argument_is_refused_out_of_a_checkpoint_too():
    with pytest.raises(ValueError, match="does not know widht"):
        models.build(dcgan.Generator, {"widht": 4}, stored_elements=10_000)


def test_each_network_gets_its_share():
    of_both = {"image_size": 16, "channels": 1, "width": 2}
    architecture = {"latent_dim": 4, **of_both}
    share = models.share_of(dcgan.Discriminator, architecture)
    assert share == of_both
    network = models.build(dcgan.Discriminator, share)
    assert network.shape == (1, 16, 16)


@pytest.mark.parametrize("module", [gan, dcgan, wgan, cyclegan])
def test_what_no_network_of_a_paper_knows_is_refused(module):
    models.check_known(module, {"generator": "Generator"})
    with pytest.raises(ValueError, match="no network of .* knows widht"):
        models.check_known(module, {"widht": 4})
