"""Does reading a folder of pictures slow a training down?

    python tests/benchmarks/bench_loader.py                    # makes JPEGs, measures, deletes
    python tests/benchmarks/bench_loader.py --folder photos/   # your own pictures

Three rows, each measured several times in turn, because other programs share the processor:

    loader      batches are drawn from the folder, and nothing else is done: what decoding can give
    memory      a DCGAN's discriminator learns from arrays in memory: what the step alone takes
    folder      the same from the folder, decoded ahead of the step

images/s is the median of all turns. The loader is fast enough if `folder` is as fast as `memory`.
`peak memory` is the largest that this process ever was (ru_maxrss).
"""

import argparse
import resource
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

import minigan as mg
from minigan import data, models
from minigan.data import folders
from minigan.models.dcgan import discriminator_loss
from minigan.optim import Adam


def write_pictures(folder, count, size=256):
    """Random smooth pictures: noise of 16 x 16 pixels, enlarged, as JPEGs."""
    Image, _ = mg.images.pillow()
    generator = np.random.default_rng(0)
    for i in range(count):
        coarse = generator.integers(0, 256, (16, 16, 3), np.uint8)
        picture = Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC)
        picture.save(Path(folder) / f"{i:05}.jpg", quality=90)


def draw(batches, steps):
    """Draw batches and do nothing with them."""
    for _ in range(steps):
        next(batches)


class Training:
    """A step of a DCGAN's discriminator on real images and noise."""

    def __init__(self, image_size, width):
        self.D = models.dcgan.Discriminator(image_size=image_size, channels=3, width=width)
        self.optimizer = Adam(self.D.parameters(), 2e-4)

    def __call__(self, batches, steps):
        for _ in range(steps):
            real = next(batches)
            fake = mg.rand(*real.shape)
            loss = discriminator_loss(self.D(real), self.D(fake))
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()


def images_per_second(work, batches, steps, batch_size):
    """Time `steps` batches, the first of which is not counted."""
    work(batches, 1)
    began = time.perf_counter()
    work(batches, steps)
    return steps * batch_size / (time.perf_counter() - began)


def measure(folder, args):
    """Print the table for one folder."""
    folders.KEPT = 0  # also a small folder is decoded at each access
    began = time.perf_counter()
    images = data.load(folder, image_size=args.image_size).images
    seconds = time.perf_counter() - began
    print(f"{len(images)} headers in {seconds:.1f} s")
    few = images[: 4 * args.batch_size]
    from_folder = data.Batches(images, args.batch_size, workers=args.workers)
    from_memory = data.Batches(few, args.batch_size)
    train = Training(args.image_size, args.width)
    rows = {
        "loader": (draw, from_folder),
        "memory": (train, from_memory),
        "folder": (train, from_folder),
    }
    found = {name: [] for name in rows}
    for _ in range(args.turns):
        for name, (work, batches) in rows.items():
            found[name].append(images_per_second(work, batches, args.steps, args.batch_size))
    for name, speeds in found.items():
        median = statistics.median(speeds)
        print(f"{name:8} {median:8.0f} images/s  ({min(speeds):.0f} to {max(speeds):.0f})")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory {peak:.0f} MiB")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", help="pictures; by default some are made, and deleted again")
    parser.add_argument("--pictures", type=int, default=2000, help="how many are made")
    parser.add_argument("--image-size", type=int, default=64)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--width", type=int, default=64, help="of the discriminator")
    parser.add_argument("--steps", type=int, default=4, help="batches in a turn")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--workers", type=int, help="threads that decode; default one per core")
    args = parser.parse_args()
    if args.folder:
        measure(args.folder, args)
        return
    with tempfile.TemporaryDirectory() as folder:
        write_pictures(folder, args.pictures)
        measure(folder, args)


if __name__ == "__main__":
    main()
