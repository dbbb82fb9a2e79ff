"""Images to train on: by name, from folders, from .npz files; and the batches drawn from them."""

from .batches import Batches
from .folders import SPLITS, MissingSplit, image_files, read_folder
from .images import to_float
from .sources import BUNDLED, Dataset, find_npz, is_folder, load, read_npz

__all__ = [
    "BUNDLED",
    "SPLITS",
    "Batches",
    "Dataset",
    "MissingSplit",
    "find_npz",
    "image_files",
    "is_folder",
    "load",
    "read_folder",
    "read_npz",
    "to_float",
]
