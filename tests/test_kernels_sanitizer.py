"""No undefined behaviour: every kernel that may be launched, once under UndefinedBehaviorSanitizer.

It judges the kernels' arithmetic, shifts, alignment and array indices, where the host device itself judges memory.
"""
import functools
from types import SimpleNamespace

import pytest

from minigan import host, launch
from test_mutation_kernels import TESTS, checks


@pytest.mark.slow
@pytest.mark.parametrize("file", launch.instantiations)
def test_no_undefined_behaviour(file, monkeypatch):
    """The kernels' own tests run again; one that reaches nothing new is left out as soon as all have been reached."""
    judged, all_of_them = set(), set(launch.instantiations[file])

    def run(at, expression, *args, **options):
        report = host.run(at, expression, *args, **options, sanitize="undefined")
        judged.update([expression] * (at == file))
        return report

    judge = SimpleNamespace(library=functools.partial(host.library, sanitize="undefined"), run=run)
    monkeypatch.setattr(launch, "host", judge)
    for _, check in (pair for module in TESTS[file] for pair in checks(module)):
        if judged != all_of_them:
            check()
    assert judged == all_of_them
