"""log.csv of a run, with a row of losses every log_every steps, and losses.png, its plot.

A row is a whole line with as many numbers as the header has names. Anything else in the
file (a row that a killed process tore, bytes of a damaged disk) is not a row and is skipped.
"""

import re

import numpy as np

from ..files import regular_file, whole_file

NUMBER = r"(?:-?\d+(?:\.\d*)?(?:e[+-]?\d+)?|-?inf|nan)"
ROW = re.compile(rf"(\d{{1,18}})((?:,{NUMBER})+)\n", re.ASCII)
HEADER = re.compile(r"step(?:,\w+)+\n")


def read(path):
    """Read the log at `path` -> (header, rows, how many whole lines are not rows).

    header: the line of names, without its end, or None if there is none. rows: [(step, line with
    its end)]. Raises ValueError if it is not a regular file, OSError if it cannot be read.
    """
    try:
        content = regular_file(path).read_bytes()
    except FileNotFoundError:
        return None, [], 0
    text = content.replace(b"\r\n", b"\n").decode("utf-8", "replace")
    lines = text.split("\n")
    # Text after the last end of line is a torn row.
    lines = [line + "\n" for line in lines[:-1]]
    if not lines or not HEADER.fullmatch(lines[0]):
        return None, [], len(lines)
    header = lines[0]
    rows = []
    for line in lines[1:]:
        found = ROW.fullmatch(line)
        if found and line.count(",") == header.count(","):
            rows.append((int(found[1]), line))
    return header.rstrip("\n"), rows, len(lines) - 1 - len(rows)


def append(path, text):
    """Add lines to the log. Raises OSError with the log's name if the system refuses."""
    try:
        with open(path, "a", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def draw(path, picture, title):
    """Plot the losses in the log at `path` against the steps, as the PNG file `picture`.

    Raises ValueError if the log has no row, and OSError or ImportError if Matplotlib or the system
    refuses.
    """
    header, rows, _ = read(path)
    if not rows:
        raise ValueError(f"{path} has no row")
    from matplotlib.figure import Figure  # here, because the import takes a second

    names = header.split(",")
    numbers = [[float(number) for number in line.split(",")] for _, line in rows]
    table = np.array(numbers)  # (rows, columns)
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    for column, name in enumerate(names[1:-1], start=1):  # the last column is the speed
        axes.plot(table[:, 0], table[:, column], label=name, linewidth=1)
    axes.set(xlabel="step", ylabel="loss", title=title)
    axes.legend()
    with whole_file(picture) as file:
        figure.savefig(file, format="png", dpi=120)
