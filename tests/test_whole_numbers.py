"""Arguments that are to be whole numbers: what passes, and what is refused in a sentence."""

import numpy as np
import pytest

from minigan.checks import is_whole_number, whole_number


@pytest.mark.parametrize("value", [2, 3, 10**30, np.int64(2), np.uint8(255)])
def test_a_whole_number_passes_as_it_is(value):
    assert is_whole_number(value, 2)
    assert whole_number("size", value, 2) is value


@pytest.mark.parametrize(
    "value", [1, -2, np.int64(1), 2.0, 2.5, np.float32(2), float("nan"), np.True_, "2", None]
)
def test_all_else_is_refused_with_its_name_and_its_value(value):
    assert not is_whole_number(value, 2)
    with pytest.raises(ValueError) as caught:
        whole_number("size", value, 2)
    message = f"size is {value!r}, expected a whole number of at least 2"
    assert str(caught.value) == message


@pytest.mark.parametrize("value", [True, False])
def test_a_truth_value_is_no_number(value):
    assert not is_whole_number(value, 0)


def test_a_long_value_is_shown_in_one_short_line():
    with pytest.raises(ValueError) as e:
        whole_number("size", "2" * 10_000, 0)
    assert len(str(e.value)) < 200


@pytest.mark.parametrize("value", [1, 10, np.int64(10)])
def test_a_whole_number_up_to_the_largest_passes(value):
    assert whole_number("batch_size", value, 1, 10, "the number of images") is value


@pytest.mark.parametrize("value", [0, 11, 5.0, True])
def test_all_else_is_refused_with_the_range_and_where_it_comes_from(value):
    with pytest.raises(ValueError) as caught:
        whole_number("batch_size", value, 1, 10, "the number of images")
    assert str(caught.value) == (
        f"batch_size is {value}, expected a whole number from 1 to 10, the number of images"
    )
