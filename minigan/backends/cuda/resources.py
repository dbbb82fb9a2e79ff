"""What a kernel needs of a GPU, as ptxas says it: registers, shared memory, stack and spills.

ptxas is a part of NVRTC, which needs no GPU. CuPy brings it along.
"""

import re

from .sources import OPTIONS, source

CUPYS_OPTIONS = ("-ftz=true", "--device-as-default-execution-space")  # CuPy adds them itself
UNITS = {  # what is counted -> the words that follow the number in ptxas's log
    "registers": "registers",
    "shared": "bytes smem",
    "stack": "bytes stack frame",
    "spills": "bytes spill",
}


def resources(file, expressions, architecture):
    """Compile kernels to machine code -> {expression: {"registers", "shared", "stack", "spills"}}.

    registers is a count for each thread, the others are bytes; shared is the static shared
    memory. architecture: "sm_90". Raises RuntimeError with the compiler's messages where a kernel
    does not compile, ImportError without CuPy.
    """
    from cupy_backends.cuda.libs import nvrtc

    program = nvrtc.createProgram(source(file), file, (), ())
    options = (f"-arch={architecture}", *OPTIONS, *CUPYS_OPTIONS, "--ptxas-options=-v")
    try:
        for expression in expressions:
            nvrtc.addNameExpression(program, expression)
        nvrtc.compileProgram(program, options)
        log = nvrtc.getProgramLog(program)
        entries = {name: nvrtc.getLoweredName(program, name) for name in expressions}
    except nvrtc.NVRTCError:
        raise RuntimeError(
            f"kernels/{file} does not compile for {architecture}:\n{nvrtc.getProgramLog(program)}"
        ) from None
    finally:
        nvrtc.destroyProgram(program)
    return {name: _numbers(log, entry) for name, entry in entries.items()}


def _numbers(log, entry):
    """The numbers that ptxas's log has for one kernel; entry: its name in the machine code.

    Function properties for _Z10add_bias...
        0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
    ptxas info : Used 32 registers, 400 bytes cmem[0]
    """
    pattern = rf"Function properties for {re.escape(entry)}\n.*?Used .*?\n"
    text = re.search(pattern, log, re.DOTALL)[0]
    numbers = {}
    for key, unit in UNITS.items():
        numbers[key] = sum(int(number) for number in re.findall(rf"(\d+) {unit}", text))
    return numbers
