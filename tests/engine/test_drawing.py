"""The picture of an expression: what is in it, where it lies, and what cannot be drawn."""

import builtins
import itertools
from typing import NamedTuple

import numpy as np
import pytest

import minigan as mg
from minigan import drawing, nn
from minigan import functional as F


def numbers(*values):
    """Each number as a tensor that requires a gradient."""
    return [mg.tensor(value, requires_grad=True) for value in values]


# ---- graphs to draw: each function returns a trace and the result --------------------------------


class Neuron(NamedTuple):
    """The example of micrograd's README."""

    trace: drawing.trace
    output: mg.Tensor
    names: dict  # a name in the picture -> its tensor


def micrograd():
    """o = tanh(x1 w1 + x2 w2 + b)."""
    x1, x2, w1, w2, b = numbers(2.0, 0.0, -3.0, 1.0, 6.8813735870195432)
    with drawing.trace() as t:
        n = x1 * w1 + x2 * w2 + b
        o = n.tanh()
    return Neuron(t, o, dict(x1=x1, x2=x2, w1=w1, w2=w2, b=b, n=n, o=o))


def neuron(inputs, seed):
    """tanh(w . inputs + b) with random w and b."""
    rng = np.random.default_rng(seed)
    (total,) = numbers(rng.normal())
    for x in inputs:
        (weight,) = numbers(rng.normal())
        total = total + x * weight
    return total.tanh()


def network():
    """Three neurons, one that joins them, and a squared error."""
    with drawing.trace() as t:
        inputs = [mg.tensor(0.5), mg.tensor(-1.0)]
        hidden = [neuron(inputs, seed) for seed in range(3)]
        error = neuron(hidden, 3) - 1.0
        loss = error**2
    return t, loss


def second_order():
    """The derivative of (x x + exp x) x, as a graph."""
    (x,) = numbers(1.5)
    with drawing.trace() as t:
        y = (x * x + x.exp()) * x
        (slope,) = mg.grad(y, x, create_graph=True)
    return t, slope


def convolution():
    """Layers on arrays rather than on numbers."""
    layers = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU())
    with drawing.trace() as t:
        features = layers(mg.randn(2, 1, 5, 5))
        loss = features.mean()
    return t, loss


# ---- what is in a picture ------------------------------------------------------------------------


def drawn(t, loss, names, tmp_path):
    """All words of the picture, and the boxes behind it."""
    path = t.draw(tmp_path / "graph.svg", loss, names)
    assert path == tmp_path / "graph.svg"
    text = path.read_text()
    assert text.rstrip().endswith("</svg>")
    return text


def symbols_of(t, loss):
    """The symbols of all operations that took part, oldest first."""
    _, operations, _ = drawing._ancestors(t.records, loss)
    return [symbol for symbol, _ in operations.values()]


def values_of(t, loss):
    """The values of all tensors that took part, in order of size."""
    tensors, _, _ = drawing._ancestors(t.records, loss)
    return sorted(v.item() for v in tensors.values())


def cards(t, loss, names):
    """{name: rows} as they will be drawn."""
    tensors, _, _ = drawing._ancestors(t.records, loss)
    key_names = {drawing._key(v): name for name, v in names.items()}
    found = {}
    for key, v in tensors.items():
        g = None
        if v.requires_grad:
            (g,) = mg.grad(loss, v)
        found[key_names.get(key)] = drawing._card("", v, g)
    return found


def test_values_and_gradients_are_those_of_micrograd_s_readme():
    example = micrograd()
    rows = cards(example.trace, example.output, example.names)
    assert {name: dict(rows[name]) for name in example.names} == {
        "x1": {"value": "2", "grad": "−1.5"},
        "x2": {"value": "0", "grad": "0.5"},
        "w1": {"value": "−3", "grad": "1"},
        "w2": {"value": "1", "grad": "0"},
        "b": {"value": "6.881", "grad": "0.5"},
        "n": {"value": "0.8814", "grad": "0.5"},
        "o": {"value": "0.7071", "grad": "1"},
    }


@pytest.mark.parametrize(
    "suffix, magic", [(".png", b"\x89PNG"), (".pdf", b"%PDF"), (".svg", b"<?xml")]
)
def test_pictures_are_written_and_no_grad_is_touched(suffix, magic, tmp_path):
    example = micrograd()
    path = tmp_path / f"graph{suffix}"
    example.trace.draw(path, example.output, example.names)
    assert path.read_bytes().startswith(magic)
    assert list(tmp_path.iterdir()) == [path]
    assert all(v.grad is None for v in example.names.values())


def test_what_plays_no_part_is_left_out():
    a, b, outsider = numbers(2.0, 3.0, 5.0)
    with drawing.trace() as t:
        loss = a * b + 1.5
        a * outsider
        loss * 7
    assert values_of(t, loss) == [1.5, 2.0, 3.0, 6.0, 7.5]
    assert symbols_of(t, loss) == ["×", "+"]


def test_nothing_is_collected_outside_the_block_and_blocks_nest():
    (x,) = numbers(2.0)
    with drawing.trace() as outer:
        x + 1
        with drawing.trace() as inner:
            x + 1
        x * 3
    x * x
    assert len(outer.records) == 2
    assert len(inner.records) == 1


def test_a_power_is_drawn_with_its_exponent():
    x, p = numbers(1.5, 2.0)
    with drawing.trace() as t:
        loss = x**3 + x**-0.5 + x**p
    assert sorted(symbols_of(t, loss)) == ["**", "** -0.5", "** 3", "+", "+"]


def test_a_change_in_place_is_drawn_as_an_operation_on_the_old_values(tmp_path):
    (x,) = numbers(1.5)
    with drawing.trace() as t:
        h = x * 2
        side = h * 5
        h += 1
        loss = h * h + side
        loss /= x
    assert sorted(symbols_of(t, loss)) == ["+", "+", "×", "×", "×", "÷"]
    assert {3, 4, 15, 16, 31} <= set(values_of(t, loss))
    path = t.draw(tmp_path / "a.svg", loss, {"x": x})
    assert path.exists()


def test_arrays_show_shape_mean_and_deviation():
    x = mg.tensor(np.array([[1.0, 3.0]]), requires_grad=True)
    with drawing.trace() as t:
        loss = (x * x).sum()
    (g,) = mg.grad(loss, x)
    assert drawing._card("x", x, g) == [("", "x (1, 2)"), ("value", "2 ± 1"), ("grad", "4 ± 2")]
    assert drawing._card("", mg.zeros(0), None) == [("", "(0,)"), ("value", "empty")]
    assert len(t.records) == 2


def test_without_gradients_there_are_values_only(tmp_path):
    (x,) = numbers(0.5)
    with drawing.trace() as t, mg.no_grad():
        loss = F.tanh(x * 2)
    assert drawn(t, loss, {}, tmp_path)


def test_drawing_inside_the_block_works_too(tmp_path):
    (x,) = numbers(2.0)
    with drawing.trace() as t:
        y = x * x
        t.draw(tmp_path / "a.svg", y)
        t.draw(tmp_path / "b.svg", y * 2)


# ---- where everything lies -----------------------------------------------------------------------


def layout(t, loss):
    """The Picture of the graph, without names and gradients."""
    tensors, operations, columns = drawing._ancestors(t.records, loss)
    cards = {key: drawing._card("", v, None) for key, v in tensors.items()}
    return drawing._layout(cards, operations, columns)


def are_apart(a, b):
    """Does one box end before the other begins, sideways or from top to bottom?"""
    if a.left + a.width <= b.left or b.left + b.width <= a.left:
        return True
    return abs(a.middle - b.middle) >= (a.height + b.height) / 2


def passes_through(start, end, box):
    """Does a level piece of a line cross the whole width of the box?"""
    is_level = start.y == end.y
    crosses = start.x < box.left + 1 and box.left + box.width - 1 < end.x
    is_inside = abs(start.y - box.middle) < box.height / 2 - 1
    return is_level and crosses and is_inside


class Point(NamedTuple):
    """A point of a line, in points from the left and the top of the picture."""

    x: float
    y: float


def pieces_of(line):
    """The straight pieces of a line, from left to right: pairs of Points."""
    points = [Point(*point) for point in line]
    return itertools.pairwise(points)


def micrograd_graph():
    """The trace and the output of micrograd's example."""
    example = micrograd()
    return example.trace, example.output


graphs = pytest.mark.parametrize(
    "make",
    [network, second_order, convolution, micrograd_graph],
    ids=["network", "second order", "arrays", "micrograd"],
)


def test_a_tensor_used_twice_is_one_box_with_two_lines():
    (x,) = numbers(3.0)
    with drawing.trace() as t:
        y = x * x
    picture = layout(t, y)
    assert len(picture.boxes) == 2
    first, second = picture.lines
    assert first != second


@graphs
def test_boxes_lie_inside_the_picture_and_apart(make):
    picture = layout(*make())
    for box in picture.boxes.values():
        assert 0 < box.left
        assert box.left + box.width < picture.width
        assert 0 < box.middle - box.height / 2
        assert box.middle + box.height / 2 < picture.height
    for a, b in itertools.combinations(picture.boxes.values(), 2):
        assert are_apart(a, b)


@graphs
def test_inputs_stand_to_the_left(make):
    t, loss = make()
    boxes = layout(t, loss).boxes
    _, operations, _ = drawing._ancestors(t.records, loss)
    for key, (_, inputs) in operations.items():
        for x in inputs:
            assert boxes[x].left + boxes[x].width < boxes[key].left


@graphs
def test_lines_run_to_the_right_and_pass_boxes_above_or_below(make):
    picture = layout(*make())
    for line in picture.lines:
        for start, end in pieces_of(line):
            assert start.x <= end.x
            for box in picture.boxes.values():
                assert not passes_through(start, end, box)


@graphs
def test_every_graph_can_be_drawn(make, tmp_path):
    t, loss = make()
    assert drawn(t, loss, {}, tmp_path)


# ---- refusals ------------------------------------------------------------------------------------


def test_too_large_and_foreign_graphs_are_refused(tmp_path):
    path = tmp_path / "a.png"
    (x,) = numbers(1.0)
    with drawing.trace() as t:
        y = x
        for _ in range(60):
            y = y.tanh()
    with pytest.raises(ValueError, match="61 tensors, expected at most 60"):
        t.draw(path, y)
    with pytest.raises(ValueError, match=r"tensor\(2., from mul\), was not computed inside"):
        t.draw(path, x * 2)
    assert not list(tmp_path.iterdir())


def test_arrays_and_unknown_formats_are_refused(tmp_path):
    x = mg.ones(3, requires_grad=True)
    with drawing.trace() as t:
        y = x * 2
    with pytest.raises(RuntimeError, match=r"\(3,\) is not a scalar"):
        t.draw(tmp_path / "a.png", y)
    example = micrograd()
    with pytest.raises(ValueError, match="'xyz' is not supported"):
        example.trace.draw(tmp_path / "a.xyz", example.output)
    assert not list(tmp_path.iterdir())


def test_without_matplotlib_one_sentence_says_what_to_install(tmp_path, monkeypatch):
    real = builtins.__import__

    def without_matplotlib(name, *args, **options):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", without_matplotlib)
    example = micrograd()
    with pytest.raises(ImportError, match=r"matplotlib.*pip install 'minigan\[examples\]'"):
        example.trace.draw(tmp_path / "a.png", example.output, example.names)
    assert not list(tmp_path.iterdir())
