"""Fuzzes the targets with atheris, one after the other: `python -m tests.fuzz [--seconds 40] [target …]`, `make fuzz`.

Each runs in a process of its own, from its seeds and what was found before. An input that raises is kept under
`found/<target>/`, for the tests, and the exit code is 1. Offline, and on one core.
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.fuzz.inputs import FOLDER, INPUT_BYTES_MAX, kept
from tests.fuzz.targets import TARGETS

ONE_INPUT_TIMEOUT_S = 20
MEMORY_MAX_MIB = 2048
_EXECUTIONS = re.compile(r"stat::number_of_executed_units:\s*(\d+)")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Fuzz the targets with atheris.")
    parser.add_argument("--seconds", type=int, default=40, help="for each target")
    parser.add_argument("targets", nargs="*", metavar="target", help=", ".join(TARGETS))
    options = parser.parse_args()
    if importlib.util.find_spec("atheris") is None:
        print("atheris is not installed: it has wheels for CPython 3.11 to 3.13 on Linux x86-64 only")
        return 2
    unknown = set(options.targets) - set(TARGETS)
    if unknown:
        parser.error(f"no such target: {', '.join(sorted(unknown))}")
    failed = [name for name in options.targets or TARGETS if not fuzz(name, options.seconds)]
    if failed:
        print(f"FAILED: {', '.join(failed)}. The inputs are in tests/fuzz/found/: mend it, and keep them.")
    return 1 if failed else 0


def fuzz(name: str, seconds: int) -> bool:
    found = FOLDER / "found" / name
    found.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as corpus:
        for number, data in enumerate(kept(name)):
            Path(corpus, str(number)).write_bytes(data)
        flags = {
            "max_total_time": seconds,
            "max_len": INPUT_BYTES_MAX,
            "timeout": ONE_INPUT_TIMEOUT_S,
            "rss_limit_mb": MEMORY_MAX_MIB,
            "artifact_prefix": f"{found}/",
            "print_final_stats": 1,
            "verbosity": 0,
        }
        command = [sys.executable, "-m", "tests.fuzz.one", name, corpus, *(f"-{key}={flags[key]}" for key in flags)]
        run = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    executions = _EXECUTIONS.search(run.stdout + run.stderr)
    count = executions[1] if executions else "?"
    print(
        f"{name:18} {count:>9} executions in {seconds} s: {'passed' if run.returncode == 0 else 'FAILED'}", flush=True
    )
    if run.returncode:
        print(run.stdout[-4000:], run.stderr[-4000:], sep="\n")
    if not any(found.iterdir()):
        found.rmdir()
    return run.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
