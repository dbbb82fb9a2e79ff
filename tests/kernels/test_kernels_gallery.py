"""A gallery of wrong kernels (tests/kernels/gallery.cu): each is reported, and its corrected twin
passes.
"""

import copy
import os
import re
import shutil
import textwrap
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from minigan.backends.host import compiler, machine
from minigan.backends.host.machine import Out

FILE = Path(__file__).parent / "gallery.cu"
TEXT = FILE.read_text(encoding="utf-8")
pytestmark = pytest.mark.skipif(
    not shutil.which((os.environ.get("CXX") or "g++").split()[0]),
    reason="device host compiles kernels with a C++ compiler",
)


def floats(n):
    """n different numbers, none of which TF32 can hold."""
    few_bits = np.linspace(1, 2, n, dtype=np.float32)
    return few_bits + np.float32(2**-20)


def zeros(n):
    return np.zeros(n, np.float32)


def empty(n):
    return Out(np.empty(n, np.float32))


class Mistake(NamedTuple):
    """How a kernel is launched, and what must be reported."""

    # of report. Which line of a race comes second, and whether a tile is read too early or
    # unwritten, depends on the schedule.
    kinds: str
    arguments: list = [floats(64), empty(64)]
    grid: tuple = (1,)
    block: tuple = (64,)
    shared: int = 0  # bytes of dynamic shared memory


CASES = {
    "missing_syncthreads": Mistake("race|unwritten"),
    "missing_second_syncthreads": Mistake("race", [floats(512), empty(512)]),
    "missing_syncwarp": Mistake("race|unwritten"),
    "syncwarp_for_a_block": Mistake("race|unwritten"),
    "syncwarp_of_other_lanes": Mistake("race|unwritten"),
    "shuffle_for_a_barrier": Mistake("race"),
    "racy_sum_in_shared": Mistake("race", [floats(64), empty(1)]),
    "racy_sum_across_blocks": Mistake("race", [floats(256), zeros(4)], grid=(4,)),
    "block_reads_its_neighbours_result": Mistake("race|unwritten", [empty(256)], grid=(4,)),
    "two_threads_write_one_address": Mistake("race", [zeros(64)]),
    "race_of_a_byte": Mistake("race|unwritten", [empty(64)]),
    "write_after_only_some_have_read": Mistake("race", [zeros(4)]),
    "barrier_in_a_branch": Mistake("divergence"),
    "barriers_in_both_branches": Mistake("divergence", [empty(64)]),
    "return_before_a_barrier": Mistake("divergence", [empty(50), np.int32(50)]),
    "division_by_zero": Mistake("undefined", [floats(64), empty(64), np.int32(50)]),
    "off_by_one_read": Mistake("out of bounds", [floats(100), empty(100), np.int32(100)]),
    "one_before_the_start": Mistake("out of bounds"),
    "off_by_one_write": Mistake("out of bounds", [empty(100), np.int32(100)]),
    "index_beyond_a_shared_array": Mistake("undefined"),
    "pointer_past_a_shared_array": Mistake("out of bounds"),
    "too_much_static_shared_memory": Mistake("shared memory"),
    "static_on_top_of_dynamic_shared_memory": Mistake("shared memory", shared=227 << 10),
    "beyond_dynamic_shared_memory": Mistake("out of bounds", shared=256),
    "unwritten_shared_memory": Mistake("unwritten"),
    "unwritten_byte": Mistake("unwritten", [empty(64)]),
    "shared_memory_of_another_block": Mistake("unwritten", [empty(256)], grid=(4,)),
    "adds_to_an_output": Mistake("unwritten", [empty(64)]),
    "output_not_wholly_written": Mistake("not written", [empty(64)]),
    "misaligned_float4": Mistake("misaligned", [floats(260), empty(64)]),
    "wait_for_too_few_groups": Mistake("cp.async", [floats(128), empty(64)]),
    "copy_without_commit": Mistake("cp.async"),
    "wait_without_barrier": Mistake("race|cp.async|unwritten"),
    "pipeline_without_second_barrier": Mistake("race|cp.async", [floats(512), empty(512)]),
    "misaligned_copy": Mistake("misaligned", [floats(260), empty(64)]),
    "source_overwritten_before_the_wait": Mistake("cp.async"),
    "source_overwritten_by_another_thread": Mistake("race"),
    "source_of_a_copy_that_nobody_waits_for": Mistake("race"),
    "copy_within_shared_memory": Mistake("refused"),
    "copy_into_global_memory": Mistake("refused"),
    "misaligned_row": Mistake("refused|misaligned", [floats(160), empty(32)], block=(32,)),
    "row_in_global_memory": Mistake("refused", [floats(128), empty(32)], block=(32,)),
    "unrounded_operand": Mistake("refused", [floats(32), empty(32)], block=(32,)),
    "product_of_half_a_warp": Mistake("refused", [floats(32), zeros(32)], block=(32,)),
    "intrinsic_outside_its_mask": Mistake("mask"),
    "shuffle_in_a_branch": Mistake("divergence"),
    "shuffles_in_both_branches": Mistake("divergence"),
    "shuffle_from_a_lane_outside": Mistake("refused", [floats(64), zeros(64)]),
}


@pytest.fixture(scope="module", autouse=True)
def compiled():
    compiler.library(FILE, [f"{name}<{right}>" for name in CASES for right in ("false", "true")])


def run(name, right, seed):
    case = CASES[name]
    return machine.run_kernel(
        FILE,
        f"{name}<{right}>",
        case.grid,
        case.block,
        copy.deepcopy(case.arguments),  # some kernels write to their inputs
        shared=case.shared,
        seed=seed,
    )


def marked_lines(name):
    """The numbers of the lines of this kernel that end in `// <- here`."""
    begin = TEXT.index(f"void {name}(")
    body = TEXT[begin : TEXT.index("\n}\n", begin)]
    first = TEXT[:begin].count("\n") + 1
    return {first + i for i, line in enumerate(body.splitlines()) if line.endswith("// <- here")}


def test_the_gallery_is_complete():
    assert re.findall(r"__global__ void (\w+)\(", TEXT) == list(CASES)


@pytest.mark.parametrize("name", CASES)
def test_the_mistake_is_reported_in_every_schedule(name):
    for seed in range(12):
        with pytest.raises(machine.KernelError) as caught:
            run(name, "false", seed)
        error = caught.value
        lines = marked_lines(name)
        assert error.kind in CASES[name].kinds.split("|")
        assert f"{name}<false>" in str(error)
        assert f"MINIGAN_HOST_SEED={seed} " in str(error)
        if lines:
            assert error.places[-1][0] == "gallery.cu" and error.places[-1][1] in lines, str(error)


def test_both_sides_of_a_race_are_named():
    """Where they are on two lines, both are in the message, with the threads."""
    with pytest.raises(machine.KernelError) as caught:
        run("missing_second_syncthreads", "false", 0)
    there = r"gallery.cu:(\d+).*thread \(\d+, 0, 0\) of block \(0, 0, 0\)"
    lines = re.search(
        f"{there} (?:reads|writes) shared memory that thread .* (?:read|wrote) at "
        "gallery.cu:(\\d+)",
        str(caught.value),
    ).groups()
    assert {int(line) for line in lines} == marked_lines("missing_second_syncthreads")


@pytest.mark.parametrize("name", CASES)
def test_the_corrected_twin_passes_in_every_schedule(name):
    for seed in range(12):
        run(name, "true", seed)


def test_the_transcripts_in_the_readme_show_the_lines_as_they_are():
    text = (compiler.kernels_folder() / "README.md").read_text(encoding="utf-8")
    shown = re.findall(r"at (\S+\.cu):(\d+)\n    \2\t(.*)\n", text)
    assert len(shown) == 2
    for path, number, line in shown:
        folder, name = path.rsplit("/", 1)  # of a checkout; the package may be installed
        file = compiler.kernels_folder() / name if folder == "kernels" else FILE.parent / name
        text = file.read_text(encoding="utf-8")
        assert text.splitlines()[int(number) - 1] == line


def test_the_script_in_the_readme_is_caught_as_it_says(monkeypatch):
    text = (compiler.kernels_folder() / "README.md").read_text(encoding="utf-8")
    first = "    import numpy as np\n    from minigan.backends.host import machine"
    script = text[text.index(first) :].split("\n\nThe seed")[0]
    in_a_checkout = '"../tests/kernels/gallery.cu"'
    assert in_a_checkout in script
    script = script.replace(in_a_checkout, repr(str(FILE)))  # the package may be installed
    monkeypatch.setenv("MINIGAN_HOST_SEED", "0")
    with pytest.raises(machine.KernelError) as caught:
        exec(textwrap.dedent(script), {})
    error = "minigan.backends.host.machine.KernelError: "
    said = text[text.index(error) + len(error) :].split("\n\n")[0]
    assert str(caught.value) == re.sub(r"\s+", " ", said)
