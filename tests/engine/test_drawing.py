"""The picture of an expression shows all that took part, and nothing else, in separate boxes."""

import builtins
import itertools

import numpy as np
import pytest

import minigan as mg
from minigan import drawing, nn
from minigan import functional as F


def scalar(value):
    return mg.tensor(value, requires_grad=True)


def micrograd():
    """The neuron of micrograd's README: its trace, its output and the names of its tensors."""
    x1 = scalar(2.0)
    x2 = scalar(0.0)
    w1 = scalar(-3.0)
    w2 = scalar(1.0)
    b = scalar(6.8813735870195432)
    with drawing.trace() as t:
        n = x1 * w1 + x2 * w2 + b
        o = n.tanh()
    names = dict(x1=x1, x2=x2, w1=w1, w2=w2, b=b, n=n, o=o)
    return t, o, names


def drawn(t, loss, names, tmp_path):
    """The text of the picture as an SVG."""
    path = t.draw(tmp_path / "graph.svg", loss, names)
    assert path == tmp_path / "graph.svg"
    text = path.read_text()
    assert text.rstrip().endswith("</svg>")
    return text


def cards(t, loss, names):
    """{name: rows} as they will be drawn."""
    tensors, _, _ = drawing._ancestors(t.records, loss)
    name_of = {drawing._key(v): name for name, v in names.items()}
    found = {}
    for key, v in tensors.items():
        grad = None
        if v.requires_grad:
            (grad,) = mg.grad(loss, [v])
        found[name_of.get(key)] = drawing._card("", v, grad)
    return found


def test_values_and_gradients_are_those_of_micrograd_s_readme():
    t, out, names = micrograd()
    rows = cards(t, out, names)
    assert {k: dict(rows[k]) for k in names} == {
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
    t, out, names = micrograd()
    path = tmp_path / f"graph{suffix}"
    t.draw(path, out, names)
    assert path.read_bytes().startswith(magic)
    assert list(tmp_path.iterdir()) == [path]
    assert all(v.grad is None for v in names.values())


def test_what_plays_no_part_is_left_out():
    a = scalar(2.0)
    b = scalar(3.0)
    outsider = scalar(5.0)
    with drawing.trace() as t:
        loss = a * b + 1.5
        a * outsider
        loss * 7
    tensors, operations, _ = drawing._ancestors(t.records, loss)
    assert sorted(v.item() for v in tensors.values()) == [1.5, 2.0, 3.0, 6.0, 7.5]
    assert [symbol for symbol, _ in operations.values()] == ["×", "+"]


def test_nothing_is_collected_outside_the_block_and_blocks_nest():
    x = scalar(2.0)
    with drawing.trace() as outer:
        x + 1
        with drawing.trace() as inner:
            x + 1
        x * 3
    x * x
    assert len(outer.records) == 2
    assert len(inner.records) == 1


def test_a_tensor_used_twice_is_one_box_with_two_lines():
    x = scalar(3.0)
    with drawing.trace() as t:
        y = x * x
    boxes, lines, *_ = layout(t, y)
    assert len(boxes) == 2
    assert len(lines) == 2
    assert lines[0] != lines[1]


def layout(t, loss):
    tensors, operations, columns = drawing._ancestors(t.records, loss)
    found = {key: drawing._card("", v, None) for key, v in tensors.items()}
    return drawing._layout(found, operations, columns)


def neuron(inputs, seed):
    rng = np.random.default_rng(seed)
    total = scalar(rng.normal())
    for x in inputs:
        total = total + x * scalar(rng.normal())
    return total.tanh()


def network():
    with drawing.trace() as t:
        inputs = [mg.tensor(0.5), mg.tensor(-1.0)]
        hidden = [neuron(inputs, seed) for seed in range(3)]
        out = neuron(hidden, seed=3)
        loss = (out - 1.0) ** 2
    return t, loss


def test_a_power_is_drawn_with_its_exponent():
    x = scalar(1.5)
    p = scalar(2.0)
    with drawing.trace() as t:
        loss = x**3 + x**-0.5 + x**p
    _, operations, _ = drawing._ancestors(t.records, loss)
    symbols = [symbol for symbol, _ in operations.values()]
    assert sorted(symbols) == ["**", "** -0.5", "** 3", "+", "+"]


def second_order():
    x = scalar(1.5)
    with drawing.trace() as t:
        y = (x * x + x.exp()) * x
        (slope,) = mg.grad(y, x, create_graph=True)
    return t, slope


def arrays():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU())
    x = mg.randn(2, 1, 5, 5)
    with drawing.trace() as t:
        loss = net(x).mean()
    return t, loss


def micrograd_alone():
    t, out, _ = micrograd()
    return t, out


def are_apart(a, b):
    """Whether two boxes (left, middle, width, height) do not overlap."""
    x0, y0, w0, h0 = a
    x1, y1, w1, h1 = b
    beside = x0 + w0 <= x1 or x1 + w1 <= x0
    return beside or abs(y0 - y1) >= (h0 + h1) / 2


def runs_through(start, end, box):
    """Whether a piece of a line, from start to end, crosses the inside of a box."""
    x, y, w, h = box
    if start[1] != end[1]:  # lines are steep only in the gaps between columns
        return False
    covers = start[0] < x + 1 and x + w - 1 < end[0]
    return covers and abs(start[1] - y) < h / 2 - 1


every_picture = pytest.mark.parametrize(
    "make",
    [network, second_order, arrays, micrograd_alone],
    ids=["network", "second order", "arrays", "micrograd"],
)


@every_picture
def test_boxes_lie_inside_the_picture_and_apart(make, tmp_path):
    t, loss = make()
    boxes, _, width, height = layout(t, loss)
    for x, y, w, h in boxes.values():
        assert 0 < x
        assert x + w < width
        assert 0 < y - h / 2
        assert y + h / 2 < height
    for a, b in itertools.combinations(boxes.values(), 2):
        assert are_apart(a, b)
    assert drawn(t, loss, {}, tmp_path)


@every_picture
def test_inputs_stand_to_the_left_and_lines_run_to_the_right_around_boxes(make):
    t, loss = make()
    boxes, lines, _, _ = layout(t, loss)
    _, operations, _ = drawing._ancestors(t.records, loss)
    for key, (_, inputs) in operations.items():
        for name in inputs:
            x, _, w, _ = boxes[name]
            assert x + w < boxes[key][0]
    for line in lines:
        for start, end in zip(line, line[1:]):
            assert start[0] <= end[0]
            assert not any(runs_through(start, end, box) for box in boxes.values())


def test_arrays_show_shape_mean_and_deviation():
    x = mg.tensor(np.array([[1.0, 3.0]]), requires_grad=True)
    with drawing.trace() as t:
        loss = (x * x).sum()
    (d,) = mg.grad(loss, x)
    card = drawing._card("x", x, d)
    assert card == [("", "x (1, 2)"), ("value", "2 ± 1"), ("grad", "4 ± 2")]
    card = drawing._card("", mg.zeros(0), None)
    assert card == [("", "(0,)"), ("value", "empty")]
    assert len(t.records) == 2


def test_without_gradients_there_are_values_only(tmp_path):
    with drawing.trace() as t, mg.no_grad():
        loss = F.tanh(scalar(0.5) * 2)
    assert drawn(t, loss, {}, tmp_path)


def test_drawing_inside_the_block_works_too(tmp_path):
    x = scalar(2.0)
    with drawing.trace() as t:
        y = x * x
        t.draw(tmp_path / "a.svg", y)
        t.draw(tmp_path / "b.svg", y * 2)


def test_too_large_and_foreign_graphs_are_refused(tmp_path):
    x = scalar(1.0)
    with drawing.trace() as t:
        y = x
        for _ in range(60):
            y = y.tanh()
    with pytest.raises(ValueError, match="61 tensors, expected at most 60"):
        t.draw(tmp_path / "a.png", y)
    with pytest.raises(ValueError, match=r"tensor\(2., from mul\), was not computed inside"):
        t.draw(tmp_path / "a.png", x * 2)
    with drawing.trace() as t:
        y = mg.ones(3, requires_grad=True) * 2
    with pytest.raises(RuntimeError, match=r"\(3,\) is no scalar"):
        t.draw(tmp_path / "a.png", y)
    t, out, _ = micrograd()
    with pytest.raises(ValueError, match="'xyz' is not supported"):
        t.draw(tmp_path / "a.xyz", out)
    assert not list(tmp_path.iterdir())


def test_without_matplotlib_one_sentence_says_what_to_install(tmp_path, monkeypatch):
    real = builtins.__import__

    def without(name, *args, **options):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    t, out, names = micrograd()
    with pytest.raises(ImportError, match=r"matplotlib.*pip install 'minigan\[examples\]'"):
        t.draw(tmp_path / "a.png", out, names)
    assert not list(tmp_path.iterdir())


def test_a_change_in_place_is_drawn_as_an_operation_on_the_old_values(tmp_path):
    x = scalar(1.5)
    with drawing.trace() as t:
        h = x * 2
        side = h * 5
        h += 1
        loss = h * h + side
        loss /= x
    tensors, operations, _ = drawing._ancestors(t.records, loss)
    assert sorted(symbol for symbol, _ in operations.values()) == ["+", "+", "×", "×", "×", "÷"]
    assert {3, 4, 15, 16, 31} <= {v.item() for v in tensors.values()}
    assert t.draw(tmp_path / "a.svg", loss, {"x": x}).exists()
