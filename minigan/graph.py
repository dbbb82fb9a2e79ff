"""A small expression as a picture: a box for every tensor, a circle for every operation, gradients where they arrive.

    a, b = mg.tensor(-3.5, requires_grad=True), mg.tensor(2.0, requires_grad=True)
    with mg.graph.trace() as t:
        c = a + b
        loss = (c * b + b ** 2).tanh() + c
    t.draw("graph.png", loss, names={"a": a, "b": b, "c": c})

The one idea: the drawing reads the same records as the backward pass. A tensor's column is its longest way to the loss;
a place in a column lies as near as it can to those it is joined with (Sugiyama, Tagawa and Toda 1981), and a line that
crosses a column takes a place in it like a box does.
"""

from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from . import devices, engine
from .files import whole_file

MOST = 60  # boxes; more is no picture for people
SYMBOLS = {"add": "+", "sub": "−", "neg": "−", "mul": "×", "div": "÷", "pow": "**", "matmul": "@", "sum": "Σ"}
SIZE, LETTER, ROW, GAP = 9, 5.42, 15, 14  # points: the font, the width of its letters, lines in a box, between boxes
INK, LINE, GRADIENT = "#1f2937", "#94a3b8", "#b45309"
LOSS, VALUE, LEAF, CONSTANT = "#fde8c8", "#f8fafc", "#d7e6fb", "#eceff3"


@contextmanager
def trace():
    """``with trace() as t:`` collects the operations inside the block; then t.draw makes a picture of them."""
    collected = Trace()
    before = engine.trace.set(collected.records)
    try:
        yield collected
    finally:
        engine.trace.reset(before)


class Trace:
    """records: (output, edges) of every operation, as ``engine.record`` saw it, oldest first."""

    def __init__(self):
        self.records = []

    def draw(self, path, loss, names=None):
        """Draw what loss was computed from -> path. Values are as of now; no ``.grad`` is touched.

        path: .png, .svg or .pdf, written whole or not at all. loss: a tensor computed in the trace, a scalar if it
        requires grad. names: {name: tensor}. Scalars are shown as numbers, others as shape and mean ± standard
        deviation; blue boxes are leaves that require grad, grey ones constants.
        Raises ValueError for a loss from elsewhere or more than 60 tensors, ImportError without matplotlib.
        """
        tensors, operations, columns = _ancestors(list(self.records), loss)
        if len(tensors) > MOST:
            raise ValueError(f"the graph has {len(tensors)} tensors, expected at most {MOST} for a picture")
        wanted = [key for key, t in tensors.items() if loss.requires_grad and t.requires_grad]
        grads = dict(zip(wanted, engine.grad(loss, [tensors[key] for key in wanted]))) if wanted else {}
        labels = {_key(t): name for name, t in (names or {}).items()}
        cards = {key: _card(labels.get(key, ""), t, grads.get(key)) for key, t in tensors.items()}
        fills = {key: VALUE if key in operations else LEAF if t.requires_grad else CONSTANT
                 for key, t in tensors.items()} | {_key(loss): LOSS}
        figure = _paint(cards, fills, operations, *_layout(cards, operations, columns))
        with whole_file(path) as file:
            figure.savefig(file, format=Path(path).suffix[1:] or "png")
        return path


def _key(t):
    """What makes two Tensor objects one tensor of the graph: the node, or without one the object."""
    return id(t) if t.node is None else t.node


def _ancestors(records, loss):
    """All that loss came from: {key: tensor}, {key: (operation, input keys)}, {key: columns from here to the loss}."""
    made = {_key(y): edges for y, edges in records}
    if _key(loss) not in made:
        raise ValueError(f"the loss, {loss!r:.60}, was not computed inside this trace")
    inputs = {key: [x for group, _ in edges for x in (group if type(group) is tuple else (group,)) if x is not None]
              for key, edges in made.items()}
    tensors, operations, columns = {}, {}, {_key(loss): 0}
    for key in reversed(made):
        for x in inputs[key] if key in columns else ():
            columns[_key(x)] = max(columns.get(_key(x), 0), columns[key] + 1)
    for key in [key for key in made if key in columns]:  # oldest first: the first input will stand on top
        tensors.update((_key(x), x) for x in inputs[key])
        operations[key] = made[key][0][1].__qualname__.split(".", 1)[0].lstrip("_"), [_key(x) for x in inputs[key]]
    return tensors | {_key(loss): loss}, operations, columns


def _card(name, t, grad):
    """The rows of a box: [(left, right), ...], the heading first, if there is one, as ("", heading)."""
    def summary(t):
        a = devices.to_numpy(t.data)
        number = f"{a.item():.4g}" if a.size == 1 else f"{a.mean():.3g} ± {a.std():.3g}" if a.size else "empty"
        return number.replace("-", "−")

    heading = f"{name} {t.shape}".strip() if t.ndim else name
    return [("", heading)] * bool(heading) + [("value", summary(t))] + [("grad", summary(grad))] * (grad is not None)


def _layout(cards, operations, columns):
    """{key: (left, middle, width, height) of its box}, [points that a line goes through], (width, height) of it all."""
    ways = [((x, *((key, x, column) for column in range(columns[x] - 1, columns[key], -1)), key), 6 * i - 3 * times + 3)
            for key, (_, inputs) in operations.items() for x, times in Counter(inputs).items() for i in range(times)]
    places = {key: columns[key] for key in cards} | {place: place[2] for way, _ in ways for place in way[1:-1]}
    number = {place: i for i, place in enumerate(places)}
    tallest = ROW * max(map(len, cards.values()))
    y = _heights(np.array([*places.values()]), np.array([tallest + GAP if key in cards else GAP + 8 for key in places]),
                 np.array([(number[a], number[b]) for way, _ in ways for a, b in zip(way, way[1:])]).T)
    y = dict(zip(places, y - y.min() + tallest / 2 + GAP))
    begin, left, end, right = {}, {}, {}, GAP
    for column in range(columns[max(columns, key=columns.get)], -1, -1):
        keys = [key for key in cards if columns[key] == column]
        begin[column] = right
        left[column] = right + max([_pill(operations[key][0]) + GAP for key in keys if key in operations], default=0)
        letters = max(len(words) + 5 * bool(what) for key in keys for what, words in cards[key])
        end[column] = left[column] + 20 + LETTER * letters
        right = end[column] + 34
    boxes = {key: (left[columns[key]], y[key], end[columns[key]] - left[columns[key]], ROW * len(card))
             for key, card in cards.items()}
    lines = []
    for (x, *via, key), shift in ways:
        stops = [(end[columns[x]], x)] + [(side[place[2]], place) for place in via for side in (begin, end)]
        stops += [(begin[columns[key]] - 6, key), (left[columns[key]] - GAP - _pill(operations[key][0]), key)]
        lines.append([(across, y[place] + shift) for across, place in stops])
    return boxes, lines, (right - 34 + GAP, max(y.values()) + tallest / 2 + GAP)


def _heights(column, room, steps):
    """The height of each place: sweep to and fro, each to the mean of its neighbours; keep what crosses least.

    column (n,), room (n,): where each place is and the height that it takes. steps (2, m): the places that lines join.
    """
    a, b = steps
    links, same = np.zeros((len(room), len(room))), column[a] == column[a][:, None]
    np.add.at(links, (np.r_[a, b], np.r_[b, a]), 1)
    links /= links.sum(1, keepdims=True)
    best, least = None, np.inf
    for start in (1, -1):  # from both sides: the sweeps end in different places
        y = start * room.cumsum()
        for sweep in range(24):
            for members in [np.flatnonzero(column == c) for c in np.unique(column)[::(-1) ** sweep]]:
                near = links[members] @ y
                order = np.lexsort((y[members], near))
                near, members = near[order], members[order]
                # The nearest heights that keep the order and overlap nowhere: near - offset must never fall.
                offset = room[members].cumsum() - room[members] / 2
                rising, falling = np.maximum.accumulate(near - offset), np.minimum.accumulate((near - offset)[::-1])
                y[members] = offset + (rising + falling[::-1]) / 2
            crossings = np.count_nonzero(same & ((y[a] - y[a][:, None]) * (y[b] - y[b][:, None]) < 0)) / 2
            cost = 200 * crossings + abs(y[a] - y[b]).sum()
            if cost < least:
                best, least = y.copy(), cost
    return best


def _pill(operation):
    """The width of an operation's circle, or of the rounded shape around a longer name."""
    return max(22, len(SYMBOLS.get(operation, operation)) * LETTER + 12)


def _paint(cards, fills, operations, boxes, lines, size):
    try:
        from matplotlib.figure import Figure  # a second to import, so not before it is needed
        from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
        from matplotlib.path import Path as Curve
    except ImportError as error:
        raise ImportError("drawing needs matplotlib, of the extra 'examples': pip install 'minigan[examples]'") from error
    figure = Figure(figsize=(size[0] / 72, size[1] / 72), dpi=160)  # one unit is one point, as in font sizes
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, size[0]), ylim=(size[1], 0))
    axes.axis("off")

    def box(x, y, width, height, style, **colours):
        axes.add_patch(FancyBboxPatch((x, y - height / 2), width, height, boxstyle=style, linewidth=0.9, **colours))

    def text(x, y, words, **style):
        axes.text(x, y, words, **dict(family="DejaVu Sans Mono", size=SIZE, va="center_baseline", color=INK) | style)

    for points in lines:
        bends = [p for (x0, y0), (x1, y1) in zip(points, points[1:])
                 for p in (((x0 + x1) / 2, y0), ((x0 + x1) / 2, y1), (x1, y1))]
        curve = Curve(points[:1] + bends, [Curve.MOVETO] + [Curve.CURVE4] * len(bends))
        axes.add_patch(FancyArrowPatch(path=curve, arrowstyle="-|>", mutation_scale=8, color=LINE, zorder=0))
    for key, (x, y, width, height) in boxes.items():
        box(x, y, width, height, "round,pad=0,rounding_size=4", facecolor=fills[key], edgecolor=LINE)
        for i, (left, right) in enumerate(cards[key]):
            line = y - height / 2 + ROW * (i + 0.5)
            if left:
                text(x + 7, line, left, size=SIZE - 2, color="#64748b")
                text(x + width - 7, line, right, ha="right", color=GRADIENT if left == "grad" else INK)
            else:
                text(x + width / 2, line, right, ha="center", weight="bold")
                axes.plot([x, x + width], [line + ROW / 2] * 2, color=LINE, linewidth=0.6)
        if key in operations:
            name, pill = operations[key][0], _pill(operations[key][0])
            axes.plot([x - GAP, x], [y, y], color=LINE, linewidth=1)
            box(x - GAP - pill, y, pill, 22, "circle,pad=0" if pill == 22 else "round,pad=0,rounding_size=11",
                facecolor="white", edgecolor=INK)
            text(x - GAP - pill / 2, y, SYMBOLS.get(name, name), ha="center")
    return figure
