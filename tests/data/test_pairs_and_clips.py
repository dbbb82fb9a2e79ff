"""What belongs together is cut at the same place: photograph and mask, all frames of a clip."""

import numpy as np
import pytest
from data_files import bits, bytes_of, resume

import minigan as mg
from minigan import data


def to_bytes(batch):
    """A Tensor in [-1, 1] -> the bytes that it was made of."""
    floats = batch.numpy()
    return mg.images.to_uint8(floats)


def enlarged(x):
    """Every pixel as 3 x 3 pixels."""
    tall = x.repeat(3, axis=2)
    return tall.repeat(3, axis=3)


def check_equal(x, y):
    np.testing.assert_array_equal(x, y)


def numbered_clips(count, length, height=6, width=7):
    """Clips uint8 (count, length, 3, height, width): channel 0 tells the clip, 1 the frame and 2
    the pixel."""
    clips = np.empty((count, length, 3, height, width), np.uint8)
    numbers = np.arange(count)
    frames = np.arange(length)
    pixels = np.arange(height * width)
    clips[:, :, 0] = numbers[:, None, None, None]
    clips[:, :, 1] = frames[:, None, None]
    clips[:, :, 2] = pixels.reshape(height, width)
    return clips


CLIPS = numbered_clips(4, 3)
SHORTER = numbered_clips(4, 2)
FIRST_FRAMES = CLIPS[:, 0]
GREY = bytes_of(4, 1, 6, 6)
TALLER = bytes_of(4, 1, 7, 6)
SMALLER = bytes_of(4, 1, 5, 5)
FEWER = bytes_of(3, 1, 6, 6)
FLOATS = np.zeros((4, 1, 6, 6))
FLAT = bytes_of(4, 6, 6)


# ---- pairs


@pytest.mark.parametrize("container", [tuple, list])
def test_a_pair_has_one_index_crop_and_mirroring(container):
    photographs = bytes_of(20, 3, 8, 9)
    masks = 255 - photographs[:, :1]
    sources = container([photographs, masks])
    batches = data.Batches(sources, 6, labels=np.arange(20), crop=5, flip=True)
    for _ in range(8):
        photograph, mask, labels = next(batches)
        assert photograph.shape == (6, 3, 5, 5)
        assert mask.shape == (6, 1, 5, 5)
        assert mask.dtype == np.float32
        assert labels.shape == (6,)
        red = to_bytes(photograph)[:, :1]
        check_equal(to_bytes(mask), 255 - red)


def test_a_pair_is_drawn_in_the_order_of_its_first_alone():
    photographs = bytes_of(20, 3, 8, 8)
    masks = bytes_of(20, 1, 8, 8, seed=1)
    alone = data.Batches(photographs, 6, seed=3, crop=5)
    pairs = data.Batches((photographs, masks), 6, seed=3, crop=5)
    for _ in range(8):
        photograph, _ = next(pairs)
        assert bits(next(alone)) == bits(photograph)


def test_three_sources_and_sizes_that_differ_are_drawn_together():
    small = bytes_of(5, 1, 2, 2)
    large = enlarged(small)
    batches = data.Batches((small, large, small), 5, flip=True)
    for _ in range(6):
        x, y, z = map(to_bytes, next(batches))
        check_equal(x, z)
        check_equal(y, enlarged(x))


@pytest.mark.parametrize("taken", [0, 2, 7])
def test_pairs_resume_to_the_same_bits(taken):
    photographs = bytes_of(11, 3, 6, 6)
    masks = bytes_of(11, 1, 6, 6, seed=1)
    sources = (photographs, masks)
    batches = data.Batches(sources, 3, seed=1, crop=4, flip=True)
    for _ in range(taken):
        next(batches)
    resumed = data.Batches(sources, 3, seed=2, crop=4, flip=True)
    resume(batches, resumed)
    for _ in range(9):
        x, mask = next(batches)
        again, mask_again = next(resumed)
        assert bits(x) == bits(again)
        assert bits(mask) == bits(mask_again)


def test_a_change_in_any_source_is_another_data_set():
    photographs = bytes_of(6, 3, 4, 4)
    masks = bytes_of(6, 1, 4, 4, seed=1)
    state = data.Batches((photographs, masks), 2).state_dict()
    alone = data.Batches(photographs, 2).state_dict()
    swapped = data.Batches((masks, photographs), 2).state_dict()
    checksums = {each["checksum"] for each in (state, alone, swapped)}
    assert len(checksums) == 3
    masks[3, 0, 1, 1] ^= 1
    with pytest.raises(ValueError, match="checksum"):
        data.Batches((photographs, masks), 2).load_state_dict(state)


@pytest.mark.parametrize(
    "sources, options, message",
    [
        ((GREY, FEWER), {}, "there are 3 images for 4"),
        ((GREY, FLOATS), {}, "images are float64"),
        ((GREY, FLAT), {}, r"images are uint8 \(4, 6, 6\)"),
        (
            (GREY, TALLER),
            {"crop": 3},
            r"crop is 3, expected images of one size, not \[\(6, 6\), \(7, 6\)\]",
        ),
        (
            (GREY, SMALLER),
            {"crop": 6},
            "crop is 6, expected a whole number from 1 to 5, the shortest side",
        ),
        ((), {}, "expected at least one array of images"),
    ],
)
def test_what_is_no_pair_is_refused(sources, options, message):
    with pytest.raises(ValueError, match=message):
        data.Batches(sources, 2, **options)


# ---- clips


def test_clips_are_whole_without_a_window():
    clips = numbered_clips(6, 4)
    batches = data.Batches(clips, 3, labels=np.arange(6))
    batch, labels = next(batches)
    assert batch.shape == (3, 4, 3, 6, 7)
    check_equal(to_bytes(batch), clips[labels])


def test_all_frames_of_a_clip_are_cropped_and_mirrored_alike():
    batches = data.Batches(numbered_clips(8, 3), 8, crop=4, flip=True)
    seen = set()
    for _ in range(10):
        batch = to_bytes(next(batches))
        pixels = batch[:, :, 2]
        assert pixels.shape == (8, 3, 4, 4)
        first_frames = pixels[:, :1]
        assert (pixels == first_frames).all()
        for clip in pixels:
            seen.add(clip[0].tobytes())
    assert len(seen) == 3 * 4 * 2  # tops, lefts, mirrorings


@pytest.mark.parametrize("options", [{}, {"crop": 3, "flip": True}])
def test_a_window_of_neighbouring_frames_begins_anywhere(options):
    batches = data.Batches(numbered_clips(8, 5), 4, frames=2, **options)
    starts = set()
    for _ in range(20):
        batch = to_bytes(next(batches))
        frames = batch[:, :, 1, 0, 0]
        assert frames.shape == (4, 2)
        first, second = frames.T
        assert (second == first + 1).all()
        starts.update(first.tolist())
    assert starts == {0, 1, 2, 3}


def test_a_window_as_long_as_the_clip_changes_nothing():
    clips = numbered_clips(6, 3)
    whole = data.Batches(clips, 2, seed=1)
    window = data.Batches(clips, 2, seed=1, frames=3)
    for _ in range(7):
        assert bits(next(whole)) == bits(next(window))


def test_a_picture_may_go_with_a_clip():
    clips = numbered_clips(6, 4)
    first_frames = clips[:, 0]
    batches = data.Batches((first_frames, clips), 3, frames=2, crop=5)
    picture, clip = map(to_bytes, next(batches))
    assert picture.shape == (3, 3, 5, 5)
    assert clip.shape == (3, 2, 3, 5, 5)
    of_window = clip[:, 0]  # its frames may have begun later than the clip
    check_equal(picture[:, 0], of_window[:, 0])
    check_equal(picture[:, 2], of_window[:, 2])


@pytest.mark.parametrize("taken", [0, 3, 8])
def test_windows_resume_to_the_same_bits(taken):
    clips = bytes_of(7, 5, 1, 4, 4)
    batches = data.Batches(clips, 2, seed=1, frames=2, flip=True)
    for _ in range(taken):
        next(batches)
    resumed = data.Batches(clips, 2, seed=2, frames=2, flip=True)
    resume(batches, resumed)
    for _ in range(9):
        assert bits(next(batches)) == bits(next(resumed))


@pytest.mark.parametrize(
    "sources, frames, message",
    [
        (CLIPS, 4, "frames is 4, expected a whole number from 1 to 3, the length of the clips"),
        (CLIPS, 0, "frames is 0"),
        (CLIPS, 1.5, "frames is 1.5"),
        (FIRST_FRAMES, 2, r"frames is 2, expected clips \(N, T, C, H, W\)"),
        ((CLIPS, SHORTER), 2, "of one length T, not arrays of shapes"),
    ],
)
def test_a_window_that_the_clips_do_not_hold_is_refused(sources, frames, message):
    with pytest.raises(ValueError, match=message):
        data.Batches(sources, 2, frames=frames)
