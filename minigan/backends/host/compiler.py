"""kernels/*.cu as shared libraries for the host device: compiled by the C++ compiler, cached by
content.

The one idea: the compiler announces every access to memory (-fsanitize=thread), and kernels/host
is linked in place of the sanitizer's own library. On the way from assembly to machine code every
__shared__ array gets a gap behind it.
"""

import ctypes
import functools
import hashlib
import itertools
import os
import re
import shlex
import struct
import subprocess
from pathlib import Path

import numpy as np

from ...files import cache_folder, whole_file

# -Og keeps each access of the source one access of the program: none is split, merged, or moved
# to where the source has none. Local variables start as a pattern, so that a forgotten initial
# value shows; a __shared__ array has a section of its own, and a gap behind it, so that its end
# is not another's beginning. libtsan is a default library: none.
_KERNEL_FLAGS = """-std=c++17 -Og -fno-thread-jumps -ftrivial-auto-var-init=pattern -DMINIGAN_HOST
    --param tsan-instrument-func-entry-exit=0 -fno-sanitize-recover=all -gdwarf-4 -gno-statement-frontiers
    -Werror=uninitialized -Werror=maybe-uninitialized -Werror=frame-larger-than=65536 -Werror=larger-than=49152
    -Wno-attributes -fPIC -fvisibility=hidden -fno-gnu-unique -fdata-sections -x c++ - -S -o -""".split()
_SHARED_ARRAY, _GAP = re.compile(r"(\.section\t\.tbss\.[^:]+:\n\t\.zero\t\d+)"), r"\1 + 256"
_LINK_FLAGS = (
    "-fPIC -shared -nodefaultlibs -Wl,-z,defs -Wl,-Bsymbolic -x assembler - -x none".split()
)
_HOST_FLAGS = "-std=c++17 -O2 -g -fPIC -fvisibility=hidden".split()
_LIBRARIES = "-lstdc++ -lm -lc -lgcc_s -lgcc".split()

loaded = {}  # (file, expression, sanitize), as they were asked for -> Library


class _Entry(ctypes.Structure):  # of kernels/host/device.h
    _fields_ = [
        ("run", ctypes.c_void_p),
        ("sizes", ctypes.POINTER(ctypes.c_int)),
        ("threads", ctypes.c_int),
    ]


# What ELF, the format of libraries, has in its tables of sections and of symbols.
_SECTION = np.dtype(
    [("", "u4"), ("type", "u4"), ("", "u8", 2), ("offset", "u8"), ("size", "u8"), ("", "u8", 3)]
)
_SYMBOL = np.dtype(
    [("", "u4"), ("info", "u1"), ("", "u1"), ("", "u2"), ("value", "u8"), ("size", "u8")]
)


def kernels_folder():
    """The folder of the .cu files -> Path: inside an installed package, or beside it in a
    checkout.
    """
    package = Path(__file__).resolve().parents[2]
    places = package / "kernels", package.parent / "kernels"
    return next((path for path in places if path.is_dir()), package / "kernels")


def library(file, expressions, *, sanitize=None):
    """Compile, or find in the cache, the kernels of a .cu file that `expressions` name -> Library.

    file: a name in kernels/ or a path; expressions such as "conv2d_tiled<float, 128, 64>";
    sanitize="undefined": with UndefinedBehaviorSanitizer. Raises RuntimeError without a compiler,
    or with its messages where it refuses the file.
    """
    folder = kernels_folder()
    source = (folder / file).resolve()
    sources = _sources(source)
    bounds, names = _bounds("\n".join(sources), expressions)
    entries = "".join(
        f"    {{run<&{name}>, sizes_of(&{name}), {bound}}},\n"
        for name, bound in zip(expressions, names)
    )
    text = f'''#include "{source}"
#undef __launch_bounds__
#define __launch_bounds__(...) host::bound(__VA_ARGS__)
{bounds}
namespace host {{
extern const Entry entries[] = {{
{entries}}};
}}
extern "C" __attribute__((visibility("default")))
const host::Entry* minigan_entry(int index) {{ return &host::entries[index]; }}
'''
    checks = "-fsanitize=thread,bounds-strict,integer-divide-by-zero" + (
        f",{sanitize}" if sanitize else ""
    )
    path = _built(
        f"{source.stem}.so",
        sources,
        [*_LINK_FLAGS, *runtime(), *_LIBRARIES],
        [*_KERNEL_FLAGS, checks, "-I", folder],
        text,
    )
    made = _load(path, tuple(expressions))
    loaded.update({(file, name, sanitize): made for name in expressions})
    return made


def runtime():
    """Compile, or find in the cache, what every library is linked with -> [Path]. RuntimeError
    where that cannot be.
    """
    folder = kernels_folder() / "host"
    sources = [path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.[ch]*"))]
    return [
        _built(f"{part}.o", sources, [*_HOST_FLAGS, "-c", folder / f"{part}.cpp"])
        for part in ("runtime", "memory")
    ]


def _bounds(text, expressions):
    """C++ that declares how many threads each kernel's launch bounds allow -> (it, an expression
    for each).

    They are read from the text: __launch_bounds__, or a macro whose name ends in BOUNDS, before
    the kernel's name.
    """
    text = re.sub(
        r"//[^\n]*|/\*.*?\*/|^[ \t]*#(?:[^\n]*\\\n)*[^\n]*",
        " ",
        text,
        flags=re.DOTALL | re.MULTILINE,
    )
    declared, found = {}, []
    for space, name, arguments in (
        re.match(r"((?:\w+::)*)(\w+)(.*)", one).groups() for one in expressions
    ):
        kernel = re.search(rf"[^;{{}}]*\b__global__\b[^;{{}}]*\b{name}\s*\(", text) or [""]
        template = re.search(r"template\s*<(?:[^<>]|<[^<>]*>)*>", kernel[0]) or [""]
        bound = re.search(
            r"(?:__launch_bounds__|\b\w*BOUNDS)\s*\((?:[^()]|\([^()]*\))*\)", kernel[0]
        )
        if bound:
            line = f"{template[0]} constexpr int bound_{name} = {bound[0]};"
            declared[space + name] = f"namespace {space[:-2]} {{ {line} }}" if space else line
        found.append(f"{space}bound_{name}{arguments}" if bound else "1024")
    return "\n".join(declared.values()), found


def _sources(file):
    """The text of `file` and of all that it includes by "...", from beside it or from the
    kernels' folder.
    """
    found, ahead = {}, [file]
    while ahead:
        path = ahead.pop()
        found[path] = path.read_text(encoding="utf-8")
        for name in re.findall(r'^\s*#\s*include\s*"([^"]+)"', found[path], re.MULTILINE):
            places = (path.parent / name, kernels_folder() / name)
            ahead += [p for p in places if p.is_file() and p not in found][:1]
    return found.values()


def _built(name, sources, command, first=(), text=""):
    """The file that the compiler makes with `command`, from the cache where the same has been
    made before -> Path.

    first: a command that turns `text` into assembly, for the other to go on with.
    """
    compiler = _compiler()
    key = "\0".join(
        [
            _run((*compiler, "--version")),
            *compiler,
            *map(str, [*first, *command]),
            _GAP,
            text,
            *sources,
        ]
    )
    digest = hashlib.sha256(key.encode()).hexdigest()[:24]
    target = cache_folder() / "kernels" / f"{Path(name).stem}-{digest}{Path(name).suffix}"
    if not target.exists():
        assembly = (
            _SHARED_ARRAY.sub(_GAP, _run.__wrapped__((*compiler, *map(str, first)), text))
            if first
            else ""
        )
        try:
            with whole_file(target) as file:
                _run.__wrapped__((*compiler, *map(str, command), "-o", file.name), assembly)
                if os.path.getsize(file.name) == 0:
                    raise RuntimeError(
                        f"device host compiles kernels with a C++ compiler, and {compiler[0]} made an "
                        "empty file: install g++ 12 or newer, or name the compiler in CXX"
                    )
        except OSError as error:
            raise RuntimeError(
                f"device host keeps compiled kernels in {target.parent}, which cannot be written "
                f"({error.strerror}): name another folder in MINIGAN_CACHE"
            ) from None
    return target


def _compiler():
    """The command of the C++ compiler, as a list: CXX, which may hold options too, or g++."""
    command = os.environ.get("CXX") or "g++"
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise RuntimeError(f"CXX is {command!r}, expected a command ({error})") from None
    if not words:
        raise RuntimeError(f"CXX is {command!r}, expected a command")
    return words


@functools.cache
def _run(command, text=""):
    """What a tool prints, given `text` to read."""
    try:
        done = subprocess.run(command, input=text, capture_output=True, text=True)
    except OSError as error:
        raise RuntimeError(
            f"device host compiles kernels with a C++ compiler, and {command[0]} does not run "
            f"({error.strerror}): install g++ 12 or newer, or name the compiler in CXX"
        ) from None
    if done.returncode:
        said = done.stderr.strip()
        why = f" with exit status {done.returncode}, and did not say why"
        if said:
            why = f":\n{said}" if "\n" in said else f": {said}"
        raise RuntimeError(f"{command[0]} failed{why}")
    return done.stdout


class Library:
    """The compiled kernels of one .cu file. path: of the shared library; index: of each
    expression in it.
    """

    def __init__(self, path, expressions):
        self.path, self.index = path, {name: i for i, name in enumerate(expressions)}
        self.launch = ctypes.CDLL(str(path)).minigan_launch
        self.launch.argtypes = [ctypes.c_int] + [ctypes.c_void_p] * 3
        self.entry = ctypes.CDLL(str(path)).minigan_entry
        self.entry.restype = ctypes.POINTER(_Entry)
        self.shared = _shared_arrays(path.read_bytes())

    def sizes(self, expression):
        """Bytes of each parameter of a kernel; of a pointer, minus those of what it points to."""
        return list(itertools.takewhile(bool, self.entry(self.index[expression])[0].sizes))

    def threads(self, expression):
        """Threads that a block of a kernel may have, by its __launch_bounds__."""
        return self.entry(self.index[expression])[0].threads

    def places(self, addresses):
        """Code address -> (file, line) of the access and of the calls that it was inlined into,
        innermost first.
        """
        try:
            text = _run(
                (
                    "addr2line",
                    "-a",
                    "-i",
                    "-e",
                    str(self.path),
                    *(f"{pc - 1:#x}" for pc in addresses),
                )
            )
        except RuntimeError:  # no binutils: the message then says so
            return {}
        found = {}
        for address, *lines in (
            entry.splitlines() for entry in re.split(r"^0x", text, flags=re.MULTILINE)[1:]
        ):
            lines = [re.match(r"(.*)/(.*):(\d+)", line) for line in lines]
            found[int(address, 16) + 1] = tuple(
                (line[2], int(line[3]))
                for line in lines
                if line and line[1] != f"{kernels_folder()}/host"
            )
        return found


_load = functools.cache(Library)


def _shared_arrays(library):
    """The __shared__ arrays by a library's symbol table -> [(place in its thread-local block,
    bytes)].
    """
    (place,) = struct.unpack_from("<Q", library, 40)  # the ELF header: of the sections, how many
    sections = np.frombuffer(library, _SECTION, struct.unpack_from("<H", library, 60)[0], place)
    table = sections[sections["type"] == 2][0]
    symbols = np.frombuffer(
        library, _SYMBOL, int(table["size"]) // _SYMBOL.itemsize, int(table["offset"])
    )
    return symbols[symbols["info"] & 15 == 6][["value", "size"]].tolist()  # type 6: thread-local
