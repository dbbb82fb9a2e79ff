"""What takes up a state holds it to what its constructor takes: a schedule, an average, a network,
an image pool, the random generator, a data order.
"""

import copy

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from states import NUMBERS, refused

import minigan as mg
from minigan import models, nn, optim, rng
from minigan.creation import at_most
from minigan.models.cyclegan import ImagePool

SCHEDULES = {
    "exponential": lambda o: optim.ExponentialLR(o, 1.5),
    "step": lambda o: optim.StepLR(o, 2),
    "constant, then linear": lambda o: optim.ConstantThenLinearLR(o, 1, 2),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_s_count_and_base_are_what_they_can_be(name):
    schedule = SCHEDULES[name](optim.Adam(nn.Linear(3, 2).parameters(), 0.1))
    for count in (None, -1, 0.5, 1.0, True, "1", [], {}, 10**30, float("nan"), np.zeros(2)):
        assert "count" in refused(schedule, {"count": count, "base": 0.1})
    for base in NUMBERS:
        assert "base" in refused(schedule, {"count": 1, "base": base})
    for odd in (
        None,
        [],
        "x",
        {},
        {"count": 1},
        {"base": 0.1},
        {"count": 1, "base": 0.1, "more": 1},
    ):
        assert refused(schedule, odd)
    if name == "exponential":
        assert "learning rate at count 1000000 is inf" in refused(
            schedule, {"count": 10**6, "base": 0.1}
        )
    schedule.load_state_dict({"count": 3, "base": 0.25})
    assert schedule.state_dict() == {"count": 3, "base": 0.25}


def test_an_average_s_count_and_network_are_what_they_can_be():
    average = optim.ExponentialMovingAverage(nn.Linear(2, 3))
    state = average.state_dict()
    for count in (None, -1, 0.5, True, "1", [], 10**30, float("nan")):
        assert "count" in refused(average, {**state, "count": count})
    for odd in (
        None,
        [],
        3,
        {},
        {"module": state["module"]},
        {**state, "more": 1},
        {**state, "module": None},
        {**state, "module": {}},
        {**state, "module": [1]},
        {**state, "module": {"weight": 1, "bias": None}},
    ):
        assert refused(average, odd)


def test_a_network_takes_up_numbers_of_its_shapes_only():
    net = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    state = {name: t.numpy() for name, t in net.state_dict().items()}
    for odd in (
        None,
        [],
        3,
        "x",
        {},
        {**state, "more": np.zeros(1)},
        {**state, "x" * 10**5: np.zeros(1)},
    ):
        assert refused(net, odd)
    for name in state:
        for value in (
            None,
            "x",
            [],
            {},
            np.zeros((4, 4)),
            np.array(["a"]),
            np.array([None]),
            state[name] * 1j,
        ):
            assert refused(net, {**state, name: value}), (name, value)


def test_an_image_pool_takes_up_images_of_one_shape():
    pool = ImagePool(3)
    image = np.zeros((1, 2, 2), np.float32)
    for odd in (
        None,
        [],
        {},
        {"images": None},
        {"images": 3},
        {"images": {}},
        {"images": ()},
        {"images": [None]},
        {"images": [1.0]},
        {"images": [image] * 4},
        {"images": [image.astype(float)]},
        {"images": [image.astype(">f4")]},
        {"images": [image, image[0]]},
        {"images": [image], "more": 1},
        {"images": image},
        {"images": [image.tolist()]},
    ):
        assert refused(pool, odd)
    pool.load_state_dict({"images": [image, image + 1]})
    assert len(pool.images) == 2
    fitting = ImagePool(3, shape=(1, 4, 4))
    assert "expected images float32 (1, 4, 4)" in refused(fitting, {"images": [image]})


def test_the_random_generator_takes_up_what_it_gave():
    mg.manual_seed(3)
    mg.rand(3)
    state = copy.deepcopy(rng.state_dict())
    inner = state["state"]
    odd = [
        None,
        [],
        3,
        "PCG64",
        {},
        {**state, "more": 1},
        {**state, "bit_generator": "MT19937"},
        {**state, "state": None},
        {**state, "state": {}},
        {**state, "state": 3},
        *({**state, "has_uint32": value} for value in (2, -1, True, None, "1")),
        *({**state, "uinteger": value} for value in (2**32, -1, 0.5, None, [])),
        *(
            {**state, "state": {**inner, "state": value}}
            for value in (2**128, -1, 0.5, None, "1", True)
        ),
        *(
            {**state, "state": {**inner, "inc": value}}
            for value in (2**128 + 1, -1, inner["inc"] - 1, None, "1")
        ),
    ]
    for value in odd:
        with pytest.raises(ValueError, match="PCG64"):
            rng.load_state_dict(value)
        assert rng.state_dict() == state
    rng.load_state_dict(state)


batches_state = mg.data.Batches(np.zeros((10, 1, 2, 2), np.uint8), 5).state_dict()


@given(
    st.sampled_from(sorted(batches_state)),
    st.sampled_from(
        [
            None,
            -1,
            0.0,
            5.0,
            0.5,
            True,
            False,
            "0",
            [],
            {},
            float("nan"),
            10**30,
            np.int64(0),
            np.zeros(1),
        ]
    ),
)
def test_a_data_order_is_whole_numbers(name, value):
    batches = mg.data.Batches(np.zeros((10, 1, 2, 2), np.uint8), 5)
    assert "data order" in refused(batches, {**batches_state, name: value})


@pytest.mark.parametrize("odd", [None, [], 3, "x", {}, {**batches_state, "more": 1}])
def test_a_data_order_of_other_names_is_refused(odd):
    assert "the data order" in refused(mg.data.Batches(np.zeros((10, 1, 2, 2), np.uint8), 5), odd)


# ---- networks of sizes that somebody else wrote


def test_arrays_beyond_the_room_are_not_made():
    with at_most(10):
        mg.zeros(2, 3)
        mg.randn(2, 2)
        for make in (mg.zeros, mg.ones, mg.rand, mg.randn):
            with pytest.raises(
                ValueError,
                match=r"an array of shape \(10000000, 10000000\) is more than there is room",
            ):
                make(10**7, 10**7)
    mg.zeros(20)


@pytest.mark.parametrize(
    "network, arguments",
    [
        (models.dcgan.Generator, {"latent_dim": 5, "image_size": 16, "channels": 1, "width": 2}),
        (models.gan.Generator, {"latent_dim": 5, "image_size": 4, "channels": 1, "hidden": 3}),
        (models.wgan.Critic, {"image_size": 16, "channels": 1, "width": 2, "norm": "layer"}),
        (
            models.cyclegan.ResnetGenerator,
            {"in_channels": 1, "out_channels": 1, "width": 2, "blocks": 1},
        ),
        (
            models.cyclegan.UnetGenerator,
            {"in_channels": 1, "out_channels": 1, "width": 2, "depth": 2},
        ),
    ],
)
def test_a_network_is_built_in_the_room_of_its_own_arrays(network, arguments, monkeypatch):
    mg.manual_seed(0)
    free = models.build(network, arguments)
    room = sum(t.numel() for _, t in free.named_tensors())
    monkeypatch.setattr(models, "SPARE", 0)
    mg.manual_seed(0)
    within = models.build(network, arguments, room)
    assert all(
        (a.numpy() == b.numpy()).all() for a, b in zip(free.parameters(), within.parameters())
    )
    with pytest.raises(
        ValueError, match="its networks cannot be built from .* is more than there is room for"
    ):
        models.build(network, arguments, room // 8)


def test_a_network_of_ones_own_that_asks_for_more_than_its_arrays_is_not_built():
    def endless(blocks):
        return nn.Sequential(*(nn.Linear(100, 100) for _ in range(blocks)))

    with pytest.raises(ValueError, match="is more than there is room for"):
        models.build(endless, {"blocks": 10**6}, 5)
    with pytest.raises(ValueError, match="'blocks' is 1000000000000, expected a whole number"):
        models.build(endless, {"blocks": 10**12}, 5)


@pytest.mark.parametrize("depth", [1, 17, 10**9])
def test_a_u_net_of_absurd_depth_is_refused_at_once(depth):
    with pytest.raises(ValueError, match=f"depth is {depth}, expected at least 2 and at most 16"):
        models.cyclegan.UnetGenerator(depth=depth)
    with pytest.raises(
        ValueError, match="n_layers is 1000000000, expected at least 1 and at most 16"
    ):
        models.cyclegan.PatchDiscriminator(n_layers=10**9)
