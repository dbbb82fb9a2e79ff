"""The devices: how one is chosen, and that the kernels of kernels/*.cu compute what NumPy
computes, layer by layer.

On the host device the kernels run thread by thread, in random schedules, every access judged; so
a training that follows the CPU's here has neither a race nor a stray read.
"""

import importlib.util
import os
import subprocess
import sys

import numpy as np
import pytest
from operations import MINIGAN, OPERATIONS
from strategies import fixed_case

import minigan as mg
from minigan import devices, nn
from minigan.backends.cuda import launch
from minigan.backends.host import compiler
from minigan.models import dcgan
from minigan.optim import Adam

needs_no_gpu = pytest.mark.skipif(devices.gpu_count() > 0, reason="there is an NVIDIA GPU here")


# ---- choosing ------------------------------------------------------------------------------------


def python(script, **environment):
    """The output of a fresh process, in which only this environment chooses the device."""
    env = {
        name: value for name, value in os.environ.items() if not name.startswith("MINIGAN_")
    } | environment
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=env)
    return result.stdout + result.stderr


@needs_no_gpu
def test_without_a_gpu_the_default_is_the_cpu_and_says_why():
    out = python("import minigan as mg; print(mg.devices.describe())")
    assert out.startswith("device cpu: NumPy") and out.endswith(
        "chosen because there is no NVIDIA GPU\n"
    )


def test_the_default_does_not_import_cupy_where_there_is_no_gpu():
    script = (
        "import sys, minigan; print(minigan.devices.gpu_count() > 0 or 'cupy' not in sys.modules)"
    )
    assert python(script) == "True\n"


def test_the_environment_chooses():
    assert python(
        "import minigan as mg; print(mg.devices.describe())", MINIGAN_DEVICE="host"
    ).startswith("device host: the CUDA kernels as sm_90, run thread by thread")
    assert python(
        "import minigan as mg; print(mg.devices.describe())",
        MINIGAN_DEVICE="host",
        MINIGAN_ARCH="sm_120",
    ).startswith("device host: the CUDA kernels as sm_120")


@pytest.fixture
def device_stays():
    before = devices.name, devices.reason
    yield
    mg.set_device(*before)


@pytest.mark.parametrize(
    "variable, value, words",
    [
        ("CXX", "no-such-compiler", "no-such-compiler does not run install g++"),
        ("CXX", __file__, "test_devices.py does not run install g++"),
        ("PATH", "", "g++ does not run install g++"),
        (
            "MINIGAN_CACHE",
            __file__,
            "test_devices.py/kernels, which cannot be written MINIGAN_CACHE",
        ),
    ],
)
def test_device_host_says_at_once_what_it_lacks(variable, value, words, monkeypatch, device_stays):
    monkeypatch.setenv(variable, value)
    compiler._version.cache_clear()
    try:
        with pytest.raises(RuntimeError) as refusal:
            mg.set_device("host")
    finally:
        compiler._version.cache_clear()
    assert all(word in str(refusal.value) for word in words.split()) and "\n" not in str(
        refusal.value
    )


def test_a_gpu_without_cupy_is_named_with_the_extra_that_would_use_it(monkeypatch, device_stays):
    mg.set_device("cpu")
    monkeypatch.delenv("MINIGAN_DEVICE", raising=False)
    monkeypatch.setattr(devices, "gpu_count", lambda: 1)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    devices.choose()
    assert devices.name == "cpu" and "\n" not in devices.describe()
    assert devices.describe().endswith(
        "needs CuPy, which is not installed: pip install 'minigan[cuda13]' or [cuda12]"
    )


def test_cuda_without_cupy_is_refused_in_one_sentence(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    before = devices.name
    with pytest.raises(
        RuntimeError,
        match=r"^device cuda needs CuPy, which is not installed: pip install 'minigan\[",
    ):
        mg.set_device("cuda")
    assert devices.name == before


@needs_no_gpu
def test_cuda_without_a_gpu_is_refused_in_one_sentence():
    pytest.importorskip("cupy", reason="CuPy looks for the GPU")
    before = devices.name
    with pytest.raises(
        RuntimeError,
        match=r"^device cuda needs an NVIDIA GPU and its driver, CuPy [\d.]+ sees none$",
    ):
        mg.set_device("cuda")
    assert devices.name == before
    last = python("import minigan; minigan.tensor(1.0)", MINIGAN_DEVICE="cuda").splitlines()[-1]
    assert last.startswith("minigan.devices.DeviceError: device cuda needs")


# What the environment may get wrong -> what is said of it.
WRONG = {
    "an unknown device": (
        {"MINIGAN_DEVICE": "tpu"},
        "unknown device 'tpu' (MINIGAN_DEVICE says so)",
    ),
    "an unknown rung": ({"MINIGAN_RUNG": "top"}, "unknown rung 'top' (MINIGAN_RUNG says so)"),
    "no compiler": (
        {"MINIGAN_DEVICE": "host", "CXX": "no-such-compiler"},
        "no-such-compiler does not run",
    ),
    "a compiler that is none": (
        {"MINIGAN_DEVICE": "host", "CXX": __file__},
        "test_devices.py does not run",
    ),
    "a compiler that fails": (
        {"MINIGAN_DEVICE": "host", "CXX": "false"},
        "false failed with exit status 1",
    ),
    "a compiler that makes nothing": (
        {"MINIGAN_DEVICE": "host", "CXX": "true"},
        "true made an empty file",
    ),
    "half a quotation": (
        {"MINIGAN_DEVICE": "host", "CXX": "'g++"},
        'CXX is "\'g++", expected a command',
    ),
    "blanks for a compiler": (
        {"MINIGAN_DEVICE": "host", "CXX": " "},
        "CXX is ' ', expected a command",
    ),
    "a cache that is a file": (
        {"MINIGAN_DEVICE": "host", "MINIGAN_CACHE": __file__},
        "which cannot be written",
    ),
    "an unknown architecture": (
        {"MINIGAN_DEVICE": "host", "MINIGAN_ARCH": "sm_1"},
        "MINIGAN_ARCH is 'sm_1'",
    ),
    "a seed that is none": (
        {"MINIGAN_DEVICE": "host", "MINIGAN_HOST_SEED": "x"},
        "MINIGAN_HOST_SEED or seed is 'x'",
    ),
}


@pytest.mark.parametrize("kind", WRONG)
def test_an_import_never_raises_because_of_the_environment_and_the_first_use_does(kind):
    environment, sentence = WRONG[kind]
    script = """
import minigan as mg
uses = [lambda: mg.tensor([1.0]), lambda: mg.devices.xp, mg.devices.describe]
uses += [lambda: mg.nn.Linear(2, 3)]
for use in uses:
    try:
        use()
    except mg.devices.DeviceError as error:
        print(error)
mg.set_device("cpu")
print((mg.tensor([1.0]) + 1).numpy(), mg.devices.name, mg.devices.reason)
"""
    *said, last = python(script, **environment).splitlines()
    assert last == "[2.] cpu set_device"
    assert len(said) == 4 and len(set(said)) == 1 and sentence in said[0]


def test_a_device_inside_a_block_does_not_ask_the_environment_for_another():
    script = """
import minigan as mg
with mg.device("cpu"):
    print(mg.zeros(2).shape)
try:
    mg.zeros(2)
except mg.devices.DeviceError as error:
    print(error)
"""
    said = python(script, MINIGAN_DEVICE="tpu").splitlines()
    assert said[0] == "(2,)" and said[1].startswith("unknown device 'tpu'") and len(said) == 2


def test_a_wrong_rung_is_refused_by_the_devices_that_have_rungs():
    script = """
import minigan as mg
mg.set_device("cpu")
try:
    mg.set_device("host")
except ValueError as error:
    print(error, mg.devices.name)
"""
    said = python(script, MINIGAN_RUNG="top")
    assert (
        said
        == "unknown rung 'top' (MINIGAN_RUNG says so), expected naive, shared, tiled, tensor cpu\n"
    )


def test_the_device_is_chosen_once_and_then_is_an_ordinary_variable():
    script = """
import minigan.devices as devices
print("xp" in vars(devices), devices.xp.__name__, "xp" in vars(devices), devices.kernels.__name__)
print(hasattr(devices, "nonsense"))
"""
    assert python(script, MINIGAN_DEVICE="cpu").splitlines() == [
        "False numpy True minigan.backends.cpu",
        "False",
    ]


# ---- the same results on every device ------------------------------------------------------------


@pytest.mark.parametrize("device", ["cpu", "host"])
def test_an_activation_takes_whole_numbers_for_float32(device):
    with mg.device(device):
        y = mg.functional.leaky_relu(mg.tensor(np.array([3, -4])), 0.5)
    assert y.numpy().tolist() == [3, -2] and y.dtype == np.float32


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_every_operation_on_the_host_device(operation):
    """Values as on the CPU, and gradients to second order against finite differences, all in
    float64.
    """
    for seed in range(2):
        arrays, options = operation.inputs(fixed_case(seed))
        f = operation.function(MINIGAN, options)
        expected = f(*map(mg.tensor, arrays)).numpy()
        with mg.device("host"):
            np.testing.assert_allclose(
                f(*map(mg.tensor, arrays)).numpy(), expected, rtol=1e-12, atol=1e-12
            )
            assert mg.gradcheck(f, arrays, order=min(operation.order, 2), directions=1, seed=seed)


def train_dcgan(steps):
    """A tiny DCGAN, trained as in its example: -> losses, and all weights and running statistics,
    in float64.
    """
    mg.manual_seed(3)
    g = dcgan.Generator(latent_dim=4, image_size=16, channels=1, width=2).double()
    d = dcgan.Discriminator(image_size=16, channels=1, width=2).double()
    optimisers = [Adam(net.parameters(), 2e-3, betas=(0.5, 0.999)) for net in (g, d)]
    losses, rng = [], np.random.default_rng(0)
    for _ in range(steps):
        x, z = (
            mg.tensor(np.tanh(rng.standard_normal((4, 1, 16, 16)))),
            mg.tensor(rng.uniform(-1, 1, (4, 4))),
        )
        fake = g(z)
        d_loss = dcgan.discriminator_loss(d(x), d(fake.detach()), real_label=0.9)
        d.zero_grad()
        d_loss.backward()
        optimisers[1].step()
        g_loss = dcgan.generator_loss(d(fake))
        g.zero_grad()
        g_loss.backward()
        optimisers[0].step()
        losses += [d_loss.item(), g_loss.item()]
    return losses, {**g.state_dict(), **{f"d.{name}": t for name, t in d.state_dict().items()}}


def train_critic(steps):
    """WGAN-GP's critic on fixed images (Gulrajani et al. 2017): its loss holds the norm of a
    gradient.
    """
    mg.manual_seed(4)
    critic = nn.Sequential(
        nn.Conv2d(2, 4, 4, stride=2, padding=1),
        nn.LayerNorm((4, 4, 4)),
        nn.LeakyReLU(0.2),
        nn.Conv2d(4, 4, 3, stride=1, padding=1),
        nn.LeakyReLU(0.2),
        nn.Flatten(),
        nn.Linear(64, 1),
    )
    optimiser = Adam(critic.double().parameters(), 1e-2, betas=(0.0, 0.9))
    losses, rng = [], np.random.default_rng(1)
    for _ in range(steps):
        real, fake = (mg.tensor(rng.standard_normal((3, 2, 8, 8))) for _ in range(2))
        mix = mg.tensor(rng.uniform(0, 1, (3, 1, 1, 1)))
        between = (mix * real + (1 - mix) * fake).detach().requires_grad_()
        (slope,) = mg.grad(critic(between).sum(), between, create_graph=True)
        penalty = 10 * (((slope * slope).flatten(1).sum(1).sqrt() - 1) ** 2).mean()
        loss = critic(fake).mean() - critic(real).mean() + penalty
        critic.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses, critic.state_dict()


@pytest.mark.parametrize("train, steps", [(train_dcgan, 4), (train_critic, 4)])
def test_training_on_the_host_device_follows_the_cpu(train, steps):
    """In float64 sums differ by 1e-16; Adam's division by the root of v carries that to 1e-9 in a
    few steps.
    """
    with mg.device("cpu"):
        losses, state = train(steps)
    with mg.device("host"), launch.collect_launches() as launches:
        host_losses, host_state = train(steps)
    assert len(launches) > 20 * steps
    np.testing.assert_allclose(host_losses, losses, rtol=1e-8)
    for name, t in state.items():
        np.testing.assert_allclose(
            host_state[name].numpy(), t.numpy(), rtol=1e-7, atol=1e-9, err_msg=name
        )


def test_training_in_float32_takes_the_tensor_rung_and_stays_near():
    """One step of the same DCGAN in float32: TF32 keeps 11 bits, so losses agree to some 1e-2,
    not to 1e-6.
    """

    def losses():
        mg.manual_seed(3)
        d = dcgan.Discriminator(image_size=16, channels=1, width=4)
        x = mg.tensor(
            np.tanh(np.random.default_rng(0).standard_normal((4, 1, 16, 16))).astype(np.float32)
        )
        loss = dcgan.discriminator_loss(d(x), d(-x))
        loss.backward()
        return loss.item(), d

    expected, _ = losses()
    with mg.device("host"), launch.collect_launches() as launches, mg.rung("tensor"):
        loss, d = losses()
    assert any("_tensor<" in row.name for row in launches) and d.parameters()[0].grad is not None
    assert abs(loss - expected) < 1e-2 * abs(expected)
