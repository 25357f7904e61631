"""Run a scenario headless, against a server started for it or one that is there.

    python -m loadtests.locustfiles.run steady_chat [--users 100] [--seconds 60] [--replicas roomserver=2,sync_api=2]
    python -m loadtests.locustfiles.run steady_chat --host https://matrix.example.org

Leaves SCENARIO.html (Locust's report, our summary at its end) and SCENARIO.json in --out. The exit status is 1 if a
threshold is exceeded. For Locust's own page, or several generators: docs/load-tests.md.
"""

from __future__ import annotations

import argparse
import html
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from loadtests.locustfiles.summary_text import text_of
from loadtests.servers import free_port

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
SCENARIOS = ("steady_chat", "registration_wave", "big_room", "sync_storm", "worker_loss", "typing_receipts")
READY_S_MAX = 60.0
STOP_S = 120
"""For the users' last check."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenario", choices=SCENARIOS)
    parser.add_argument("--users", type=int, default=100)
    parser.add_argument("--spawn-rate", type=float, default=10, help="users that come each second")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--host", default="", help="a server that runs already (default: one is started)")
    parser.add_argument("--replicas", default="roomserver=2,userserver=2,api_gateway=2,sync_api=2")
    parser.add_argument("--out", type=Path, default=Path("load-results"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.host:
        return run_locust(options, options.host, {})
    with started(options.replicas) as (host, environment):
        return run_locust(options, host, environment)


def run_locust(options: argparse.Namespace, host: str, environment: dict[str, str]) -> int:
    report, summary = (options.out / f"{options.scenario}.{kind}" for kind in ("html", "json"))
    summary.unlink(missing_ok=True)
    command = [
        sys.executable,
        "-m",
        "locust",
        "-f",
        str(HERE / f"{options.scenario}.py"),
        "--headless",
        "--only-summary",
    ]
    command += ["-u", str(options.users), "-r", str(options.spawn_rate), "-t", f"{options.seconds}s"]
    command += ["--host", host, "--html", str(report), "--stop-timeout", str(STOP_S), "--exit-code-on-error", "0"]
    given = {**os.environ, **environment, "LOADTEST_SUMMARY": str(summary.resolve()), "PYTHONPATH": str(ROOT)}
    status = subprocess.run(command, env=given, cwd=ROOT, check=False).returncode
    if summary.exists() and report.exists():
        _append(report, text_of(json.loads(summary.read_text("utf-8"))))
        print(f"report: {report}")
    return status


def _append(report: Path, text: str) -> None:
    section = f"<section style='padding:2em'><h2>Plexus</h2><pre>{html.escape(text)}</pre></section>"
    page = report.read_text("utf-8")
    before, body, after = page.rpartition("</body>")
    report.write_text(f"{before}{section}{body}{after}" if body else page + section, "utf-8")


@contextmanager
def started(replicas: str) -> Iterator[tuple[str, dict[str, str]]]:
    """`plexus up --processes` on a directory of its own: its URL, and what scenarios want to know of it."""
    with tempfile.TemporaryDirectory(prefix="plexus-load-") as directory:
        port, log, data_dir = free_port(), Path(directory) / "output.log", Path(directory) / "data"
        command = [sys.executable, "-m", "homeserver", "up", "--processes", "--replicas", replicas]
        command += ["--data-dir", str(data_dir), "--listen", f"127.0.0.1:{port}"]
        command += ["--open-registration", "--no-rate-limits", "--log-level", "warning"]
        with log.open("wb") as output:
            process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output)
        try:
            deadline_s = time.monotonic() + READY_S_MAX
            while "Plexus is ready on" not in log.read_text("utf-8"):
                if process.poll() is not None or time.monotonic() > deadline_s:
                    raise RuntimeError(log.read_text("utf-8")[-2000:])
                time.sleep(0.1)
            known = {"LOADTEST_PIDS": str(process.pid), "LOADTEST_DATA_DIR": str(data_dir)}
            yield f"http://127.0.0.1:{port}", known
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


if __name__ == "__main__":
    sys.exit(main())
