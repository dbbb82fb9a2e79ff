"""Where kernels/*.cu are, and the text of one of them as NVRTC compiles it."""

import re
from pathlib import Path

OPTIONS = ("--std=c++17",)  # for NVRTC
LOCAL_INCLUDE = re.compile(r'\s*#\s*include\s+"([^"/]+)"')  # `#include "common.cuh"`


def kernels_folder():
    """The folder of the .cu files -> Path: in an installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parents[2]
    inside = package / "kernels"
    beside = package.parent / "kernels"
    if beside.is_dir() and not inside.is_dir():
        return beside
    return inside


def source(file):
    """The text of kernels/``file`` with its local includes put in, each of them once.

    #line directives make the compiler's errors name the original place. Because it is one text,
    it is also its own key in CuPy's cache. Names with a slash stay: they belong to the simulator
    (host/device.h). Raises FileNotFoundError that names the line of a missing include.
    """
    return "\n".join(_expanded(file, included=set(), asker=file)) + "\n"


def _expanded(file, included, asker):
    """The lines of a file and of what it includes; `included` grows, asker is "file:line"."""
    path = kernels_folder() / file
    if not path.is_file():
        raise FileNotFoundError(f"{asker} asks for {file}, which is not in {kernels_folder()}")
    included.add(file)
    yield f'#line 1 "{file}"'
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        include = LOCAL_INCLUDE.match(line)
        if not include:
            yield line
            continue
        if include[1] not in included:
            yield from _expanded(include[1], included, f"{file}:{number}")
        yield f'#line {number + 1} "{file}"'
