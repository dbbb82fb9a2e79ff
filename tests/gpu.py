"""All that needs a GPU, in one command of at most ten minutes: tests, sanitizers, benchmarks, and a short table last.

    python tests/gpu.py --out results

Each part runs in a process of its own with a time limit and a log in --out; one that fails does not keep the others
from running. The exit status is 1 if any did. Nothing is skipped silently: a part whose tool is missing has failed.
"""
import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# every kernel on every rung against the loops of reference.py
EVERY_RUNG = ("from minigan import ladder, reference; from minigan.launch.__main__ import main; "
              "[main([kernel, '--rung', rung]) for kernel, rungs in ladder.RUNGS.items() if hasattr(reference, kernel) "
              "for rung in rungs]")
SANITIZERS = ("memcheck", "racecheck", "synccheck", "initcheck")


def parts(out):
    """(name, seconds that it may take, command)."""
    python, pytest = [sys.executable], [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider"]
    yield "device", 60, [*python, "-c", "import minigan; print(minigan.devices.describe())"]
    yield "kernels, each rung", 90, [*python, "-c", EVERY_RUNG]
    yield "kernel benchmarks", 150, [*python, "tests/benchmarks/bench_kernels.py", "--write", str(out / "kernels.md")]
    yield "training steps", 60, [*python, "tests/benchmarks/bench_step.py", "--batch-size", "128", "--write",
                                 str(out / "steps.md")]
    sanitizer = find_sanitizer()
    for tool in SANITIZERS:
        yield f"compute-sanitizer {tool}", 45, [sanitizer, "--tool", tool, "--error-exitcode", "9",
                                                *python, "-c", EVERY_RUNG]
    yield "all tests", 240, [*pytest, "tests"]


def find_sanitizer():
    """compute-sanitizer's path, from PATH or CUDA's folder; its bare name where there is none, which then fails."""
    name, cuda = "compute-sanitizer", os.environ.get("CUDA_HOME", "/usr/local/cuda")
    return shutil.which(name) or shutil.which(name, path=f"{cuda}/bin") or name


def run_part(command, limit, log, environment):
    """(None or what went wrong, seconds); what the command prints goes to the file `log`."""
    start = time.monotonic()
    with open(log, "ab") as file:
        file.write(f"\n$ {' '.join(command)}\n".encode())
        file.flush()
        try:
            done = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, cwd=ROOT, env=environment,
                                  timeout=limit)
            problem = f"exit status {done.returncode}" if done.returncode else None
        except subprocess.TimeoutExpired:
            problem = f"not done after {limit} s"
        except FileNotFoundError:
            problem = f"there is no {command[0]}"
    return problem, time.monotonic() - start


def first_complaint(text):
    """The first line of a log that says what failed, shortened."""
    complaint = re.compile(r"(FAILED|ERROR|E  |\w*Error\b|=+ (ERROR|Invalid))")
    lines = [line.strip() for line in text.splitlines() if complaint.match(line.strip())]
    return lines[0][:100] if lines else ""


def report(rows):
    """The short table."""
    width = max(len(name) for name, *_ in rows)
    return "\n".join(f"{name:{width}}  {'ok' if problem is None else 'FAILED':6}  {seconds:6.1f} s  "
                     f"{'' if problem is None else problem}{': ' + words if problem and words else ''}".rstrip()
                     for name, problem, seconds, words in rows)


def main(argv=None, work=parts, environment=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="a folder for the logs and the tables")
    parser.add_argument("--only", default="", metavar="TEXT", help="only the parts whose name holds this")
    parser.add_argument("--limit", type=float, default=570, metavar="SECONDS", help="for all parts together")
    args = parser.parse_args(argv)
    out = args.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "MINIGAN_DEVICE": "cuda", "CI": "true", "PYTHONUNBUFFERED": "1",
                   "PYTHONPATH": str(ROOT)} if environment is None else environment
    start, rows, log = time.monotonic(), [], out / "log.txt"
    log.touch()
    for name, limit, command in work(out):
        if args.only not in name:
            continue
        before = log.stat().st_size
        left = args.limit - (time.monotonic() - start)
        problem, seconds = run_part(command, min(limit, left), log, environment) if left > 5 else ("no time left", 0.0)
        said = log.read_bytes()[before:].decode(errors="replace")
        rows.append((name, problem, seconds, first_complaint(said) if problem else ""))
        print(report(rows[-1:]), flush=True)
    print("\n" + report(rows))
    (out / "summary.txt").write_text(report(rows) + "\n")
    return any(problem for _, problem, *_ in rows)


if __name__ == "__main__":
    sys.exit(main())
