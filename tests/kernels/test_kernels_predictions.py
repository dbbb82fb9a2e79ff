"""What kernels/README.md says of predicted times agrees with the tables of PREDICTIONS.md."""

import re

import pytest

from minigan.backends.cuda.sources import kernels_folder

LARGE = ("DCGAN 64-128", "DCGAN 128-256", "DCGAN 256-512")


def text_of(file):
    return (kernels_folder() / file).read_text(encoding="utf-8")


def table(text, header):
    """The rows of the first table whose header begins with these words, as dicts."""
    lines = text[text.index(f"| {header}") :].splitlines()
    names = cells(lines[0])
    rows = []
    for line in lines[2:]:
        if not line.startswith("|"):
            break
        rows.append(dict(zip(names, cells(line))))
    return rows


def cells(line):
    return [cell.strip() for cell in line.strip("|").split("|")]


TIMES = table(text_of("PREDICTIONS.md"), "kernel | rung | size")
EXAMPLES = table(text_of("README.md"), "kernel | rung | size")
LADDER = table(text_of("README.md"), "rung | the idea")


def time_of(kernel, rung, size):
    for row in TIMES:
        if (row["kernel"], row["rung"], row["size"]) == (kernel, rung, size):
            return float(row["predicted us"])
    raise LookupError(f"{kernel} {rung} {size}")


def gains(kernels, rung, lower):
    """How many times faster than a lower rung, for each of the large layers."""
    found = []
    for kernel in kernels:
        for size in LARGE:
            found.append(time_of(kernel, lower, size) / time_of(kernel, rung, size))
    return found


def claimed(rung):
    """The numbers in README's column of gains."""
    (cell,) = [row["predicted gain"] for row in LADDER if row["rung"].startswith(f"`{rung}`")]
    return [float(number) for number in re.findall(r"(?<![\w.])\d+(?:\.\d+)?(?![\w.]*d)", cell)]


def test_the_examples_in_the_readme_are_rows_of_the_table():
    assert len(EXAMPLES) >= 12
    for example in EXAMPLES:
        assert any(example.items() <= row.items() for row in TIMES), example


def test_the_gains_in_the_readme_are_those_of_the_table():
    (shared,) = claimed("shared")
    assert gains(["conv2d"], "shared", "naive") == pytest.approx([shared] * 3, rel=0.02)
    of_conv2d, of_the_others = claimed("tiled")
    others = ["conv_transpose2d", "conv2d_weight_grad"]
    assert gains(["conv2d"], "tiled", "naive") == pytest.approx([of_conv2d] * 3, rel=0.03)
    assert gains(others, "tiled", "naive") == pytest.approx([of_the_others] * 6, rel=0.04)
    low, high = claimed("tensor")
    found = gains(["conv2d", *others], "tensor", "tiled")
    assert min(found) == pytest.approx(low, rel=0.06)
    assert max(found) == pytest.approx(high, rel=0.06)


@pytest.mark.parametrize(
    "file, gain",
    [
        ("conv2d.cu", "4.5 times over naive"),
        ("conv2d.cu", "41 times over naive"),
        ("conv2d.cu", "3.5 times where"),
        ("conv_transpose2d.cu", "9 times over naive"),
        ("conv_transpose2d.cu", "2 to 3.5 times over tiled"),
        ("conv2d_weight_grad.cu", "9 times over naive"),
        ("conv2d_weight_grad.cu", "3.5 times over tiled"),
    ],
)
def test_the_comments_of_the_kernels_name_the_same_gains(file, gain):
    words = " ".join(text_of(file).split())
    assert gain in words
    numbers = {float(number) for number in re.findall(r"\d+(?:\.\d+)?", gain)}
    assert numbers <= {*claimed("shared"), *claimed("tiled"), *claimed("tensor")}
