"""CycleGAN's image pool loses no image, answers half of them with older ones, and is resumed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigan as mg
from minigan import rng
from minigan.models.cyclegan import ImagePool


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
    pool = ImagePool(size)
    given_so_far = []
    returned = []
    for batch in batches:
        new = list(range(len(given_so_far), len(given_so_far) + batch))
        given_so_far += new
        out = numbers_of(pool(images_of(*new)))
        assert len(out) == batch
        returned += out
    kept = [int(image.item()) for image in pool.images]
    assert len(kept) == min(size, len(given_so_far))
    assert len(set(kept)) == len(kept)
    # While it fills, the pool answers with the new image and keeps it, too.
    assert returned[:size] == given_so_far[:size]
    assert sorted(returned[size:] + kept) == given_so_far


def test_a_full_pool_answers_about_every_other_image_with_an_older_one():
    mg.manual_seed(0)
    pool = ImagePool(50)
    pool(images_of(*range(50)))
    answers = np.array(numbers_of(pool(images_of(*range(50, 2050)))))
    older = (answers != np.arange(50, 2050)).mean()
    standard_error = 0.5 / 2000**0.5
    assert abs(older - 0.5) < 5 * standard_error
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
