"""Checks every kernel on every rung against the loops of reference.py, on the device in use,
float32 and float64.

MINIGAN_DEVICE=cuda python tests/every_rung.py
compute-sanitizer python tests/every_rung.py --no-pool
"""

import argparse
import sys

from minigan import devices
from minigan.backends import reference
from minigan.backends.cuda import launch
from minigan.backends.cuda import rungs as ladder
from minigan.launch import main


def check_all():
    """What each check that failed has said."""
    complaints = []
    for kernel, rungs in ladder.RUNGS.items():
        for rung in rungs if hasattr(reference, kernel) else ():
            if rung == "tensor" and launch.target.generation < 80:
                continue
            for dtype in ("float32",) if rung == "tensor" else ("float32", "float64"):
                try:
                    main([kernel, "--rung", rung, "--dtype", dtype])
                except SystemExit as stop:
                    complaints.append(f"{kernel}, {rung}, {dtype}: {stop.code}")
    return complaints


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--no-pool",
        action="store_true",
        help="an allocation of its own for each array of a GPU, so "
        "that a sanitizer sees an access beyond its end",
    )
    if parser.parse_args().no_pool and devices.name == "cuda":
        devices.xp.cuda.set_allocator(None)
    if complaints := check_all():
        sys.exit("\n".join(complaints))
