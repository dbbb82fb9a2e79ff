"""What the benchmarks share: a quiet start, the machine's description, tables in markdown files."""

import datetime
import os
import pathlib
import platform
import re
import time

import numpy as np


def settle(seconds=0.2):
    """Wait until no thread of the other library spins: OpenBLAS's do so for 200 ms."""
    time.sleep(seconds)


def as_in_a_network(x):
    """The same numbers in minigan's order of memory, (H, W, N, C)."""
    return np.ascontiguousarray(x.transpose(2, 3, 0, 1)).transpose(2, 3, 0, 1)


def versions():
    """Date, processor, cores and library versions, in one line."""
    import torch

    from minigan.backends.cpu import threads

    cpuinfo = pathlib.Path("/proc/cpuinfo")
    name = re.search(r"model name\s*: (.*)", cpuinfo.read_text()) if cpuinfo.exists() else None
    forced = os.environ.get("OPENBLAS_CORETYPE")
    processor = name.group(1) if name else platform.processor()
    kernels = f" (OPENBLAS_CORETYPE={forced})" if forced else ""
    numpy = f"{threads.thread_count()} threads, NumPy {np.__version__}{kernels}"
    pytorch = f"PyTorch {torch.__version__} ({torch.get_num_threads()} threads)"
    python = f"Python {platform.python_version()}"
    return f"{datetime.date.today()}, {processor}, {numpy}, {pytorch}, {python}"


def report(name, header, rows, caption, path=None):
    """Print the table; with a path, keep it in that file too."""
    table = markdown(header, rows) + f"\n\n{caption}\n"
    print(table)
    if path:
        keep(pathlib.Path(path), name, table)


def markdown(header, rows):
    """A table whose first column is text, and whose others are numbers."""
    others = len(header) - 1
    alignment = ["---"] + ["---:"] * others
    lines = []
    for row in [header, alignment, *rows]:
        cells = " | ".join(map(str, row))
        lines.append(f"| {cells} |")
    return "\n".join(lines)


def keep(file, name, table):
    """Put a table between `<!-- name -->` and `<!-- /name -->` in a file, or at its end."""
    begin = f"<!-- {name} -->"
    end = f"<!-- /{name} -->"
    block = f"{begin}\n{table}{end}"
    text = file.read_text() if file.exists() else ""
    if begin in text:
        before, rest = text.split(begin, 1)
        _, after = rest.split(end, 1)
        text = before + block + after
    else:
        text = f"{text}\n{block}\n".lstrip()
    file.write_text(text)
