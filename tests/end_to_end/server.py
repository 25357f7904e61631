"""A real server for a test: started in a directory of its own on a free port, killed in every way."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

ROOT = Path(__file__).parent.parent.parent
READY_TIMEOUT_S = 60.0
T = TypeVar("T")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def wait_until(what: str, probe: Callable[[], T | None], timeout_s: float = 30.0) -> T:
    """Ask again and again until the answer is true; the deadline is for failures only."""
    deadline_s = time.monotonic() + timeout_s
    while True:
        answer = probe()
        if answer:
            return answer
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"waited {timeout_s:.0f} s in vain: {what}")
        time.sleep(0.05)


class PlexusServer:
    """`plexus up` as a child process. The data directory outlives it, so that it can be started again."""

    def __init__(
        self, directory: Path, *options: str, rate_limits: bool = False, environment: Mapping[str, str] | None = None
    ) -> None:
        """`environment`: settings, as `PLEXUS_…` variables."""
        self.data_dir = directory / "data"
        self.listen = f"127.0.0.1:{free_port()}"
        self.base_url = f"http://{self.listen}"
        self._options = options if rate_limits else ("--no-rate-limits", *options)
        self._environment = dict(environment or {})
        self._log_path = directory / "plexus.log"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def output(self) -> str:
        return self._log_path.read_text("utf-8", "replace") if self._log_path.exists() else ""

    def start(self) -> PlexusServer:
        before = len(self.output)
        command = [sys.executable, "-m", "homeserver", "up", "--data-dir", str(self.data_dir), "--listen", self.listen]
        command += ["--open-registration", "--log-level", "warning", *self._options]
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PLEXUS_")}
        environment |= self._environment
        with self._log_path.open("ab") as output:
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output, env=environment)
        try:
            wait_until("ready", lambda: self._is_ready(before), READY_TIMEOUT_S)
        except BaseException:
            self.kill()
            raise
        return self

    def _is_ready(self, before: int) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise RuntimeError(f"plexus up ended with {self.process.returncode}:\n{self.output[before:]}")
        return "Plexus is ready on" in self.output[before:]

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def kill(self) -> None:
        """SIGKILL to the process that was started; its children have to notice by themselves."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(40)
            except subprocess.TimeoutExpired:
                self.kill()

    def plexus(self, *arguments: str, input_text: str = "") -> subprocess.CompletedProcess[str]:
        """Another command of the operator's, beside the server."""
        return subprocess.run(
            [sys.executable, "-m", "homeserver", *arguments, "--data-dir", str(self.data_dir)],
            cwd=ROOT,
            input=input_text,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def running(self) -> list[dict[str, Any]]:
        """What the processes say of themselves in the data directory."""
        found = []
        for path in sorted((self.data_dir / "run").glob("*.json")):
            if path.name != "server.json":
                found.append(json.loads(path.read_text("utf-8")))
        return found

    def children(self, name: str) -> list[int]:
        """Process IDs of all descendants whose command line contains `name`."""
        assert self.process is not None
        return [pid for pid in _descendants(self.process.pid) if name in _command_line(pid)]

    def addresses(self, component: str) -> list[str]:
        """With --processes: where the processes of a component listen themselves, behind the proxy."""
        lines = [_command_line(pid) for pid in self.children(f"homeserver {component} ")]
        return sorted(f"http://{line.split('--listen ')[1].split()[0]}" for line in lines)


def read_url(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _descendants(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it ended just now
            for child in task.read_text().split():
                found += [int(child), *_descendants(int(child))]
    return found


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except FileNotFoundError:
        return ""
