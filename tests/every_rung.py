"""Check every kernel on every rung against the loops of reference.py, in float32 and float64.

The kernels run on the device in use:

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


def dtypes_of(rung):
    """The dtypes in which a rung computes on the GPU at hand."""
    if rung != "tensor":
        return ["float32", "float64"]
    if launch.target.generation < 80:  # no TF32 before Ampere
        return []
    return ["float32"]


def check_all():
    """Run all checks. Returns what each check that failed has said."""
    complaints = []
    for kernel, rungs in ladder.RUNGS.items():
        if not hasattr(reference, kernel):
            continue
        for rung in rungs:
            for dtype in dtypes_of(rung):
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
        help="give each array on a GPU an allocation of its own, so that a sanitizer sees an "
        "access beyond its end",
    )
    if parser.parse_args().no_pool and devices.name == "cuda":
        devices.xp.cuda.set_allocator(None)
    if complaints := check_all():
        sys.exit("\n".join(complaints))
