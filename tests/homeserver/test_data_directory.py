"""The data directory: one server at a time, and what others can learn about it."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from homeserver.data_directory import DataDirectory, DataDirectoryInUse, RunningProcess, RunningServer


def process(name: str, pid: int) -> RunningProcess:
    return RunningProcess(name, name.partition("-")[0], pid, "http://127.0.0.1:1")


@pytest.fixture
def ended_pid() -> int:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def test_a_second_server_is_refused_and_told_who_has_it(tmp_path: Path) -> None:
    first, second = DataDirectory(tmp_path), DataDirectory(tmp_path)
    first.lock()
    with pytest.raises(DataDirectoryInUse, match=f"in use by process {os.getpid()}"):
        second.lock()
    first.unlock()
    second.lock()
    second.unlock()


def test_it_is_for_its_owner_alone(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path / "data")
    directory.make()
    assert stat.S_IMODE(directory.path.stat().st_mode) == 0o700


def test_processes_are_found_until_they_withdraw_or_die(tmp_path: Path, ended_pid: int) -> None:
    directory = DataDirectory(tmp_path)
    directory.announce(process("roomserver", os.getpid()))
    directory.announce(process("roomserver-2", os.getpid()))
    directory.announce(process("sync_api", ended_pid))
    assert [found.name for found in directory.running_processes()] == ["roomserver-2", "roomserver"]
    directory.withdraw("roomserver")
    directory.withdraw("never there")
    assert [found.name for found in directory.running_processes()] == ["roomserver-2"]


def test_the_server_is_found_with_its_secret_kept_from_others(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path)
    directory.lock()
    assert directory.running_server() is None
    server = RunningServer(os.getpid(), "example.org", ["nats://secret@127.0.0.1:4222"])
    directory.announce_server(server)
    assert directory.running_server() == server
    assert stat.S_IMODE((directory.run / "server.json").stat().st_mode) == 0o600
    assert directory.running_processes() == []
    directory.unlock()


def test_a_dead_server_is_not_found(tmp_path: Path, ended_pid: int) -> None:
    directory = DataDirectory(tmp_path)
    directory.make()
    directory.announce_server(RunningServer(ended_pid, "example.org", []))
    assert directory.running_server() is None


def test_what_a_killed_server_left_behind_is_gone_at_the_next_start(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path)
    directory.make()
    directory.announce(process("roomserver", os.getpid()))
    (directory.run / "broken.json").write_text("{", "utf-8")
    directory.lock()
    assert directory.running_processes() == []
    directory.unlock()
