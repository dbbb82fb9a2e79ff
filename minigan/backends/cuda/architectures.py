"""What each generation of GPUs has: the limits that a launch must keep, and how full a GPU gets."""

from typing import NamedTuple

from .plans import ceil_div

# The hardware's limits on a launch, the same for all generations.
GRID_LIMITS = (2**31 - 1, 65535, 65535)  # of a grid, along x, y and z
BLOCK_LIMITS = (1024, 1024, 64)  # of a block, along x, y and z
MOST_THREADS_PER_BLOCK = 1024
REGISTERS = 65536  # of a multiprocessor, 32 bits each


class Architecture(NamedTuple):
    """One multiprocessor, and how many of them a well-known GPU of this generation has."""

    shared_per_block: int  # KB of shared memory that one block may have
    shared: int  # KB of shared memory in all
    threads: int  # that may be resident at once
    blocks: int  # that may be resident at once
    multiprocessors: int  # of the GPU named below; only the simulator asks for it


# CUDA C++ Programming Guide, "Technical Specifications per Compute Capability".
ARCHITECTURES = {
    "sm_70": Architecture(96, 96, 2048, 32, 80),  # V100
    "sm_75": Architecture(64, 64, 1024, 16, 40),  # T4
    "sm_80": Architecture(163, 164, 2048, 32, 108),  # A100
    "sm_86": Architecture(99, 100, 1536, 16, 82),  # RTX 3090
    "sm_89": Architecture(99, 100, 1536, 24, 128),  # RTX 4090
    "sm_90": Architecture(227, 228, 2048, 32, 132),  # H100, H200
    "sm_100": Architecture(227, 228, 2048, 32, 148),  # B200
    "sm_120": Architecture(99, 100, 1536, 24, 170),  # RTX 5090
}


class Target(NamedTuple):
    """The GPU that kernels are planned for: hashable, because plans are cached by it."""

    architecture: str  # "sm_90"
    generation: int  # 90
    multiprocessors: int
    shared_per_block: int  # KB of shared memory that one block may have


def target(architecture, multiprocessors):
    """The Target of this architecture, "sm_90", with this number of multiprocessors."""
    shared = limits(architecture).shared_per_block
    return Target(architecture, generation(architecture), multiprocessors, shared)


def generation(architecture):
    """An architecture's number: 90 for "sm_90"."""
    return int(architecture.removeprefix("sm_"))


def limits(architecture):
    """The table's row for an architecture.

    An architecture that is not in the table has the limits of the newest older one, or of sm_70.
    """
    row = ARCHITECTURES["sm_70"]
    for known, its_row in ARCHITECTURES.items():  # the oldest first
        if generation(known) <= generation(architecture):
            row = its_row
    return row


def occupancy(registers, threads, shared, architecture):
    """The share of a multiprocessor's threads that can be resident at once, from 0 to 1.

    registers: of a thread; threads: of a block; shared: bytes of a block. Registers are handed
    out 256 at a time to each warp, shared memory in units of 128 bytes and 1 KB more per block.
    """
    row = limits(architecture)
    warps = ceil_div(threads, 32)
    registers_of_a_warp = 256 * ceil_div(32 * registers, 256)
    bytes_of_a_block = 128 * ceil_div(shared, 128) + 1024
    blocks = min(
        row.blocks,
        row.threads // (32 * warps),
        REGISTERS // (warps * registers_of_a_warp),
        (row.shared << 10) // bytes_of_a_block,
    )
    return blocks * warps * 32 / row.threads
