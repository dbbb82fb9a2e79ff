"""How many processor cores this process may use."""

import os


def allowed_cores():
    """The number of cores that the process may run on, at least 1.

    A container or taskset may allow fewer than the machine has.
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
