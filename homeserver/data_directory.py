"""The data directory: one `plexus up` at a time, and what runs there for other commands to find.

    signing_keys/         (service_kit.hosted_servers)
    plexus.sqlite3        (service_kit.store)
    run/lock              held by `plexus up` while it lives
    run/server.json       of `plexus up`: its pid, where the bus is
    run/COMPONENT.json    one file a running process: its pid and addresses

What is in run/ is worth nothing after a restart of the machine.
"""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

SERVER_FILE = "server.json"


class DataDirectoryInUse(Exception):
    """Another `plexus up` holds it."""


@dataclass(frozen=True)
class RunningServer:
    """What commands beside the server (`plexus user`, `plexus status`) need to know."""

    pid: int
    server_name: str
    bus_servers: list[str]
    """URLs, which may hold a secret: the file is for its owner alone"""


@dataclass(frozen=True)
class RunningProcess:
    """What a process tells others about itself."""

    name: str
    """unique on this machine: `roomserver`, `sync_api-2`"""
    component: str
    pid: int
    telemetry_url: str
    client_url: str = ""


class DataDirectory:
    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.run = self.path / "run"
        self._lock: int | None = None

    def make(self) -> None:
        """Others on this machine have no business in it: it holds signing keys and password hashes."""
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.run.mkdir(exist_ok=True, mode=0o700)

    def lock(self) -> None:
        """Hold it until this process ends, however it ends. Raises DataDirectoryInUse."""
        self.make()
        descriptor = os.open(self.run / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(descriptor)
            raise DataDirectoryInUse(
                f"{self.path} is in use by process {holder}: stop it, or give this one another --data-dir"
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._lock = descriptor
        for left_over in self.run.glob("*.json"):
            left_over.unlink(missing_ok=True)

    def unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def announce_server(self, server: RunningServer) -> None:
        _write(self.run / SERVER_FILE, asdict(server))

    def running_server(self) -> RunningServer | None:
        """None: nobody runs `plexus up` here."""
        found = _read(self.run / SERVER_FILE)
        server = RunningServer(**found) if found else None
        return server if server is not None and _is_alive(server.pid) else None

    def announce(self, process: RunningProcess) -> None:
        self.run.mkdir(parents=True, exist_ok=True, mode=0o700)
        _write(self.run / f"{process.name}.json", asdict(process))

    def withdraw(self, name: str) -> None:
        (self.run / f"{name}.json").unlink(missing_ok=True)

    def running_processes(self) -> list[RunningProcess]:
        """Those that are alive; what a killed one left behind is passed over."""
        found = [_read(path) for path in sorted(self.run.glob("*.json")) if path.name != SERVER_FILE]
        processes = [RunningProcess(**entry) for entry in found if entry]
        return [process for process in processes if _is_alive(process.pid)]


def _write(path: Path, content: dict[str, Any]) -> None:
    draft = path.with_suffix(f".{os.getpid()}")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump(content, file)
    draft.replace(path)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
