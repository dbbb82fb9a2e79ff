"""The part of an image or clip that goes into a batch: a rectangle, perhaps mirrored; some frames.

How a window may lie is a short list of numbers of choices, and where it lies is one
integer for each of them. So a random generator draws all windows of an epoch at once, and what
belongs together, such as a photograph and its mask, is cut at the same place.
"""

from dataclasses import dataclass

from ..checks import whole_number
from ..sizes import height_and_width


@dataclass(frozen=True)
class Window:
    """What is cut out of each image (C, H, W) or clip (T, C, H, W)."""

    crop: object = None  # a size: a number for a square, or a pair; None: the whole image
    flip: bool = False  # is each one mirrored, left to right, with probability 1/2?
    frames: int = None  # neighbouring frames of a clip; None: all of them

    def check(self, shapes):
        """Raise ValueError unless it fits into arrays of these shapes, at one place for all."""
        clips = {shape[1] for shape in shapes if len(shape) == 5}
        sizes = {shape[-2:] for shape in shapes}
        if self.crop is not None:
            self._check_crop(sizes)
            if len(sizes) > 1:
                raise ValueError(
                    f"crop is {self.crop}, expected images of one size, not {sorted(sizes)}"
                )
        if self.frames is not None:
            if len(clips) != 1:
                raise ValueError(
                    f"frames is {self.frames!r}, expected clips (N, T, C, H, W) of one length T, "
                    f"not arrays of shapes {list(shapes)}"
                )
            whole_number("frames", self.frames, 1, min(clips), "the length of the clips")

    def _check_crop(self, sizes):
        """Raise ValueError unless what is cut out fits into images of these sizes."""
        if not isinstance(self.crop, (tuple, list, str)):
            shortest = min(map(min, sizes))
            whole_number("crop", self.crop, 1, shortest, "the shortest side of the images")
            return
        height, width = height_and_width(self.crop, "crop")
        if height > min(h for h, _ in sizes) or width > min(w for _, w in sizes):
            found = " and ".join(f"{h} x {w}" for h, w in sorted(sizes))
            raise ValueError(f"crop is {height} x {width}, expected at most the images' {found}")

    def _cut_size(self, height, width):
        """The height and width of what is cut out of images of this size."""
        if self.crop is None:
            return height, width
        return height_and_width(self.crop, "crop")

    def choices(self, shapes):
        """The number of tops, of lefts, of mirrorings and, with frames, of first frames -> list."""
        height, width = shapes[0][-2:]
        cut_height, cut_width = self._cut_size(height, width)
        tops = height - cut_height + 1
        lefts = width - cut_width + 1
        mirrorings = 2 if self.flip else 1
        if self.frames is None:
            return [tops, lefts, mirrorings]
        length = next(shape[1] for shape in shapes if len(shape) == 5)
        return [tops, lefts, mirrorings, length - self.frames + 1]

    def shape(self, shape):
        """The shape of an image or clip -> the shape of what is cut out of it."""
        *outer, height, width = shape
        if self.frames is not None and len(shape) == 4:
            outer[0] = self.frames
        return (*outer, *self._cut_size(height, width))

    def cut(self, image, place):
        """What the window shows of one image or clip -> a view.

        place: top, left, whether it is mirrored and, with frames, the first frame; or None.
        """
        if place is None:
            return image
        top, left, mirrored = place[:3]
        if self.frames is not None and image.ndim == 4:
            first = place[3]
            image = image[first : first + self.frames]
        if self.crop is not None:
            height, width = height_and_width(self.crop)
            image = image[..., top : top + height, left : left + width]
        if mirrored:
            image = image[..., ::-1]
        return image
