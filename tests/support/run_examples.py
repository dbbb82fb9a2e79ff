"""Runs an example as a person does: in a process and a folder of its own."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"


def completed(script, *arguments, folder, expect=0):
    """Run an example in a folder to its end -> what subprocess.run returns.

    expect: its exit status.
    """
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / script), *map(str, arguments)],
        cwd=folder,
        text=True,
        capture_output=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == expect, done.stdout + done.stderr
    return done


def said_by(script, *arguments, folder, expect=0):
    """Run an example as `completed` does -> its output, standard error last."""
    done = completed(script, *arguments, folder=folder, expect=expect)
    return done.stdout + done.stderr
