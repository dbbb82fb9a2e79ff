"""How the suite runs: on the CPU, unless MINIGAN_DEVICE names another device.

float32 is float32 here, not TF32, unless a test asks for the tensor rung. So one tolerance serves
every device. Hypothesis has no deadline, because shared machines stall, and in CI it takes the same
examples every time.
"""

import contextlib
import os
import sys

import pytest
from hypothesis import settings

settings.register_profile("default", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, database=None, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "default")


def pytest_configure():
    os.environ.setdefault("MINIGAN_DEVICE", "cpu")  # also of the processes that tests start


@pytest.fixture(scope="session", autouse=True)
def full_float32():
    import minigan

    minigan.set_tf32(False)


@pytest.fixture
def streams(monkeypatch):
    """streams(stream) replaces stdout and stderr by the stream until the test ends.

    What the stream has buffered and cannot write is dropped then.
    """
    opened = []

    def use(stream):
        opened.append(stream)
        monkeypatch.setattr(sys, "stdout", stream)
        monkeypatch.setattr(sys, "stderr", stream)

    yield use
    monkeypatch.undo()
    for stream in opened:
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()
