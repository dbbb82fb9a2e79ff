"""Slips as a user would make them: each must be refused in one sentence.

A slip is (a function that makes it, the kind of error, the words that its message must hold). The
message names the offending value and what was expected.
"""

import re

import pytest


def assert_refused(slip, kind, words):
    """Run a slip, and look at the message of its error."""
    with pytest.raises(kind) as refusal:
        slip()
    message = str(refusal.value)
    assert "\n" not in message
    assert len(message) < 300
    for word in re.findall(r"\([^)]*\)|\[[^\])]*[\])]|\S+", words):
        assert word in message, f"{word!r} is missing in: {message}"
