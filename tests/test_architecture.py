"""The house stays as drawn: imports run one way, and what runs on NumPy can run on CuPy."""

import ast
import importlib
import importlib.util
import inspect
from pathlib import Path

import numpy as np
import pytest

import minigan as mg
from minigan import functional as F
from minigan import ops

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted((ROOT / "minigan").rglob("*.py"))
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in SOURCES}

# From the ground up: a room, which is a package or a file of its own, may import from itself and
# from those below.
ROOMS = [
    {"files"},
    {"checks"},
    {"sizes"},
    {"backends"},
    {"devices"},
    {"refused"},
    {"torch_forms"},
    {"methods"},
    {"grad_modes", "memory"},
    {"engine"},
    {"creation"},
    {"rng", "factories", "autograd"},
    {"cuda"},
    {"ops"},
    {"functional"},
    {"nn"},
    {"optim", "models"},
    {"training"},
    {"evaluation"},
]
# What stands beside them: each of these imports from the rooms named here, and only the last two
# rooms, and programs, import from it.
BESIDE = {
    "data": {"files", "checks", "sizes", "devices", "engine"},
    "finite_differences": {"devices", "engine", "creation"},
    "drawing": {"devices", "engine", "files"},
    "launch": {"backends", "devices", "files"},
}
PROGRAMS = {"launch"}


def name_of(path):
    """minigan/nn/images.py -> nn.images; minigan/nn/__init__.py -> nn; minigan/__init__.py -> the
    empty name.
    """
    parts = path.relative_to(ROOT / "minigan").with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def room_of(module):
    return module.split(".")[0]


MODULES = {name_of(path): path for path in SOURCES}


def imported(path):
    """The names of minigan's own modules that a file imports, anywhere in it, also inside
    functions.
    """
    package = ["minigan", *path.relative_to(ROOT / "minigan").parts[:-1]]
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join(base + ([node.module] if node.module else []))
            found = [base] + [f"{base}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in found:
            if name.split(".")[0] == "examples":
                yield "examples"
            if name.startswith("minigan.") and name.removeprefix("minigan.") in MODULES:
                yield name.removeprefix("minigan.")


ARROWS = {
    (name, target)
    for name, path in MODULES.items()
    for target in imported(path)
    if name not in ("", target)
}


def below(room):
    """The rooms that a room may import from, itself among them."""
    if room in BESIDE:
        return BESIDE[room] | {room}
    floor = next(i for i, rooms in enumerate(ROOMS) if room in rooms)
    found = set().union(*ROOMS[:floor]) | {room}
    if floor >= len(ROOMS) - 2:
        found |= set(BESIDE) - PROGRAMS
    return found


def test_there_are_arrows_to_look_at():
    assert {
        ("engine", "devices"),
        ("nn.images", "functional"),
        ("models", "models.dcgan"),
    } <= ARROWS


def test_every_room_has_its_place():
    assert {room_of(module) for module in MODULES} - {""} <= set().union(*ROOMS) | set(BESIDE)


@pytest.mark.parametrize("module", sorted(set(MODULES) - {""}))
def test_imports_run_one_way(module):
    allowed = below(room_of(module))
    back = [
        target
        for name, target in sorted(ARROWS)
        if name == module and room_of(target) not in allowed
    ]
    assert not back, (
        f"{module} imports {', '.join(back)}, which its room, {room_of(module)}, does not stand on"
    )


EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


@pytest.mark.parametrize("path", [*SOURCES, *EXAMPLES], ids=lambda path: path.name)
def test_whoever_warns_calls_messages_warn(path):
    """What it says comes when it is said, in one line, and never ends the program."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            streams = [keyword.value for keyword in node.keywords if keyword.arg == "file"]
            assert ["sys", "stderr"] not in [dotted(stream) for stream in streams]
            assert dotted(node.func)[-2:] != ["stderr", "write"]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_imports_minigan_and_nothing_else_of_its_folder(path):
    siblings = {other.stem for other in EXAMPLES}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            assert not siblings & {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            assert node.module.split(".")[0] not in siblings


def test_imports_run_in_no_circle():
    packages = {name for name, path in MODULES.items() if path.name == "__init__.py"}
    left = {
        name: {target for source, target in ARROWS if source == name and target not in packages}
        for name in MODULES
        if name not in packages
    }
    while ready := [name for name, targets in left.items() if not targets]:
        for name in ready:
            del left[name]
        left = {name: targets - set(ready) for name, targets in left.items()}
    assert not left, (
        f"these modules import each other in a circle, or import one that does: {sorted(left)}"
    )


def dotted(node):
    """a.b.c as a list of names, or nothing for any other expression."""
    names = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return [node.id, *reversed(names)] if isinstance(node, ast.Name) else []


def array_functions():
    """(name, file) of all that is taken from ``xp`` or ``devices.xp``."""
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            names = dotted(node) if isinstance(node, ast.Attribute) else []
            names = names[1:] if names[:1] in (["devices"], ["device"]) else names
            if names[:1] == ["xp"] and len(names) > 1:
                yield ".".join(names[1:]), path.name


def missing(module, name):
    for part in name.split("."):
        if not hasattr(module, part):
            return True
        module = getattr(module, part)
    return False


def test_array_functions_exist_in_numpy_and_in_cupy():
    cupy = pytest.importorskip(
        "cupy", reason="CuPy is the other array module; it imports without a GPU"
    )
    used = sorted(set(array_functions()))
    assert len(used) > 20
    assert not [(name, file) for name, file in used if missing(np, name) or missing(cupy, name)]


def public(module):
    """(name, function or class) that a module defines itself and does not hide."""
    for name, thing in vars(module).items():
        if not name.startswith("_") and getattr(thing, "__module__", None) == module.__name__:
            if inspect.isfunction(thing) or inspect.isclass(thing):
                yield name, thing


def imported_modules():
    """{name: module} of all that can be imported: without CuPy, of all that do not need it."""
    found = {}
    for name, path in MODULES.items():
        names = [alias.name for node in TREES[path].body for alias in getattr(node, "names", ())]
        cannot = "cupy" in names and importlib.util.find_spec("cupy") is None
        if name and not name.endswith("__main__") and not cannot:
            found[name] = importlib.import_module(f"minigan.{name}")
    return found


IMPORTED = imported_modules()


def test_no_module_bears_the_name_of_a_public_function():
    functions = {
        name
        for name, thing in vars(mg).items()
        if inspect.isfunction(thing) or inspect.isclass(thing)
    }
    functions |= set(F.__all__) | {name for name, _ in public(ops)}
    assert not functions & {name.split(".")[-1] for name in MODULES}
    assert not [
        name
        for name, module in IMPORTED.items()
        if "." not in name and getattr(mg, name) is not module
    ]


INNER = {"engine", "ops", "tensors"}  # what users see of these is looked at under mg and F
KNOWN = {"forward", "state_dict", "load_state_dict"}  # methods that mean the same everywhere


@pytest.mark.parametrize("module", sorted(set(IMPORTED) - INNER))
def test_public_functions_say_what_they_do(module):
    things = [
        (name, thing) for name, thing in public(IMPORTED[module]) if not name.startswith("check_")
    ]
    methods = [
        (f"{name}.{method}", function)
        for name, thing in things
        if inspect.isclass(thing)
        for method, function in vars(thing).items()
        if inspect.isfunction(function) and not method.startswith("_") and method not in KNOWN
    ]
    assert not [name for name, thing in things + methods if not inspect.getdoc(thing)]


def test_the_functions_of_f_and_of_minigan_say_what_they_do():
    assert not [name for name in F.__all__ if not inspect.getdoc(getattr(F, name))]
    assert not [
        name
        for name, thing in vars(mg).items()
        if inspect.isfunction(thing) and not inspect.getdoc(thing)
    ]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: name_of(path) or "minigan")
def test_a_file_opens_with_a_paragraph_and_leaves_the_environment_alone(path):
    assert ast.get_docstring(TREES[path])
    for node in ast.walk(TREES[path]):
        targets = (
            node.targets
            if isinstance(node, (ast.Assign, ast.Delete))
            else [getattr(node, "target", None)]
        )
        for target in targets:
            target = target.value if isinstance(target, ast.Subscript) else target
            assert dotted(target)[-1:] != ["environ"], (
                f"{path.name}:{node.lineno} writes into os.environ"
            )
        if isinstance(node, ast.Call):
            *owner, function = dotted(node.func) or [""]
            assert function != "putenv" and not (owner[-1:] == ["environ"] and function != "get"), (
                f"{path.name}:{node.lineno} may write into os.environ"
            )
