"""The pictures that a run draws at its end: training.gif of its samples, losses.png of its log.

The training is complete and kept before this begins. So nothing here may make it fail: what cannot
be drawn is said in a line.
"""

from ..data import images
from ..files import messages, regular_file
from . import run_folder, run_log
from .run_folder import CHECKPOINT, LOG

GIF = "training.gif"
LOSSES = "losses.png"


def are_drawn(folder):
    """Whether both pictures are there, and not older than the checkpoint."""
    kept_at = (folder / CHECKPOINT).stat().st_mtime_ns
    for path in (folder / GIF, folder / LOSSES):
        if not path.exists() or path.stat().st_mtime_ns < kept_at:
            return False
    return True


def draw(folder, title):
    """Draw both pictures -> whether both could be drawn."""
    has_gif = _try(folder / GIF, lambda path: images.save_gif(path, _grids(folder)))
    has_losses = _try(folder / LOSSES, lambda path: run_log.draw(folder / LOG, path, title))
    return has_gif and has_losses


def _try(path, draw):
    """Call draw(path) -> True, or False after a line that says why it did not work."""
    try:
        draw(path)
        return True
    except Exception as error:  # whatever Matplotlib, its cache or a damaged picture may raise
        messages.warn(f"{path.name} could not be drawn: {messages.reason(error)}")
        return False


def _grids(folder):
    """The pictures of samples/, one at a time; those that cannot be read are named."""
    for _, path in run_folder.pictures(folder):
        try:
            picture = images.read_image(regular_file(path))
            grid = images.make_grid(picture[None], padding=0, scale=1)
        except (ValueError, OSError) as error:
            messages.warn(f"training.gif goes on without a picture: {messages.reason(error)}")
            continue
        yield grid
