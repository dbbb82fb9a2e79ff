"""No undefined behaviour: every kernel that may be launched, once under UndefinedBehaviorSanitizer.

It judges the kernels' arithmetic, shifts, alignment and array indices, where the host device
itself judges memory.
"""

import pytest
from kernel_suite import TESTS_OF, checks

from minigan.backends.cuda import launch
from minigan.backends.host import compiler, machine


@pytest.mark.slow
@pytest.mark.parametrize("file", launch.instantiations)
def test_no_undefined_behaviour(file, monkeypatch):
    """The tests of the file's kernels run again until all have been judged.

    Those that name a tile come first.
    """
    all_of_them = set(launch.instantiations[file])
    judged = set()

    def compiled(at, expression):
        if at == file:
            judged.add(expression)
        loaded = compiler.loaded.get((at, expression, "undefined"))
        return loaded or compiler.library(at, (expression,), sanitize="undefined")

    def names_no_tile(check):
        return "every_tile" not in check[0]

    compiler.library(file, launch.instantiations[file], sanitize="undefined")
    monkeypatch.setattr(machine, "compiled", compiled)
    launch._prepared.cache_clear()
    for _, check in sorted(checks(*TESTS_OF[file], cases=300), key=names_no_tile):
        if judged != all_of_them:
            check()
    assert judged == all_of_them
