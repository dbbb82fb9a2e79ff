"""What the tests of the evaluation share."""

import pytest

from minigan.evaluation import metrics


@pytest.fixture(autouse=True)
def restore_block():
    """A test may choose other blocks of distances."""
    before = metrics.BLOCK
    yield
    metrics.BLOCK = before
