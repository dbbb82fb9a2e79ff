"""One text for two libraries: a file beside this one, run with minigan or with PyTorch as `lib`."""

import importlib.util
import pathlib
import sys

HERE = pathlib.Path(__file__).parent


def bind(name, library):
    """The module `name` with its imports of `lib` bound to the library: minigan or torch."""
    path = HERE / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"{name}_of_{library.__name__}", path)
    module = importlib.util.module_from_spec(spec)
    outer = sys.modules.get("lib")  # of a file that binds another one
    sys.modules["lib"] = library
    try:
        spec.loader.exec_module(module)
    finally:
        sys.modules["lib"] = outer
    return module


def library(name):
    """The library of this name: "minigan" or "PyTorch"."""
    module = {"minigan": "minigan", "PyTorch": "torch"}[name]
    return importlib.import_module(module)
