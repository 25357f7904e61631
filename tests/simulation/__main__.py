"""python -m tests.simulation --first-seed 1 --seeds 1000: run seeds; exit status 1 if any invariant did not hold."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time

from tests.simulation.known_bugs import KNOWN_BUGS
from tests.simulation.loop import current_process
from tests.simulation.scenario import Outcome, run_seed

ENTRIES_SHOWN = 60


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--entries", type=int, default=ENTRIES_SHOWN, help="how much of a failing seed's trace to show")
    parser.add_argument("--bug", choices=sorted(KNOWN_BUGS), help="build a known bug in, for the simulation to find")
    parser.add_argument("--stop-at-first", action="store_true", help="end with the first violation")
    parser.add_argument("--fingerprints", action="store_true", help="print what identifies each run")
    parser.add_argument("--logs", action="store_true", help="show what the services log")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO if options.logs else logging.CRITICAL + 1, format="%(message)s")
    logging.setLogRecordFactory(_record_of_process)
    failed, run = 0, 0
    began_s = time.process_time()
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        outcome = KNOWN_BUGS[options.bug](seed) if options.bug else run_seed(seed)
        run += 1
        if options.fingerprints:
            print(f"seed {seed}: {outcome.fingerprint}", flush=True)
        if outcome.violations:
            failed += 1
            _report(outcome, options.entries, options.bug)
            if options.stop_at_first:
                break
    print(f"{time.process_time() - began_s:.1f} s of CPU time")
    print(f"seeds run: {run}, violations: {failed}")
    return 1 if failed else 0


def _record_of_process(*args: object, **more: object) -> logging.LogRecord:
    """A log record that begins with the virtual time and the process."""
    record = logging.LogRecord(*args, **more)  # type: ignore[arg-type]
    process = current_process()
    if process is not None:
        record.msg = f"{process.loop.time():9.4f} {process.name}: {record.msg}"
    return record


def _report(outcome: Outcome, entries: int, bug: str | None) -> None:
    print(f"\nseed {outcome.seed} violates:")
    for violation in outcome.violations[:5]:
        print(f"  {violation}")
    print(f"  {outcome.profile}")
    print("the last that happened:")
    for entry in outcome.last_entries[-entries:]:
        print(f"  {entry[:240]}")
    again = f" --bug {bug}" if bug else ""
    print(f"again: make simulate SEEDS=1 FIRST_SEED={outcome.seed}")
    print(
        f"   or: python -m tests.simulation --seeds 1 --first-seed {outcome.seed}{again} --entries 4000 --logs",
        flush=True,
    )


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":  # the order of strings in a set must be the same each time
        os.execve(
            sys.executable,
            [sys.executable, "-m", "tests.simulation", *sys.argv[1:]],
            {**os.environ, "PYTHONHASHSEED": "0"},
        )
    sys.exit(main())
