"""The command line of a training is never misread: what is wrong with it is one sentence."""

import importlib.util

import pytest
from toy_run import refused

from minigan.training import scripts


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["--steps", "0"], "argument --steps: 0 is not a whole number of at least 1"),
        (["--steps", "1.5"], "1.5 is not a whole number of at least 1"),
        (["--batch-size", "-3"], "-3 is not a whole number of at least 1"),
        (["--batch-size", "many"], "many is not a whole number of at least 1"),
        (["--seed", "-1"], "argument --seed: -1 is not a whole number of at least 0"),
        (["--log-every", "0"], "argument --log-every: 0 is not"),
        (["--sample-every", "0"], "argument --sample-every: 0 is not"),
        (["--checkpoint-every", ""], "argument --checkpoint-every:  is not"),
        (["--lr", "nan"], "argument --lr: nan is not a number above 0"),
        (["--lr", "inf"], "inf is not a number above 0"),
        (["--lr", "fast"], "fast is not a number above 0"),
        (["--data", ""], "argument --data: '' is neither a name nor a path"),
        (["--device", "abacus"], "unknown device 'abacus'"),
        (["--networks", "absent.py"], "absent.py"),
        (["--step", "5"], "unrecognized arguments: --step 5"),
        (["--out", __file__], "test_command_line.py is a file, expected a folder"),
        (["--out", __file__, "--resume"], "test_command_line.py is a file, expected a folder"),
    ],
)
def test_a_bad_argument_is_refused_in_one_sentence(train, tmp_path, arguments, sentence):
    refused(train, sentence, "--out", tmp_path / "out", *arguments)
    assert not (tmp_path / "out").exists()


def test_a_missing_package_is_named_before_training(train, tmp_path, monkeypatch):
    def find_spec(name):
        return None if name == "matplotlib" else name

    monkeypatch.setattr(importlib.util, "find_spec", find_spec)
    sentence = "matplotlib, which is missing: pip install 'minigan[examples]'"
    refused(train, sentence, "--out", tmp_path / "out")


# ---- the types of arguments


@pytest.mark.parametrize(
    "text, name",
    [
        ("Digits", "digits"),
        ("DIGITS", "digits"),
        ("digits", "digits"),
        ("Photos/", "Photos/"),
        ("mnist", "mnist"),
    ],
)
def test_digits_has_one_spelling_and_other_names_are_as_they_are(text, name):
    assert scripts.data_name(text) == name


@pytest.mark.parametrize("text, value", [("0", 0.0), ("0.999", 0.999)])
def test_fractions(text, value):
    assert scripts.fraction(text) == value
    assert scripts.not_negative(text) == value


@pytest.mark.parametrize("text", ["1", "-0.1", "nan", "half"])
def test_what_is_not_a_fraction(text):
    with pytest.raises(Exception, match=f"{text} is not a number from 0 to below 1"):
        scripts.fraction(text)


@pytest.mark.parametrize("text", ["-1e-9", "inf", "nan"])
def test_what_is_negative(text):
    with pytest.raises(Exception, match=f"{text} is not a number of at least 0"):
        scripts.not_negative(text)
