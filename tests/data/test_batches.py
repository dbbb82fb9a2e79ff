"""Every epoch gives every image, every resume the same bits."""

import numpy as np
import pytest
from data_files import bits, bytes_of, resume
from hypothesis import given, settings
from hypothesis import strategies as st

import minigan as mg
from minigan import data

Image = pytest.importorskip("PIL.Image", reason="images are read and resized by Pillow")


@given(st.integers(1, 40), st.data(), st.integers(0, 2**32), st.integers(1, 3))
@settings(deadline=None, max_examples=60)
def test_an_epoch_gives_every_image_at_most_once_and_all_but_the_remainder(n, draw, seed, epochs):
    batch_size = draw.draw(st.integers(1, n))
    steps = n // batch_size
    labels = np.arange(n)
    images = labels.astype(np.uint8).reshape(n, 1, 1, 1)
    batches = data.Batches(images, batch_size, labels=labels, seed=seed)
    for epoch in range(epochs):
        seen = []
        for _ in range(steps):
            x, labels = next(batches)
            assert isinstance(x, mg.Tensor)
            assert not x.requires_grad
            x = x.numpy()
            assert x.shape == (batch_size, 1, 1, 1)
            assert x.dtype == np.float32
            assert x.flags.c_contiguous
            expected = data.to_float(images[labels])  # labels stay with their images
            assert np.array_equal(x, expected)
            seen.extend(labels.tolist())
        assert batches.epoch == epoch
        assert len(seen) == steps * batch_size
        assert len(set(seen)) == len(seen)


def test_epochs_are_shuffled_and_the_seed_decides_how():
    images = bytes_of(50, 1, 1, 1)

    def first_epochs(seed):
        batches = data.Batches(images, 50, labels=np.arange(50), seed=seed)
        _, first = next(batches)
        _, second = next(batches)
        return first.tolist(), second.tolist()

    orders = [first_epochs(seed) for seed in (0, 0, 1, (0, 1))]
    assert orders[0] == orders[1]
    first, second = orders[0]
    assert first != second
    different = set(map(str, orders))
    assert len(different) == 3


@given(st.integers(2, 30), st.data(), st.integers(0, 70))
@settings(deadline=None, max_examples=60)
def test_batches_resumed_anywhere_are_the_same_to_the_bit(n, draw, taken):
    batch_size = draw.draw(st.integers(1, n))
    images = bytes_of(n, 3, 2, 2)
    numbers = np.arange(n)
    batches = data.Batches(images, batch_size, labels=numbers, seed=5)
    for _ in range(taken):
        next(batches)
    resumed = data.Batches(images, batch_size, labels=numbers, seed=99)
    resume(batches, resumed)
    assert resumed.state_dict() == batches.state_dict()
    steps = n // batch_size
    for _ in range(3 * steps + 1):
        x, labels = next(batches)
        again, labels_again = next(resumed)
        assert bits(x) == bits(again)
        assert labels.tolist() == labels_again.tolist()


def located(height, width, n=40):
    """Images whose two channels tell each pixel's row and column, and a third the image."""
    rows, columns = np.mgrid[:height, :width]
    images = np.empty((n, 3, height, width), np.uint8)
    images[:, 0] = rows
    images[:, 1] = columns
    images[:, 2] = np.arange(n).reshape(n, 1, 1)
    return images


def test_a_crop_is_a_square_of_neighbouring_pixels_from_anywhere_mirrored_half_of_the_time():
    places = []
    mirrored = 0
    batches = data.Batches(located(9, 12), 20, seed=2, crop=7, flip=True)
    for _ in range(20):
        x = np.rint((next(batches).numpy() + 1) * 127.5).astype(int)
        assert x.shape == (20, 3, 7, 7)
        for rows, columns, _ in x:
            if columns[0, 0] > columns[0, -1]:
                mirrored += 1
                columns = columns[:, ::-1]
            top = rows[0, 0]
            left = columns[0, 0]
            square = np.mgrid[top : top + 7, left : left + 7]
            np.testing.assert_array_equal([rows, columns], square)
            places.append((top, left))
    expected = {(top, left) for top in range(3) for left in range(6)}
    assert set(places) == expected
    sigma = 0.5 / 400**0.5
    assert abs(mirrored / 400 - 0.5) < 5 * sigma


def test_neither_crop_nor_flip_leaves_the_order_or_the_images_alone():
    images = located(6, 6)
    plain = data.Batches(images, 10, seed=1)
    cropped = data.Batches(images, 10, seed=1, crop=6)
    flipped = data.Batches(images, 10, seed=1, flip=True)
    for _ in range(4):  # one epoch: the next orders differ, because mirroring draws numbers too
        x = next(plain).numpy()
        y = next(cropped).numpy()
        z = next(flipped).numpy()
        np.testing.assert_array_equal(x, y)
        numbers = x[:, 2]
        assert (numbers == z[:, 2]).all()
        assert not (x == z).all()
    assert bits(next(plain)) == bits(next(cropped))


@pytest.mark.parametrize("taken", [0, 3, 8, 21])
def test_crops_resume_to_the_same_bits(taken):
    options = dict(crop=4, flip=True)
    batches = data.Batches(located(6, 7), 5, seed=4, **options)
    for _ in range(taken):
        next(batches)
    resumed = data.Batches(located(6, 7), 5, seed=9, **options)
    resume(batches, resumed)
    for _ in range(20):
        assert bits(next(batches)) == bits(next(resumed))


@pytest.mark.parametrize(
    "crop, message",
    [
        (7, "crop is 7, expected a whole number from 1 to 6, the shortest side of the images"),
        (0, "crop is 0"),
        (2.0, "crop is 2.0"),
    ],
)
def test_a_crop_that_the_images_do_not_hold_is_refused(crop, message):
    with pytest.raises(ValueError, match=message):
        data.Batches(located(6, 9), 2, crop=crop)


def test_a_batch_is_contiguous_even_if_the_images_are_not():
    nhwc = bytes_of(8, 5, 6, 3)
    images = nhwc.transpose(0, 3, 1, 2)
    batch = next(data.Batches(images, 4))
    assert batch.numpy().flags.c_contiguous


def epoch_of(batches):
    """The numbers of all images of an epoch, in their order."""
    steps = len(batches.labels) // batches.state_dict()["batch_size"]
    return [number for _ in range(steps) for number in next(batches)[1].tolist()]


@pytest.mark.parametrize("count, batch_size", [(9, 3), (12, 3), (12, 4)])
def test_other_images_or_batches_begin_the_epoch_after_the_one_that_was_left(count, batch_size):
    left = data.Batches(bytes_of(12, 1, 2, 2), 3, labels=np.arange(12), seed=5)
    interrupted = epoch_of(left)
    epoch_of(left)
    state = left.state_dict()
    orders = []
    for seed in (0, 1):  # which counts no longer
        other = bytes_of(count, 1, 2, 2, seed=7)
        batches = data.Batches(other, batch_size, labels=np.arange(count), seed=seed)
        assert not batches.is_of(state)
        batches.begin_anew(state)
        assert batches.epoch == state["epoch"] + 1 == 2
        orders.append(epoch_of(batches))
        assert batches.epoch == 2
        assert sorted(orders[-1]) == list(range(count))
    assert orders[0] == orders[1]
    left.load_state_dict(state | {"position": 0})
    assert orders[0] not in (interrupted, epoch_of(left))  # a new order, also of as many images
    assert left.is_of(state)


def test_batches_of_images_that_were_changed_do_not_go_on():
    images = bytes_of(10, 1, 2, 2)
    state = data.Batches(images, 5).state_dict()
    checksum = state["checksum"]
    images[7, 0, 1, 1] ^= 1
    changed = data.Batches(images, 5)
    with pytest.raises(ValueError, match=f"checksum {checksum}, expected"):
        changed.load_state_dict(state)


TEN = bytes_of(10, 1, 2, 2)
GOOD = data.Batches(TEN, 5).state_dict()
GENERATOR = GOOD["generator"]


@pytest.mark.parametrize(
    "change, message",
    [
        ({"images": 11}, "images 11, expected 10"),
        ({"batch_size": 2}, "batch_size 2, expected 5"),
        ({"checksum": 0}, "checksum 0, expected"),
        ({"position": 3}, "position 3"),
        ({"position": 15}, "position 15"),
        ({"epoch": -1}, "epoch -1"),
        ({"epoch": None}, "epoch None"),
        ({"generator": None}, "PCG64"),
        ({"generator": {}}, "PCG64"),
        ({"generator": {**GENERATOR, "bit_generator": "MT19937"}}, "PCG64"),
        ({"generator": {**GENERATOR, "state": {"state": -1, "inc": 1}}}, "PCG64"),
        ({"generator": {**GENERATOR, "state": {"state": 1}}}, "PCG64"),
    ],
)
def test_a_state_of_other_batches_is_refused_and_changes_nothing(change, message):
    batches = data.Batches(TEN, 5)
    before = batches.state_dict()
    with pytest.raises(ValueError, match=message):
        batches.load_state_dict(GOOD | change)
    assert batches.state_dict() == before


@pytest.mark.parametrize(
    "change, message",
    [
        ({"epoch": -1}, "epoch -1"),
        ({"epoch": None}, "epoch None"),
        ({"generator": None}, "PCG64"),
        ({"generator": {**GENERATOR, "state": {"state": 1}}}, "PCG64"),
        ({"more": 1}, "the data order has"),
    ],
)
def test_no_epoch_begins_after_a_damaged_state(change, message):
    batches = data.Batches(TEN[:9], 3)
    before = batches.state_dict()
    with pytest.raises(ValueError, match=message):
        batches.begin_anew(GOOD | change)
    assert batches.state_dict() == before


@pytest.mark.parametrize("batch_size", [0, -1, 11, 2.5])
def test_a_batch_size_that_the_images_cannot_fill_is_refused(batch_size):
    expected = f"batch_size is {batch_size}, expected a whole number from 1 to 10"
    with pytest.raises(ValueError, match=expected):
        data.Batches(TEN, batch_size)


@pytest.mark.parametrize(
    "images, labels, message",
    [
        (np.zeros((4, 1, 2, 2)), None, "images are float64"),
        (bytes_of(4, 2, 2), None, r"uint8 \(4, 2, 2\)"),
        (bytes_of(4, 1, 2, 2), np.zeros(3), "3 labels for 4 images"),
    ],
)
def test_batches_refuse_what_is_not_bytes_nchw_with_a_label_each(images, labels, message):
    with pytest.raises(ValueError, match=message):
        data.Batches(images, 2, labels=labels)
