"""What the tests of the evaluation share."""

import pytest

from minigan.evaluation import classifier, metrics


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory):
    """A cache folder for all, so that the classifier of the digits is trained once."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINIGAN_CACHE", str(folder))
        yield folder


@pytest.fixture
def fresh_cache(tmp_path, monkeypatch):
    """A cache folder for one test, and a training of a few steps."""
    monkeypatch.setenv("MINIGAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(classifier, "LEAST_STEPS", 5)
    return tmp_path / "cache"


@pytest.fixture(autouse=True)
def restore_block():
    """A test may choose other blocks of distances."""
    before = metrics.BLOCK
    yield
    metrics.BLOCK = before
