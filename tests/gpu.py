"""All that needs a GPU, in one command of at most ten minutes: tests, sanitizers, benchmarks, and
a short table last.

    python tests/gpu.py --out results

Each part runs in processes of its own with a time limit and a log in --out; one that fails does
not keep the others from running. The exit status is 1 if any did. Nothing is skipped silently: a
part whose tool is missing has failed. Tests and sanitizers share the GPU, several at a time;
benchmarks have it to themselves.
"""

import argparse
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SANITIZERS = ("memcheck", "racecheck", "synccheck", "initcheck")
SHARES = 6  # of the tests, that run at once


def parts(out):
    """(name, seconds that it may take, commands that run at once)."""
    python, every_rung = sys.executable, [sys.executable, "tests/every_rung.py"]
    benchmarks = (
        [python, "tests/benchmarks/bench_kernels.py"],
        [python, "tests/benchmarks/bench_step.py"],
    )
    yield "device", 40, [[python, "-c", "import minigan; print(minigan.devices.describe())"]]
    yield "kernels, each rung", 60, [every_rung]
    yield "kernel benchmarks", 150, [[*benchmarks[0], "--write", str(out / "kernels.md")]]
    yield (
        "training steps",
        60,
        [[*benchmarks[1], "--batch-size", "128", "--write", str(out / "steps.md")]],
    )
    sanitizer = [find_sanitizer(), "--error-exitcode", "9", "--tool"]
    yield "sanitizers", 90, [[*sanitizer, tool, *every_rung, "--no-pool"] for tool in SANITIZERS]
    yield (
        "tests",
        170,
        [
            [python, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", *files]
            for files in shares()
        ],
    )


def shares():
    """The test files in SHARES lists, dealt out by size."""
    files = sorted(Path(__file__).parent.rglob("test_*.py"), key=lambda file: -file.stat().st_size)
    return [[str(file) for file in files[i::SHARES]] for i in range(SHARES)]


def find_sanitizer():
    """compute-sanitizer's path, from PATH or CUDA's folder; its bare name where there is none,
    which then fails.
    """
    name, cuda = "compute-sanitizer", os.environ.get("CUDA_HOME", "/usr/local/cuda")
    return shutil.which(name) or shutil.which(name, path=f"{cuda}/bin") or name


def run_part(commands, limit, log, environment):
    """(None or what went wrong, seconds); what the commands print goes to the file `log`, one
    after the other.
    """
    start, problems = time.monotonic(), []
    with contextlib.ExitStack() as files:
        running = [
            begin(command, files.enter_context(tempfile.TemporaryFile()), environment)
            for command in commands
        ]
        for command, (process, said) in zip(commands, running):
            try:
                if process is None:
                    problems.append(f"there is no {command[0]}")
                elif status := process.wait(max(0.0, start + limit - time.monotonic())):
                    problems.append(f"exit status {status}")
            except subprocess.TimeoutExpired:
                problems.append(f"not done after {limit:.3g} s")
                os.killpg(process.pid, signal.SIGKILL)  # with all that it has started
                process.wait()
            said.seek(0)
            with open(log, "ab") as file:
                shutil.copyfileobj(said, file)
    return ", ".join(dict.fromkeys(problems)) or None, time.monotonic() - start


def begin(command, said, environment):
    """(the process, or None where there is no such program; the file `said` that it prints to)."""
    said.write(f"\n$ {' '.join(command)}\n".encode())
    said.flush()
    try:
        return subprocess.Popen(
            command,
            stdout=said,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
            env=environment,
            start_new_session=True,
        ), said
    except FileNotFoundError:
        return None, said


def first_complaint(text):
    """The first line of a log that says what failed, shortened."""
    complaint = re.compile(r"(FAILED|ERROR|E  |\w*Error\b|=+ (ERROR|Invalid))")
    lines = [line.strip() for line in text.splitlines() if complaint.match(line.strip())]
    return lines[0][:100] if lines else ""


def report(rows):
    """The short table."""
    width = max(len(name) for name, *_ in rows)
    return "\n".join(
        f"{name:{width}}  {'ok' if problem is None else 'FAILED':6}  {seconds:6.1f} s  "
        f"{'' if problem is None else problem}{': ' + words if problem and words else ''}".rstrip()
        for name, problem, seconds, words in rows
    )


def parse(argv):
    """The arguments of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="a folder for the logs and the tables"
    )
    parser.add_argument(
        "--only", default="", metavar="TEXT", help="only the parts whose name holds this"
    )
    parser.add_argument(
        "--limit", type=float, default=570, metavar="SECONDS", help="for all parts together"
    )
    return parser.parse_args(argv)


def gpu_environment():
    """The environment of all commands."""
    ours = {
        "MINIGAN_DEVICE": "cuda",
        "CI": "true",
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": str(ROOT),
    }
    return {**os.environ, **ours}


def main(argv=None, work=parts, environment=None):
    """Run all parts -> whether any has failed."""
    args = parse(argv)
    out = args.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    if environment is None:
        environment = gpu_environment()
    start = time.monotonic()
    rows = []
    log = out / "log.txt"
    log.touch()
    for name, limit, commands in work(out):
        if args.only not in name:
            continue
        before = log.stat().st_size
        left = args.limit - (time.monotonic() - start)
        problem, seconds = "no time left", 0.0
        if left > 5:
            problem, seconds = run_part(commands, min(limit, left), log, environment)
        said = log.read_bytes()[before:].decode(errors="replace")
        rows.append((name, problem, seconds, first_complaint(said) if problem else ""))
        print(report(rows[-1:]), flush=True)
    print("\n" + report(rows))
    (out / "summary.txt").write_text(report(rows) + "\n")
    return any(problem for _, problem, *_ in rows)


if __name__ == "__main__":
    sys.exit(main())
