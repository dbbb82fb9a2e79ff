"""A drawing of a small computation graph: a box for each tensor, a circle for each operation.

The drawing reads the same records as the backward pass. A tensor's column is the
length of its longest path to the loss. Within a column, each box lies near the mean height of its
neighbours in the graph (Sugiyama, Tagawa and Toda 1981). A line that crosses a column takes a place
in it, like a box.
"""

import numbers
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np

from . import engine
from .files import whole_file

MOST = 60  # boxes; a picture with more cannot be read
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
# Lengths in points:
SIZE = 9  # of the font
LETTER = 5.42  # the width of a letter
ROW = 15  # the height of a row in a box
GAP = 14  # between boxes
# Colours of what is drawn:
INK = "#1f2937"
LINE = "#94a3b8"
LABEL = "#64748b"
GRADIENT = "#b45309"
# Colours of the boxes:
LOSS = "#fde8c8"
VALUE = "#f8fafc"
LEAF = "#d7e6fb"
CONSTANT = "#eceff3"


class Box(NamedTuple):
    """Where a tensor's box lies: in points, y downwards."""

    left: float
    middle: float  # of its height
    width: float
    height: float


class Picture(NamedTuple):
    """Where everything lies."""

    boxes: dict  # key of a tensor -> Box
    lines: list  # for each line from a tensor to an operation, the points that it goes through
    width: float
    height: float


class trace:
    """``with trace() as t:`` collects operations; ``t.draw("a.png", loss)`` draws them."""

    def __init__(self):
        self.records = []  # an engine.Operation for each, oldest first

    def __enter__(self):
        self.before = engine.trace.set(self.records)
        return self

    def __exit__(self, *_):
        engine.trace.reset(self.before)

    def draw(self, path, loss, names=None):
        """Draw everything that the loss was computed from, with its present values -> path.

        path: .png, .svg or .pdf. loss: computed in the trace, a scalar if it requires grad. names:
        {name: tensor}. Arrays are shown as shape and mean ± standard deviation; leaves that require
        grad are blue, constants grey. No ``.grad`` changes. Raises ValueError for a loss from
        elsewhere or more than 60 tensors, ImportError without matplotlib.
        """
        tensors, operations, columns = _ancestors(self.records, loss)
        if len(tensors) > MOST:
            raise ValueError(
                f"the graph has {len(tensors)} tensors, expected at most {MOST} for a picture"
            )
        gradients = _gradients(loss, tensors)
        names = {_key(t): name for name, t in (names or {}).items()}
        cards = {}
        fills = {}
        for key, t in tensors.items():
            cards[key] = _card(names.get(key, ""), t, gradients.get(key))
            fills[key] = _fill(t, loss, key in operations)
        picture = _layout(cards, operations, columns)
        figure = _paint(cards, fills, operations, picture)
        with whole_file(path) as file:
            figure.savefig(file, format=Path(path).suffix[1:] or "png")
        return path


def _gradients(loss, tensors):
    """{key: gradient} of the tensors that require one; {} if the loss does not."""
    if not loss.requires_grad:
        return {}
    wanted = {key: t for key, t in tensors.items() if t.requires_grad}
    return dict(zip(wanted, engine.grad(loss, [*wanted.values()])))


def _fill(t, loss, is_result):
    """The colour of a tensor's box."""
    if t is loss:
        return LOSS
    if is_result:
        return VALUE
    return LEAF if t.requires_grad else CONSTANT


def _key(t):
    """Two Tensor objects with the same key are one tensor of the graph."""
    return t.node or id(t)


def _ancestors(records, loss):
    """Everything that the loss was computed from, oldest first.

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
    """The text in an operation's circle: its sign or its name; for a power also the exponent."""
    symbol = SYMBOLS.get(operation.name, operation.name)
    exponent = operation.attributes.get("exponent")
    if isinstance(exponent, numbers.Real):
        symbol += f" {exponent:g}"
    return symbol


def _card(name, t, grad):
    """The rows of a box: [(left, right), ...]. A heading is the row ("", heading)."""
    heading = f"{name} {t.shape}".strip() if t.ndim else name
    rows = [("", heading)] if heading else []
    rows.append(("value", _summary(t.numpy())))
    if grad is not None:
        rows.append(("grad", _summary(grad.numpy())))
    return rows


def _summary(a):
    """An array as one number, or as mean ± standard deviation."""
    if not a.size:
        return "empty"
    text = f"{a.item():.4g}" if a.size == 1 else f"{a.mean():.3g} ± {a.std():.3g}"
    return text.replace("-", "−")


class Route(NamedTuple):
    """The route of a line from an input to an operation's result."""

    places: tuple  # the input's key, a place in each column that it crosses, the result's key
    shift: float  # downwards, so that the lines of an input that is used twice are apart


def _routes(operations, columns):
    """The Routes of all lines. A place in a crossed column is (result, input, column)."""
    routes = []
    for key, (_, inputs) in operations.items():
        for x, times in Counter(inputs).items():
            crossed = range(columns[x] - 1, columns[key], -1)
            via = [(key, x, column) for column in crossed]
            for i in range(times):
                shift = 6 * i - 3 * times + 3
                routes.append(Route((x, *via, key), shift))
    return routes


def _layout(cards, operations, columns):
    """Decide where everything lies -> Picture."""
    routes = _routes(operations, columns)
    column_of = {}
    for route in routes:
        for place in route.places:
            column_of[place] = columns[place] if place in cards else place[2]
    tallest = ROW * max(len(card) for card in cards.values())
    y = _heights_of(routes, column_of, cards, tallest)
    width = _box_width(cards)
    pill = GAP + max(_pill(symbol) for symbol, _ in operations.values())
    last = max(column_of.values())
    left = {}
    for place, column in column_of.items():
        left[place] = GAP + (last - column) * (pill + width + 34)
    lines = [_line(route, left, y, width, pill, operations) for route in routes]
    boxes = {key: Box(left[key], y[key], width, ROW * len(card)) for key, card in cards.items()}
    whole_width = max(left.values()) + width + GAP
    whole_height = max(y.values()) + GAP + tallest / 2
    return Picture(boxes, lines, whole_width, whole_height)


def _heights_of(routes, column_of, cards, tallest):
    """{place: the height of its middle, from the top of the picture downwards}."""
    joined = set()
    for route in routes:
        for pair in zip(route.places, route.places[1:]):
            joined.add(pair)
            joined.add(pair[::-1])
    room = [GAP + (tallest if place in cards else 8) for place in column_of]
    links = [[(a, b) in joined for a in column_of] for b in column_of]
    y = _heights(np.array([*column_of.values()]), np.array(room), np.array(links, float))
    top = GAP + tallest / 2
    return dict(zip(column_of, y - y.min() + top))


def _box_width(cards):
    """The width of all boxes, which the longest row needs."""
    letters = []
    for card in cards.values():
        for what, words in card:
            letters.append(len(words) + 5 * bool(what))
    return 20 + LETTER * max(letters)


def _line(route, left, y, width, pill, operations):
    """The points that a line goes through: out of its input's box, across, to the operation."""
    x, *via, key = route.places
    stops = [(left[x] + width, x)]
    for place in via:
        stops.append((left[place] - pill, place))
        stops.append((left[place] + width, place))
    symbol, _ = operations[key]
    stops.append((left[key] - pill - 6, key))
    stops.append((left[key] - GAP - _pill(symbol), key))
    return [(across, y[place] + route.shift) for across, place in stops]


def _heights(column, room, links):
    """The heights of the places, (n,), each near the mean of its neighbours.

    column (n,): of each place. room (n,): the height that it needs. links (n, n): 1 for neighbours.
    """
    links = links / links.sum(1, keepdims=True)
    y = np.arange(len(room), dtype=float)
    for sweep in range(8):  # over the columns, forwards and backwards in turn
        for here in np.unique(column)[:: (-1) ** sweep]:
            members = np.flatnonzero(column == here)
            members = members[(links[members] @ y).argsort(kind="stable")]
            stacked = room[members].cumsum() - room[members] / 2
            wanted = links[members] @ y - stacked
            # Places overlap wherever this decreases, so take the nearest that never decreases.
            from_below = np.maximum.accumulate(wanted)
            from_above = np.minimum.accumulate(wanted[::-1])[::-1]
            y[members] = stacked + (from_below + from_above) / 2
    return y


def _pill(symbol):
    """The width of an operation's circle, or of the rounded shape around a longer name."""
    return max(22, len(symbol) * LETTER + 12)


# ---- painting ------------------------------------------------------------------------------------


def _paint(cards, fills, operations, picture):
    """A Matplotlib figure of the Picture, in which one unit is one point, as in font sizes."""
    try:
        from matplotlib import figure  # here, because importing it takes a second
    except ImportError as error:
        raise ImportError(
            "drawing a graph needs matplotlib: pip install 'minigan[examples]'"
        ) from error
    size = picture.width / 72, picture.height / 72
    drawn = figure.Figure(figsize=size, dpi=160)
    axes = drawn.add_axes((0, 0, 1, 1), xlim=(0, picture.width), ylim=(picture.height, 0))
    axes.axis("off")
    for points in picture.lines:
        _paint_line(axes, points)
    for key, box in picture.boxes.items():
        _paint_shape(axes, box, "round,pad=0,rounding_size=4", fills[key], LINE)
        _paint_card(axes, box, cards[key])
        if key in operations:
            symbol, _ = operations[key]
            _paint_operation(axes, box, symbol)
    return drawn


def _paint_line(axes, points):
    """A curve through the points, with an arrow at its end."""
    from matplotlib import patches
    from matplotlib.path import Path as Curve

    bends = []
    for (x0, y0), (x1, y1) in zip(points, points[1:]):
        middle = (x0 + x1) / 2
        bends += [(middle, y0), (middle, y1), (x1, y1)]
    codes = [Curve.MOVETO] + [Curve.CURVE4] * len(bends)
    curve = Curve(points[:1] + bends, codes)
    style = {"arrowstyle": "-|>", "mutation_scale": 8, "color": LINE, "zorder": 0}
    axes.add_patch(patches.FancyArrowPatch(path=curve, **style))


def _paint_shape(axes, box, style, face, edge):
    from matplotlib import patches

    corner = box.left, box.middle - box.height / 2
    shape = patches.FancyBboxPatch(corner, box.width, box.height, style, linewidth=0.9)
    shape.set_facecolor(face)
    shape.set_edgecolor(edge)
    axes.add_patch(shape)


def _write(axes, x, y, words, **style):
    usual = {"family": "DejaVu Sans Mono", "size": SIZE, "va": "center_baseline", "color": INK}
    axes.text(x, y, words, **{**usual, **style})


def _paint_card(axes, box, card):
    """The rows of a box."""
    right = box.left + box.width
    for i, (what, words) in enumerate(card):
        y = box.middle - box.height / 2 + ROW * (i + 0.5)
        if what:
            colour = GRADIENT if what == "grad" else INK
            _write(axes, box.left + 7, y, what, size=SIZE - 2, color=LABEL)
            _write(axes, right - 7, y, words, ha="right", color=colour)
        else:
            _write(axes, box.left + box.width / 2, y, words, ha="center", weight="bold")
            axes.plot([box.left, right], [y + ROW / 2] * 2, color=LINE, linewidth=0.6)


def _paint_operation(axes, box, symbol):
    """The circle in front of a box, joined to it by a line."""
    width = _pill(symbol)
    end = box.left - GAP
    axes.plot([end, box.left], [box.middle, box.middle], color=LINE, linewidth=1)
    style = "circle,pad=0" if width == 22 else "round,pad=0,rounding_size=11"
    _paint_shape(axes, Box(end - width, box.middle, width, 22), style, "white", INK)
    _write(axes, end - width / 2, box.middle, symbol, ha="center")
