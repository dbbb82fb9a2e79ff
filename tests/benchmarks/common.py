"""What the benchmarks share: a quiet start, the machine's description, and tables kept in
markdown files.
"""

import datetime
import os
import pathlib
import platform
import re
import time

import numpy as np


def settle(seconds=0.2):
    """Wait until the other library's threads have stopped spinning: OpenBLAS's may do so for 200
    ms after a product.
    """
    time.sleep(seconds)


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
    """Print the table; with a path, put it between `<!-- name -->` and `<!-- /name -->` there, or
    at the end.
    """
    lines = [header, ["---"] + ["---:"] * (len(header) - 1)] + rows
    table = (
        "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines) + f"\n\n{caption}\n"
    )
    print(table)
    if path:
        file, begin, end = pathlib.Path(path), f"<!-- {name} -->", f"<!-- /{name} -->"
        text = file.read_text() if file.exists() else ""
        block = f"{begin}\n{table}{end}"
        if begin in text:
            text = re.sub(
                re.escape(begin) + ".*?" + re.escape(end), lambda _: block, text, flags=re.DOTALL
            )
        else:
            text = f"{text}\n{block}\n".lstrip()
        file.write_text(text)
