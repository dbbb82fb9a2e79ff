"""How right is a trained translation, where the truth is known? It has seen none of the pairs.

    python examples/score_translation.py runs/cyclegan

A training script whose data are pairs ends with the same table. With photographs and masks of
nuclei, for example, of which it sees the photographs of one half of the sources and the masks of
the other:

    python examples/train_cyclegan.py --data-a cells.npz --data-b cells.npz:masks --halves source \
        --image-size 64 --load-size 64 --width 16 --blocks 3 --patch-width 32 --patch-layers 2 \
        --batch-size 2 --lr 1e-3 --steps 8000 --constant-steps 4000 --decay-steps 4000 \
        --out runs/cells

The root mean square error over all pixels stands beside what needs no training: the image as it
is, the mean image of the target, and the best recolouring, in which every colour becomes the mean
of what it stands for in these very test pairs. A translation that beats this one has learned more
than colours. Where B are masks, the Dice coefficient 2 |P and T| / (|P| + |T|) of the
translation, cut at the middle grey, stands beside that of Otsu's threshold (1979), found for each
image, and of calling everything foreground; all are means over the images.
"""

from minigan import devices
from minigan.evaluation.translation import arguments_of, report
from minigan.training import scripts
from minigan.training.translation import domains, load_generators


def main(argv=None):
    parser = scripts.Parser(description=__doc__)
    parser.add_argument("run", help="a run directory")
    scripts.add_networks(parser)
    args = parser.parse_args(argv)
    with scripts.one_sentence():
        G, F, about = load_generators(args.run, args.networks)
        images = domains(arguments_of(args.run))
        if not images.paired:
            raise ValueError(
                f"{args.run} was trained on images whose true translation is not known, expected "
                "the digits or --halves of pairs"
            )
    print(devices.describe())
    print(f"step {about['step']}, {len(images.test_a)} test pairs")
    print(report(images, G, F))


if __name__ == "__main__":
    scripts.program(main)
