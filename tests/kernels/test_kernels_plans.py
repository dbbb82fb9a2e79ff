"""Plans: pure data, made from sizes, dtype, alignment and the GPU that they are for."""

import itertools

import numpy as np
import pytest
from launching import normal

import minigan as mg
from minigan.backends import cuda
from minigan.backends.cuda import architectures, convolution, launch
from minigan.backends.cuda import grids as grids_module
from minigan.backends.cuda.tiles import Product, Tile, split_k
from minigan.backends.host import machine

pytestmark = pytest.mark.usefixtures("on_host")
FLOAT = np.dtype(np.float32)
# A layer of 4 x 4 maps from 512 to 1024 channels: few tiles, long sums.
DEEP = convolution.Sizes(32, 512, 8, 8, 1024, 4, 4, 4, 4, 2, 2, 1, 1)


def target(multiprocessors):
    return architectures.target("sm_90", multiprocessors)


def deep_plan(multiprocessors):
    gpu = target(multiprocessors)
    aligned = (True, True)
    return convolution.plan_convolution("conv2d", "tensor", FLOAT, DEEP, aligned, gpu)


def test_tiles_and_parts_are_chosen_by_the_number_of_multiprocessors():
    few = deep_plan(multiprocessors=16)
    assert few.product.parts == 1
    assert few.second_pass is None
    many = deep_plan(multiprocessors=132)
    parts = many.product.parts
    assert parts > 1
    assert many.second_pass.sizes == (np.prod(many.shape), parts)
    more = deep_plan(multiprocessors=264)
    assert more.product.parts > parts


def test_the_same_question_is_answered_once():
    assert deep_plan(132) is deep_plan(132)


SPLITS = {  # (tiles, slices of a sum) -> parts on 132 multiprocessors
    (66, 1000): 4,
    (67, 1000): 1,
    (10, 1000): 26,
    (1, 1000): 250,
    (1, 10_000): 256,
    (1, 3): 1,
}


@pytest.mark.parametrize("tiles, slices", SPLITS)
def test_split_k_fills_the_gpu_with_parts_of_at_least_four_slices(tiles, slices):
    tile = Tile(128, 128, 2, blocks=2)
    assert split_k(tiles, slices, tile, target(132)) == SPLITS[tiles, slices]


def test_each_driver_names_its_gpu(monkeypatch):
    assert machine.find_target() == target(132)
    monkeypatch.setenv("MINIGAN_ARCH", "sm_80")
    assert machine.find_target().multiprocessors == 108


def test_a_dry_run_plans_and_runs_nothing(monkeypatch):
    monkeypatch.setattr(machine, "prepare", lambda *_: pytest.fail("the kernel ran"))
    with launch.collect_launches(dry_run=True) as launches, mg.rung("tiled"):
        cuda.leaky_relu(normal(4097), 0.2)
    (row,) = launches
    assert row.plan.sizes == (4097,)
    assert row.plan.grid == (5,)  # 4097 is odd: packs of one number, 1024 of them per block
    assert row.report is None


def test_more_phases_than_a_grid_holds_are_served_by_the_naive_rung():
    x = normal(1, 1, 1, 2)
    weight = normal(1, 5, 1, 1)
    with launch.collect_launches() as launches:
        y = cuda.conv_transpose2d(x, weight, (260, 260), (0, 0), (0, 0))
    assert "conv_transpose2d_naive<float>" in launches[0].name
    assert y.shape == (1, 5, 1, 261)
    np.testing.assert_array_equal(y[:, :, :, ::260], x * weight)
    assert not y[:, :, :, 1:260].any()


@pytest.mark.parametrize("operation", ["channel_sum", "batch_norm_statistics", "batch_norm_grad"])
def test_a_reduction_gives_every_multiprocessor_work(operation, monkeypatch):
    """At least two blocks for each of 132, and no more than a second pass can well add up."""
    grids = []
    monkeypatch.setattr(launch, "launch", lambda plan, *_, **__: grids.append(plan.grid))
    shapes = [(1 << 17, 64), (1 << 15, 512), (1 << 20, 3)]
    for rows, c in shapes:
        grids.clear()
        x = np.empty((rows, c), np.float32)
        row = np.empty(c, np.float32)
        mean = np.empty((2, c), np.float32)
        arguments = {
            "channel_sum": (x,),
            "batch_norm_grad": (x, x, x, mean, row, row, 0.2),
            "batch_norm_statistics": (x, row, row, None, None, 0.1, 1e-5),
        }
        getattr(cuda, operation)(*arguments[operation])
        assert 264 <= np.prod(grids[0]) <= 1056
        assert grids[1][0] == 1


def test_a_grid_has_room_for_the_columns_of_many_instances():
    for columns in (1, 8 * 65535, 8 * 65535 + 1, 32 * 65535):
        (_, groups), (across, down) = grids_module.second_pass_grid(columns)
        assert groups <= 65535
        assert groups * across >= columns
        assert across * down == grids_module.THREADS


def test_every_architecture_has_room_for_every_tile():
    """The largest tile is for those with much shared memory, and every other must start on all."""
    for name, row in architectures.ARCHITECTURES.items():
        target = architectures.target(name, row.multiprocessors)
        rungs = ["tiled"]
        if target.generation >= 80:
            rungs.append("tensor")
        for rung in rungs:
            most = max(bytes_of_tiles(rung, target))
            assert 32 << 10 < most, (name, rung)
            assert most <= row.shared_per_block << 10, (name, rung)


def bytes_of_tiles(rung, target):
    """Bytes of shared memory for products of many shapes."""
    shapes = itertools.product((1, 128, 1 << 15), (1, 33, 65))
    for rows, columns in shapes:
        product = Product(rows, columns, steps=8 * 32, phases=1)
        plan = convolution.plan_product("conv2d", rung, "float", product, (4, 4), target)
        yield plan.shared
