"""The picture of an expression: everything that took part, nothing else, and boxes that do not
overlap.
"""

import builtins
import itertools

import numpy as np
import pytest

import minigan as mg
from minigan import drawing, nn
from minigan import functional as F


def micrograd():
    x = [mg.tensor(v, requires_grad=True) for v in (2.0, 0.0, -3.0, 1.0, 6.8813735870195432)]
    with drawing.trace() as t:
        n = x[0] * x[2] + x[1] * x[3] + x[4]
        out = n.tanh()
    return t, out, dict(zip(("x1", "x2", "w1", "w2", "b"), x)) | {"n": n, "o": out}


def drawn(t, loss, names, tmp_path):
    """All words of the picture, and the boxes behind it."""
    path = t.draw(tmp_path / "graph.svg", loss, names)
    assert path == tmp_path / "graph.svg"
    text = path.read_text()
    assert text.rstrip().endswith("</svg>")
    return text


def cards(t, loss, names):
    """{name: rows} as they will be drawn."""
    tensors, _, _ = drawing._ancestors(t.records, loss)
    keys = {drawing._key(v): k for k, v in names.items()}
    grads = mg.grad(loss, [v for v in tensors.values() if v.requires_grad])
    grads = iter(grads)
    return {
        keys.get(k): drawing._card("", v, next(grads) if v.requires_grad else None)
        for k, v in tensors.items()
    }


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
    t.draw(tmp_path / f"graph{suffix}", out, names)
    assert (tmp_path / f"graph{suffix}").read_bytes().startswith(magic)
    assert [entry.name for entry in tmp_path.iterdir()] == [f"graph{suffix}"]
    assert all(v.grad is None for v in names.values())


def test_what_plays_no_part_is_left_out():
    a, b, outsider = (mg.tensor(v, requires_grad=True) for v in (2.0, 3.0, 5.0))
    with drawing.trace() as t:
        loss = a * b + 1.5
        a * outsider
        loss * 7
    tensors, operations, _ = drawing._ancestors(t.records, loss)
    assert sorted(v.item() for v in tensors.values()) == [1.5, 2.0, 3.0, 6.0, 7.5]
    assert [symbol for symbol, _ in operations.values()] == ["×", "+"]


def test_nothing_is_collected_outside_the_block_and_blocks_nest():
    x = mg.tensor(2.0, requires_grad=True)
    with drawing.trace() as outer:
        x + 1
        with drawing.trace() as inner:
            x + 1
        x * 3
    x * x
    assert (len(outer.records), len(inner.records)) == (2, 1)


def test_a_tensor_used_twice_is_one_box_with_two_lines():
    x = mg.tensor(3.0, requires_grad=True)
    with drawing.trace() as t:
        y = x * x
    boxes, lines, *_ = layout(t, y)
    assert len(boxes) == 2
    assert len(lines) == 2
    assert lines[0] != lines[1]


def layout(t, loss):
    tensors, operations, columns = drawing._ancestors(t.records, loss)
    return drawing._layout(
        {k: drawing._card("", v, None) for k, v in tensors.items()}, operations, columns
    )


def neuron(inputs, seed):
    rng = np.random.default_rng(seed)
    total = mg.tensor(rng.normal(), requires_grad=True)
    for x in inputs:
        total = total + x * mg.tensor(rng.normal(), requires_grad=True)
    return total.tanh()


def network():
    with drawing.trace() as t:
        inputs = [mg.tensor(0.5), mg.tensor(-1.0)]
        loss = (neuron([neuron(inputs, i) for i in range(3)], 3) - 1.0) ** 2
    return t, loss


def test_a_power_is_drawn_with_its_exponent():
    x = mg.tensor(1.5, requires_grad=True)
    p = mg.tensor(2.0, requires_grad=True)
    with drawing.trace() as t:
        loss = x**3 + x**-0.5 + x**p
    symbols = [symbol for symbol, _ in drawing._ancestors(t.records, loss)[1].values()]
    assert sorted(symbols) == ["**", "** -0.5", "** 3", "+", "+"]


def second_order():
    x = mg.tensor(1.5, requires_grad=True)
    with drawing.trace() as t:
        (slope,) = mg.grad((x * x + x.exp()) * x, x, create_graph=True)
    return t, slope


def arrays():
    with drawing.trace() as t:
        loss = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU())(
            mg.randn(2, 1, 5, 5)
        ).mean()
    return t, loss


@pytest.mark.parametrize(
    "make",
    [network, second_order, arrays, lambda: micrograd()[:2]],
    ids=["network", "second order", "arrays", "micrograd"],
)
def test_boxes_lie_inside_the_picture_and_apart_and_inputs_stand_to_the_left(make, tmp_path):
    t, loss = make()
    boxes, lines, width, height = layout(t, loss)
    for x, y, w, h in boxes.values():
        assert 0 < x
        assert x + w < width
        assert 0 < y - h / 2
        assert y + h / 2 < height
    for (x0, y0, w0, h0), (x1, y1, w1, h1) in itertools.combinations(boxes.values(), 2):
        assert x0 + w0 <= x1 or x1 + w1 <= x0 or abs(y0 - y1) >= (h0 + h1) / 2
    _, operations, _ = drawing._ancestors(t.records, loss)
    assert all(
        boxes[x][0] + boxes[x][2] < boxes[key][0]
        for key, (_, inputs) in operations.items()
        for x in inputs
    )
    assert all(a[0] <= b[0] for line in lines for a, b in zip(line, line[1:]))
    for points in lines:  # a line passes boxes above or below, never through
        for (x0, y0), (x1, y1) in zip(points, points[1:]):
            assert not any(
                x0 < x + 1 and x + w - 1 < x1 and abs(y0 - y) < h / 2 - 1 and y0 == y1
                for x, y, w, h in boxes.values()
            )
    assert drawn(t, loss, {}, tmp_path)


def test_arrays_show_shape_mean_and_deviation():
    x = mg.tensor(np.array([[1.0, 3.0]]), requires_grad=True)
    with drawing.trace() as t:
        loss = (x * x).sum()
    assert [("", "x (1, 2)"), ("value", "2 ± 1"), ("grad", "4 ± 2")] == drawing._card(
        "x", x, mg.grad(loss, x)[0]
    )
    assert drawing._card("", mg.zeros(0), None) == [("", "(0,)"), ("value", "empty")]
    assert len(t.records) == 2


def test_without_gradients_there_are_values_only(tmp_path):
    with drawing.trace() as t, mg.no_grad():
        loss = F.tanh(mg.tensor(0.5, requires_grad=True) * 2)
    assert drawn(t, loss, {}, tmp_path)


def test_drawing_inside_the_block_works_too(tmp_path):
    x = mg.tensor(2.0, requires_grad=True)
    with drawing.trace() as t:
        y = x * x
        t.draw(tmp_path / "a.svg", y)
        t.draw(tmp_path / "b.svg", y * 2)


def test_too_large_and_foreign_graphs_are_refused(tmp_path):
    x = mg.tensor(1.0, requires_grad=True)
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
    x = mg.tensor(1.5, requires_grad=True)
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
