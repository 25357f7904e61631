"""Start the servers under measurement: Plexus, and Synapse as a peer in an environment of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

START_S_MAX = 60
CHEAP_PASSWORDS = {"PLEXUS_PASSWORDS__ARGON2_MEMORY_KIB": "8", "PLEXUS_PASSWORDS__ARGON2_ITERATIONS": "1"}
"""For loads with thousands of users, which are not about their registration."""


@contextmanager
def plexus(port: int, *, cheap_passwords: bool = False) -> Iterator[int]:
    """`plexus up`, all in one, on SQLite with fsync; yields its process ID."""
    environment = CHEAP_PASSWORDS if cheap_passwords else {}
    directory = Path(tempfile.mkdtemp(prefix="plexus-bench-"))
    command = [sys.executable, "-m", "homeserver", "up", "--data-dir", str(directory), "--listen", f"127.0.0.1:{port}"]
    command += ["--open-registration", "--no-rate-limits", "--log-level", "warning"]
    with _running(command, directory, port, environment) as pid:
        yield pid


@contextmanager
def synapse(port: int, python: str) -> Iterator[int]:
    """Synapse on SQLite, one process, registration open, rate limits off; yields its process ID."""
    directory = Path(tempfile.mkdtemp(prefix="synapse-bench-"))
    config = directory / "homeserver.yaml"
    generate = [python, "-m", "synapse.app.homeserver", "--server-name", "localhost", "--config-path", str(config)]
    subprocess.run(
        [*generate, "--generate-config", "--report-stats=no", "--data-directory", str(directory)],
        cwd=directory,
        check=True,
        capture_output=True,
    )
    log = directory / "bench.log.config"
    log.write_text("version: 1\nroot: {level: WARNING}\ndisable_existing_loggers: false\n")
    overrides = directory / "bench.yaml"
    overrides.write_text(json.dumps(_synapse_overrides(port, log)))
    run = [python, "-m", "synapse.app.homeserver", "--config-path", str(config), "--config-path", str(overrides)]
    with _running(run, directory, port) as pid:
        yield pid


def _synapse_overrides(port: int, log: Path) -> dict[str, object]:
    fast = {"per_second": 1e6, "burst_count": 1_000_000}
    listener = {"port": port, "type": "http", "bind_addresses": ["127.0.0.1"], "resources": [{"names": ["client"]}]}
    return {
        "listeners": [listener],
        "log_config": str(log),
        "enable_registration": True,
        "enable_registration_without_verification": True,
        "rc_message": fast,
        "rc_registration": fast,
        "rc_login": {"address": fast, "account": fast, "failed_attempts": fast},
        "rc_joins": {"local": fast, "remote": fast},
        "rc_joins_per_room": fast,
        "rc_room_creation": fast,
        "rc_invites": {"per_room": fast, "per_user": fast, "per_issuer": fast},
        "trusted_key_servers": [],
    }


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _running(
    command: list[str], directory: Path, port: int, environment: Mapping[str, str] = MappingProxyType({})
) -> Iterator[int]:
    with (directory / "output.log").open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env={**os.environ, "LANG": "C", **environment}
        )
        try:
            started = time.perf_counter()
            _wait_until_ready(process, port, directory)
            print(f"# ready after {time.perf_counter() - started:.1f} s", file=sys.stderr)
            yield process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
    shutil.rmtree(directory, ignore_errors=True)


def _wait_until_ready(process: subprocess.Popen[bytes], port: int, directory: Path) -> None:
    end = time.monotonic() + START_S_MAX
    while time.monotonic() < end:
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/_matrix/client/versions", timeout=1):
                return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"the server did not start: {(directory / 'output.log').read_text()[-2000:]}")
