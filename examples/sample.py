"""Draw images from a trained generator: a grid, an array, or a walk between latents.

    python examples/sample.py runs/dcgan -n 64 --seed 0 --out grid.png
    python examples/sample.py runs/dcgan -n 1000 --out samples.npy         # float32 (n, C, H, W) in [-1, 1]
    python examples/sample.py runs/dcgan --interpolate 8 --out walk.png    # each row leads from one latent to another
    python examples/sample.py runs/dcgan --truncation 0.7                  # fewer surprises, less variety
"""

import numpy as np

import arguments
import minigan as mg
from minigan import images, models
from minigan.files import reading, whole_file
from minigan.foreign import check_whole, shown
from minigan.models import check_arguments

PRIORS = {"uniform": lambda generator, shape: generator.uniform(-1, 1, shape),
          "normal": lambda generator, shape: generator.standard_normal(shape)}
WEIGHTS = ("average", "generator")  # whose weights draw: the average's over the training, or the last ones
STATISTICS = ("running", "batch")  # which ones batch norm uses


def load_generator(path, networks=None):
    """A run directory or checkpoint -> (generator ready to sample, what the checkpoint says of itself: "run").

    networks: the file of networks of one's own, where it was trained with such. Raises FileNotFoundError, ValueError.
    """
    path = arguments.find_checkpoint(path)
    state = arguments.load_checkpoint(path)
    with reading(f"checkpoint {path}"):
        return _build(state, networks)


def _build(state, networks):
    about = arguments.about_of(state)
    sampling = about.get("sampling") if about else None
    if not isinstance(sampling, dict) or "generator" not in state or "latent" not in sampling:
        raise ValueError("it holds no generator of images from latents")
    architecture = about["architecture"]
    check_arguments(architecture)
    if sampling["latent"] not in PRIORS or "latent_dim" not in architecture:
        raise ValueError(f"its latents are {shown(sampling['latent'])}, its networks {shown(architecture)}")
    check_whole("its latent_dim", architecture["latent_dim"], 1, models.LARGEST)
    check_whole("its step", about["step"])
    if sampling["network"] not in WEIGHTS or sampling["batch_statistics"] not in STATISTICS:
        raise ValueError(f"it is sampled as {shown(sampling)}, expected the weights of {' or '.join(WEIGHTS)} and the "
                         f"batch statistics {' or '.join(STATISTICS)}")
    module = arguments.own_networks(about, networks)
    if module is None:  # some models have several
        network = models.find_network(about["model"], architecture.get("generator", "Generator"))
    else:
        network = module.Generator
    kept = state["average"]["module"] if sampling["network"] == "average" else state["generator"]
    generator = arguments.build_network(network, architecture, kept)
    return generator.train(sampling["batch_statistics"] == "batch"), about


def draw_latents(n, about, seed, truncation=1.0):
    """n latents (n, latent_dim) float32 of the checkpoint's prior.

    truncation below 1 keeps them near the middle (Brock et al. 2019): a uniform prior shrinks to +-truncation, and
    normal numbers beyond +-2 truncation are drawn again.
    """
    generator = np.random.default_rng(seed)
    prior, shape = about["sampling"]["latent"], (n, about["architecture"]["latent_dim"])
    z = PRIORS[prior](generator, shape)
    if prior == "uniform":
        z *= truncation
    while prior == "normal" and truncation < 1 and (far := np.abs(z) > 2 * truncation).any():
        again = generator.uniform(-2, 2, int(far.sum())) * truncation  # kept with the share that the density says
        z[far] = np.where(generator.random(len(again)) < np.exp(-again * again / 2), again, np.inf)
    return z.astype(np.float32)


def generate(generator, z, batch_size=100):
    """Latents (n, latent_dim) -> images float32 (n, C, H, W) in [-1, 1], a batch at a time."""
    with mg.no_grad():
        batches = [generator(mg.tensor(z[i:i + batch_size])).numpy() for i in range(0, len(z), batch_size)]
    return np.ascontiguousarray(np.concatenate(batches))


def walk(z, steps):
    """From each even latent to the odd one after it in ``steps`` steps, along a great circle.

    High-dimensional latents all lie near one sphere; a straight line would cut through its empty inside (White 2016).
    """
    a, b = z[0::2, None], z[1::2, None]
    lengths = [np.linalg.norm(v, axis=-1, keepdims=True) for v in (a, b)]
    angle = np.arccos(np.clip((a * b).sum(-1, keepdims=True) / (lengths[0] * lengths[1]), -1, 1))
    t = np.linspace(0, 1, steps)[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        path = (np.sin((1 - t) * angle) * a + np.sin(t * angle) * b) / np.sin(angle)  # (rows, steps, latent_dim)
    path = np.where(np.sin(angle) > 1e-6, path, (1 - t) * a + t * b)  # on one line with 0 there is no circle
    return path.reshape(-1, z.shape[1]).astype(np.float32)


def main(argv=None):
    parser = arguments.Parser(description=__doc__)
    parser.add_argument("run", help="a run directory or a checkpoint file")
    parser.add_argument("-n", type=arguments.at_least(1), default=64, help="how many images (default: %(default)s)")
    parser.add_argument("--seed", type=arguments.at_least(0), default=0)
    parser.add_argument("--out", default="grid.png", help="a .png or an .npy file (default: %(default)s)")
    parser.add_argument("--interpolate", type=arguments.at_least(2), metavar="STEPS",
                        help="rows of STEPS images that lead from one latent to another; -n counts the rows")
    parser.add_argument("--truncation", type=arguments.positive, default=1.0, help="above 0, at most 1 (default: 1)")
    arguments.add_networks(parser)
    args = parser.parse_args(argv)
    if not args.out.endswith((".png", ".npy")):
        parser.error(f"--out {args.out} is neither a .png nor an .npy file")
    if args.truncation > 1:
        parser.error(f"--truncation is {args.truncation}, expected at most 1")
    with arguments.one_sentence():
        generator, about = load_generator(args.run, args.networks)
        rows = 8 if args.interpolate and args.n == parser.get_default("n") else args.n
        z = draw_latents(2 * rows if args.interpolate else args.n, about, args.seed, args.truncation)
        pictures = generate(generator, walk(z, args.interpolate) if args.interpolate else z)
        if args.out.endswith(".npy"):
            with whole_file(args.out) as file:
                np.save(file, pictures)
        else:
            images.save_png(args.out, images.make_grid(pictures, args.interpolate))
    sampling = about["sampling"]
    print(f"{len(pictures)} images of step {about['step']}, {sampling['network']} weights, "
          f"{sampling['batch_statistics']} batch statistics: {args.out}")


if __name__ == "__main__":
    arguments.program(main)
