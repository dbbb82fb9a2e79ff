"""Draw the graph of a small expression: values, gradients, operations.

python examples/draw_graph.py --out graph.png
"""

import minigan as mg
from minigan import drawing
from minigan.training import scripts


def main(argv=None):
    parser = scripts.Parser(description=__doc__)
    parser.add_argument(
        "--out", default="graph.png", help="a .png, .svg or .pdf file (default: %(default)s)"
    )
    args = parser.parse_args(argv)

    # One neuron with two inputs, and its squared distance to what it should have said.
    x1, x2 = mg.tensor(2.0), mg.tensor(-1.0)
    w1, w2, b = (mg.tensor(v, requires_grad=True) for v in (-0.5, 1.5, 2.0))
    with drawing.trace() as t:
        y = (w1 * x1 + w2 * x2 + b).tanh()
        loss = (y - 1) ** 2
    with scripts.one_sentence():
        t.draw(
            args.out,
            loss,
            names={"x1": x1, "x2": x2, "w1": w1, "w2": w2, "b": b, "y": y, "loss": loss},
        )
    print(args.out)


if __name__ == "__main__":
    scripts.program(main)
