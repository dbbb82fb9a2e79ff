"""What the READMEs show runs, and the files that they name exist."""

import os
import re
import subprocess
import sys

import pytest
from run_examples import ROOT


def snippets(*names):
    """The Python programs in some .md files."""
    text = "".join((ROOT / name).read_text() for name in names)
    return re.findall(r"```python\n(.*?)```", text, re.S)


@pytest.mark.parametrize("snippet", snippets("README.md", "examples/README.md"))
def test_the_snippets_of_the_readmes_run(snippet, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", snippet],
        cwd=tmp_path,
        text=True,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


def test_the_readme_shows_both_commands_and_files_that_exist():
    text = (ROOT / "README.md").read_text()
    assert "examples/train_dcgan.py" in text
    assert "pip install -e '.[test]' && .venv/bin/pytest" in text
    for path in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (ROOT / path).exists(), path
