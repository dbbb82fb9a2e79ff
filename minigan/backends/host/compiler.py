"""kernels/*.cu as shared libraries for the simulator: compiled by g++, cached by content.

The compiler announces every access to memory (-fsanitize=thread), and kernels/host
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
from ..cuda.sources import kernels_folder

# -Og keeps each access of the source one access of the program: none is split, merged, or moved
# to where the source has none. Local variables start as a pattern, so that a forgotten initial
# value shows.
_KERNEL_FLAGS = """
    -std=c++17 -Og -fno-thread-jumps -ftrivial-auto-var-init=pattern -DMINIGAN_HOST
    --param tsan-instrument-func-entry-exit=0 -fno-sanitize-recover=all
    -gdwarf-4 -gno-statement-frontiers
    -Werror=uninitialized -Werror=maybe-uninitialized
    -Werror=frame-larger-than=65536 -Werror=larger-than=49152
    -Wno-attributes -fPIC -fvisibility=hidden -fno-gnu-unique -fdata-sections
    -x c++ - -S -o -
""".split()
_CHECKS = "-fsanitize=thread,bounds-strict,integer-divide-by-zero"
# -nodefaultlibs: do not link libtsan, because kernels/host takes its place.
_LINK_FLAGS = """
    -fPIC -shared -nodefaultlibs -Wl,-z,defs -Wl,-Bsymbolic -x assembler - -x none
""".split()
_HOST_FLAGS = "-std=c++17 -O2 -g -fPIC -fvisibility=hidden".split()
_LIBRARIES = "-lstdc++ -lm -lc -lgcc_s -lgcc".split()

# In the assembly a __shared__ array has a section of its own. It gets a gap behind it, so that its
# end is not the beginning of another one:
#     .zero 1024   ->   .zero 1024 + 256
_SHARED_ARRAY = re.compile(r"(\.section\t\.tbss\.[^:]+:\n\t\.zero\t\d+)")
_GAP = r"\1 + 256"

# What is read from the C++ text.
_INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)  # #include "common.cuh"
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)  # // ... and /* ... */
# #define X(...) \ and the lines that it continues on
_DIRECTIVE = re.compile(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", re.MULTILINE)
_EXPRESSION = re.compile(r"((?:\w+::)*)(\w+)(.*)")  # inner::tiled<float, 8>
_TEMPLATE = re.compile(r"template\s*<(?:[^<>]|<[^<>]*>)*>")  # template <class U = Tile<2>, int N>
# __launch_bounds__(N * MOST, 1), or TILE_BOUNDS(Tile<T, N>)
_BOUNDS = re.compile(r"(?:__launch_bounds__|\b\w*BOUNDS)\s*\((?:[^()]|\([^()]*\))*\)")
# What addr2line prints for an address: "0x4f21e0", then "/folder/gemm.cuh:12" lines
_ADDRESS = re.compile(r"^0x", re.MULTILINE)
_PLACE = re.compile(r"(.*)/(.*):(\d+)")

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


def library(file, expressions, *, sanitize=None):
    """Compile, or find in the cache, the kernels of a .cu file that `expressions` name -> Library.

    file: a name in kernels/ or a path; expressions such as "conv2d_tiled<float, 128, 64>";
    sanitize="undefined": with UndefinedBehaviorSanitizer. Raises RuntimeError without a compiler,
    or with its messages where it refuses the file.
    """
    folder = kernels_folder()
    source = (folder / file).resolve()
    sources = _sources(source)
    checks = _CHECKS if sanitize is None else f"{_CHECKS},{sanitize}"
    path = _built(
        f"{source.stem}.so",
        sources,
        [*_LINK_FLAGS, *runtime(), *_LIBRARIES],
        to_assembly=[*_KERNEL_FLAGS, checks, "-I", folder],
        text=_library_text(source, sources, expressions),
    )
    made = _load(path, tuple(expressions))
    for name in expressions:
        loaded[file, name, sanitize] = made
    return made


def _library_text(source, sources, expressions):
    """The C++ that instantiates the kernels and lists them in a table."""
    declarations, bounds = _bounds("\n".join(sources), expressions)
    entries = ""
    for name, bound in zip(expressions, bounds):
        entries += f"    {{run<&{name}>, sizes_of(&{name}), {bound}}},\n"
    return f"""#include "{source}"
#undef __launch_bounds__
#define __launch_bounds__(...) host::bound(__VA_ARGS__)
{declarations}
namespace host {{
extern const Entry entries[] = {{
{entries}}};
}}
extern "C" __attribute__((visibility("default")))
const host::Entry* minigan_entry(int index) {{ return &host::entries[index]; }}
"""


def runtime():
    """Compile, or find in the cache, what every library is linked with -> [Path].

    Raises RuntimeError without a compiler, or without a folder for the result.
    """
    folder = kernels_folder() / "host"
    sources = [path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.[ch]*"))]
    objects = []
    for part in ("runtime", "memory", "hooks"):
        command = [*_HOST_FLAGS, "-c", folder / f"{part}.cpp"]
        objects.append(_built(f"{part}.o", sources, command))
    return objects


def _bounds(text, expressions):
    """How many threads each kernel's launch bounds allow -> (C++ declarations, [C++ expression]).

    They are read from the text: __launch_bounds__, or a macro whose name ends in BOUNDS, before
    the kernel's name. The compiler evaluates them.
    """
    text = _COMMENT.sub(" ", text)
    text = _DIRECTIVE.sub(" ", text)
    declared = {}
    found = []
    for one in expressions:
        namespace, name, arguments = _EXPRESSION.match(one).groups()
        head = _head_of_kernel(text, name)
        bound = _BOUNDS.search(head)
        if bound is None:
            found.append("1024")
            continue
        template = _TEMPLATE.search(head)
        line = f"{template[0] if template else ''} constexpr int bound_{name} = {bound[0]};"
        if namespace:
            line = f"namespace {namespace[:-2]} {{ {line} }}"
        declared[namespace + name] = line
        found.append(f"{namespace}bound_{name}{arguments}")
    return "\n".join(declared.values()), found


def _head_of_kernel(text, name):
    """What stands before a kernel's parameters: "template <...> __global__ void ... name("."""
    head = re.search(rf"[^;{{}}]*\b__global__\b[^;{{}}]*\b{name}\s*\(", text)
    return head[0] if head else ""


def _sources(file):
    """The text of `file` and of all that it includes by "...", from beside it or from kernels/."""
    found = {}
    ahead = [file]
    while ahead:
        path = ahead.pop()
        found[path] = path.read_text(encoding="utf-8")
        for name in _INCLUDE.findall(found[path]):
            for place in (path.parent / name, kernels_folder() / name):
                if place.is_file():
                    if place not in found:
                        ahead.append(place)
                    break
    return found.values()


def _built(name, sources, command, to_assembly=(), text=""):
    """The file that the compiler makes with `command` -> Path, from the cache if it is there.

    to_assembly: flags of a command that turns `text` into assembly, which `command` then reads.
    The cache's key is everything that the result depends on.
    """
    compiler = _compiler()
    flags = [str(word) for word in [*to_assembly, *command]]
    key = "\0".join([_version((*compiler, "--version")), *compiler, *flags, _GAP, text, *sources])
    digest = hashlib.sha256(key.encode()).hexdigest()[:24]
    target = cache_folder() / "kernels" / f"{Path(name).stem}-{digest}{Path(name).suffix}"
    if target.exists():
        return target
    assembly = ""
    if to_assembly:
        assembly = _output([*compiler, *map(str, to_assembly)], text)
        assembly = _SHARED_ARRAY.sub(_GAP, assembly)
    try:
        with whole_file(target) as file:
            _output([*compiler, *map(str, command), "-o", file.name], assembly)
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


def _output(command, text=""):
    """What a tool prints, given `text` to read; RuntimeError if it fails or cannot start."""
    try:
        done = subprocess.run(command, input=text, capture_output=True, text=True)
    except OSError as error:
        raise RuntimeError(
            f"device host compiles kernels with a C++ compiler, and {command[0]} does not run "
            f"({error.strerror}): install g++ 12 or newer, or name the compiler in CXX"
        ) from None
    if done.returncode == 0:
        return done.stdout
    complaint = done.stderr.strip()
    if not complaint:
        why = f" with exit status {done.returncode}, and did not say why"
    elif "\n" in complaint:
        why = f":\n{complaint}"
    else:
        why = f": {complaint}"
    raise RuntimeError(f"{command[0]} failed{why}")


@functools.cache
def _version(command):
    """What `g++ --version` prints, asked once."""
    return _output(command)


class Library:
    """The compiled kernels of one .cu file.

    path: of the shared library; index: of each expression in it; shared: where its __shared__
    arrays are, see _shared_arrays.
    """

    def __init__(self, path, expressions):
        self.path = path
        self.index = {name: i for i, name in enumerate(expressions)}
        self.launch = ctypes.CDLL(str(path)).minigan_launch
        self.launch.argtypes = [ctypes.c_int] + [ctypes.c_void_p] * 3
        self.entry = ctypes.CDLL(str(path)).minigan_entry
        self.entry.restype = ctypes.POINTER(_Entry)
        self.shared = _shared_arrays(path.read_bytes())

    def sizes(self, expression):
        """Size of each parameter of a kernel in bytes.

        For a pointer, it is minus the size of one number that it points to.
        """
        return list(itertools.takewhile(bool, self.entry(self.index[expression])[0].sizes))

    def threads(self, expression):
        """Threads that a block of a kernel may have, by its __launch_bounds__."""
        return self.entry(self.index[expression])[0].threads

    def places(self, addresses):
        """The source lines of instructions -> {address: ((file, line), ...)}.

        The first place is the access itself, the others are the calls that it was inlined into,
        innermost first.
        """
        options = [f"{address - 1:#x}" for address in addresses]
        try:
            text = _output(["addr2line", "-a", "-i", "-e", str(self.path), *options])
        except RuntimeError:  # no binutils: the message then says so
            return {}
        found = {}
        for entry in _ADDRESS.split(text)[1:]:
            address, *lines = entry.splitlines()
            found[int(address, 16) + 1] = tuple(_places(lines))
        return found


def _places(lines):
    """addr2line's lines as (file, line), without those of the simulator itself."""
    for line in lines:
        match = _PLACE.match(line)
        if match and match[1] != f"{kernels_folder()}/host":
            yield match[2], int(match[3])


_load = functools.cache(Library)


def _shared_arrays(library):
    """The __shared__ arrays of a library, from the symbol table in its ELF file.

    -> [(place in its thread-local block, bytes)].
    """
    (sections_at,) = struct.unpack_from("<Q", library, 40)  # e_shoff of the ELF header
    (section_count,) = struct.unpack_from("<H", library, 60)  # e_shnum
    sections = np.frombuffer(library, _SECTION, section_count, sections_at)
    table = sections[sections["type"] == 2][0]  # SHT_SYMTAB
    symbol_count = int(table["size"]) // _SYMBOL.itemsize
    symbols = np.frombuffer(library, _SYMBOL, symbol_count, int(table["offset"]))
    is_thread_local = symbols["info"] & 15 == 6  # STT_TLS
    return symbols[is_thread_local][["value", "size"]].tolist()
