"""A small expression as a picture: a box for every tensor, a circle for every operation,
gradients where they arrive.

The one idea: the drawing reads the same records as the backward pass. A tensor's column is its
longest way to the loss; in a column, places lie near the mean of those that they are joined with
(Sugiyama, Tagawa and Toda 1981), and a line that crosses a column takes a place in it like a box
does.
"""

import numbers
from collections import Counter
from pathlib import Path

import numpy as np

from . import engine
from .files import whole_file

MOST = 60  # boxes; more is no picture for people
SYMBOLS = {
    "add": "+",
    "sub": "−",
    "neg": "−",
    "mul": "×",
    "div": "÷",
    "pow": "**",
    "matmul": "@",
    "sum": "Σ",
}
SIZE, LETTER, ROW, GAP = (
    9,
    5.42,
    15,
    14,
)  # points: the font, the width of its letters, lines in a box, between boxes
INK, LINE, LABEL, GRADIENT = "#1f2937", "#94a3b8", "#64748b", "#b45309"
LOSS, VALUE, LEAF, CONSTANT = "#fde8c8", "#f8fafc", "#d7e6fb", "#eceff3"


class trace:
    """``with trace() as t:`` collects the operations in the block, and ``t.draw("a.png", loss)``
    makes the picture.
    """

    def __init__(self):
        self.records = []  # an engine.Operation for each, oldest first

    def __enter__(self):
        self.before = engine.trace.set(self.records)
        return self

    def __exit__(self, *_):
        engine.trace.reset(self.before)

    def draw(self, path, loss, names=None):
        """Draw what loss was computed from, with the values of this moment -> path. No ``.grad``
        is touched.

        path: .png, .svg or .pdf. loss: computed in the trace, a scalar if it requires grad.
        names: {name: tensor}. Arrays are shown as shape and mean ± standard deviation; leaves
        that require grad are blue, constants grey. Raises ValueError for a loss from elsewhere or
        more than 60 tensors, ImportError without matplotlib.
        """
        tensors, operations, columns = _ancestors(self.records, loss)
        if len(tensors) > MOST:
            raise ValueError(
                f"the graph has {len(tensors)} tensors, expected at most {MOST} for a picture"
            )
        wanted = {key: t for key, t in tensors.items() if loss.requires_grad and t.requires_grad}
        grads = dict(zip(wanted, engine.grad(loss, [*wanted.values()]))) if wanted else {}
        names = {_key(t): name for name, t in (names or {}).items()}
        cards = {key: _card(names.get(key, ""), t, grads.get(key)) for key, t in tensors.items()}
        fills = {
            key: LOSS
            if t is loss
            else VALUE
            if key in operations
            else LEAF
            if t.requires_grad
            else CONSTANT
            for key, t in tensors.items()
        }
        figure = _paint(cards, fills, operations, *_layout(cards, operations, columns))
        with whole_file(path) as file:
            figure.savefig(file, format=Path(path).suffix[1:] or "png")
        return path


def _key(t):
    return t.node or id(t)  # what makes two Tensor objects one tensor of the graph


def _ancestors(records, loss):
    """All that the loss was computed from, oldest first.

    -> {key: tensor}, {key: (symbol, keys of the inputs)}, {key: columns from here to the loss}.
    """
    tensors = {_key(loss): loss}
    operations = {}
    columns = {_key(loss): 0}
    for operation in reversed(records):
        key = _key(operation.output)
        if key not in tensors:
            continue
        inputs = _inputs_of(operation)
        for x in inputs:
            tensors[_key(x)] = x
            columns[_key(x)] = max(columns.get(_key(x), 0), columns[key] + 1)
        operations[key] = _symbol(operation), [_key(x) for x in inputs]
    if not operations:
        raise ValueError(f"the loss, {loss!r:.60}, was not computed inside this trace")
    return tensors, dict(reversed(operations.items())), columns


def _inputs_of(operation):
    """The Tensors that an operation took, in the order of its edges."""
    inputs = []
    for group, _ in operation.edges:
        group = group if type(group) is tuple else (group,)
        inputs += [x for x in group if x is not None]
    return inputs


def _symbol(operation):
    """What stands for an operation: its sign or its name; for a power also the exponent."""
    symbol = SYMBOLS.get(operation.name, operation.name)
    exponent = operation.attributes.get("exponent")
    if isinstance(exponent, numbers.Real):
        symbol += f" {exponent:g}"
    return symbol


def _card(name, t, grad):
    """The rows of a box: [(left, right), ...], the heading first, if there is one, as ("",
    heading).
    """
    heading, rows = f"{name} {t.shape}".strip() if t.ndim else name, []
    for what, a in [("value", t.numpy())] + ([] if grad is None else [("grad", grad.numpy())]):
        number = (
            f"{a.item():.4g}"
            if a.size == 1
            else f"{a.mean():.3g} ± {a.std():.3g}"
            if a.size
            else "empty"
        )
        rows.append((what, number.replace("-", "−")))
    return [("", heading), *rows] if heading else rows


def _layout(cards, operations, columns):
    """{key: (left, middle, width, height) of its box}, [points that a line goes through], (width,
    height) of it all.
    """
    # A line's way: its places, an input first, and a shift that parts the lines of an input that
    # is used twice.
    ways = [
        (
            (x, *((key, x, column) for column in range(columns[x] - 1, columns[key], -1)), key),
            6 * i - 3 * times + 3,
        )
        for key, (_, inputs) in operations.items()
        for x, times in Counter(inputs).items()
        for i in range(times)
    ]
    column = {
        place: columns[place] if place in cards else place[2] for way, _ in ways for place in way
    }
    joined = {pair for way, _ in ways for pair in zip(way, way[1:])}
    tallest = ROW * max(map(len, cards.values()))
    y = _heights(
        np.array([*column.values()]),
        np.array([GAP + (tallest if place in cards else 8) for place in column]),
        np.array([[(a, b) in joined or (b, a) in joined for a in column] for b in column], float),
    )
    y = dict(zip(column, y - y.min() + GAP + tallest / 2))
    width = 20 + LETTER * max(
        len(words) + 5 * bool(what) for card in cards.values() for what, words in card
    )
    pill = GAP + max(_pill(symbol) for symbol, _ in operations.values())
    left = {
        place: GAP + (max(column.values()) - column[place]) * (pill + width + 34)
        for place in column
    }
    lines = []
    for (x, *via, key), shift in ways:
        stops = [
            (left[x] + width, x),
            *((left[place] + side, place) for place in via for side in (-pill, width)),
            (left[key] - pill - 6, key),
            (left[key] - GAP - _pill(operations[key][0]), key),
        ]
        lines.append([(across, y[place] + shift) for across, place in stops])
    boxes = {key: (left[key], y[key], width, ROW * len(card)) for key, card in cards.items()}
    return boxes, lines, (max(left.values()) + width + GAP, max(y.values()) + GAP + tallest / 2)


def _heights(column, room, links):
    """The middles of the places, (n,), each near the mean of its neighbours, which have a 1 in
    links (n, n).
    """
    links, y = links / links.sum(1, keepdims=True), np.arange(len(room), dtype=float)
    for sweep in range(8):  # to and fro
        for here in np.unique(column)[:: (-1) ** sweep]:
            members = np.flatnonzero(column == here)
            members = members[(links[members] @ y).argsort(kind="stable")]
            stacked = room[members].cumsum() - room[members] / 2
            slack = (
                links[members] @ y - stacked
            )  # where it falls, places would overlap: take the nearest that does not
            y[members] = (
                stacked
                + (np.maximum.accumulate(slack) + np.minimum.accumulate(slack[::-1])[::-1]) / 2
            )
    return y


def _pill(symbol):
    """The width of an operation's circle, or of the rounded shape around a longer name."""
    return max(22, len(symbol) * LETTER + 12)


def _paint(cards, fills, operations, boxes, lines, size):
    try:
        from matplotlib import (
            figure,
            patches,
            path,
        )  # a second to import, so not before they are needed
    except ImportError as error:
        raise ImportError(
            "drawing a graph needs matplotlib: pip install 'minigan[examples]'"
        ) from error
    picture = figure.Figure(
        figsize=(size[0] / 72, size[1] / 72), dpi=160
    )  # one unit is one point, as in font sizes
    axes = picture.add_axes((0, 0, 1, 1), xlim=(0, size[0]), ylim=(size[1], 0))
    axes.axis("off")

    def box(x, y, width, height, style, **colours):
        axes.add_patch(
            patches.FancyBboxPatch(
                (x, y - height / 2), width, height, style, linewidth=0.9, **colours
            )
        )

    def text(x, y, words, **style):
        axes.text(
            x,
            y,
            words,
            **dict(family="DejaVu Sans Mono", size=SIZE, va="center_baseline", color=INK) | style,
        )

    for points in lines:
        bends = [
            p
            for (x0, y0), (x1, y1) in zip(points, points[1:])
            for p in (((x0 + x1) / 2, y0), ((x0 + x1) / 2, y1), (x1, y1))
        ]
        curve = path.Path(points[:1] + bends, [path.Path.MOVETO] + [path.Path.CURVE4] * len(bends))
        axes.add_patch(
            patches.FancyArrowPatch(
                path=curve, arrowstyle="-|>", mutation_scale=8, color=LINE, zorder=0
            )
        )
    for key, (x, y, width, height) in boxes.items():
        box(
            x, y, width, height, "round,pad=0,rounding_size=4", facecolor=fills[key], edgecolor=LINE
        )
        for i, (left, right) in enumerate(cards[key]):
            line = y - height / 2 + ROW * (i + 0.5)
            if left:
                text(x + 7, line, left, size=SIZE - 2, color=LABEL)
                text(
                    x + width - 7,
                    line,
                    right,
                    ha="right",
                    color=GRADIENT if left == "grad" else INK,
                )
            else:
                text(x + width / 2, line, right, ha="center", weight="bold")
                axes.plot([x, x + width], [line + ROW / 2] * 2, color=LINE, linewidth=0.6)
        if key in operations:
            symbol, pill = operations[key][0], _pill(operations[key][0])
            axes.plot([x - GAP, x], [y, y], color=LINE, linewidth=1)
            box(
                x - GAP - pill,
                y,
                pill,
                22,
                "circle,pad=0" if pill == 22 else "round,pad=0,rounding_size=11",
                facecolor="white",
                edgecolor=INK,
            )
            text(x - GAP - pill / 2, y, symbol, ha="center")
    return picture
