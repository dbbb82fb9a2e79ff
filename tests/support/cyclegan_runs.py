"""Small trainings of a CycleGAN, and small images for them."""

import numpy as np
import pytest

SMALL = [
    *("--steps", "2"),
    *("--image-size", "16"),
    *("--load-size", "16"),
    *("--width", "2"),
    *("--blocks", "1"),
    *("--patch-width", "2"),
    *("--patch-layers", "1"),
    "--quiet",
]


def refused(capsys, main, *arguments):
    """The one sentence with which a script refuses its arguments."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as caught:
        main([str(argument) for argument in arguments])
    said = capsys.readouterr().err
    assert len(said.strip().splitlines()) == 1, said
    assert caught.value.code == 2
    return said


def write_image(path, size, mode="RGB", value=(200, 30, 30)):
    """Write an image of one colour; of a grey one, `value` holds its grey first."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, value if mode == "RGB" else value[0]).save(path)


def noise(*shape, seed=0):
    """Random bytes, uint8."""
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def write_pairs(path, **more):
    """20 pairs of 8 x 8 images whose values tell their number, masks 100 more.

    Two pairs have the same source; the last four are test pairs. more: other arrays.
    """
    images = np.broadcast_to(np.arange(20, dtype=np.uint8)[:, None, None], (20, 8, 8))
    np.savez(
        path,
        images=images,
        masks=images + 100,
        source=np.arange(20) // 2,
        split=np.arange(20) // 16 * 2,
        **more,
    )
