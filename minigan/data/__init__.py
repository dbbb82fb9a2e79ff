"""Images to train on: by name, from folders, from .npz files; and the batches drawn from them."""

from .batches import Batches
from .dataset import Dataset
from .folders import SPLITS, MissingSplit, image_files, read_folder
from .images import to_float
from .lazy import FolderImages
from .npz import read_npz
from .sources import BUNDLED, find_npz, is_folder, load

__all__ = [
    "BUNDLED",
    "SPLITS",
    "Batches",
    "Dataset",
    "FolderImages",
    "MissingSplit",
    "find_npz",
    "image_files",
    "is_folder",
    "load",
    "read_folder",
    "read_npz",
    "to_float",
]
