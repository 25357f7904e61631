"""The command line: what it refuses, and what it passes on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from homeserver import cli
from service_kit.config import Settings


@pytest.fixture(autouse=True)
def _away_from_any_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("PLEXUS_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)


def settings_of(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Settings:
    """What `plexus up` with these options would run with."""
    seen: list[Settings] = []
    monkeypatch.setattr("homeserver.running.run_all_in_one", lambda settings: seen.append(settings) or 0)
    assert cli.main(["up", *arguments]) == 0
    return seen[0]


def test_options_win_over_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config = tmp_path / "plexus.yaml"
    config.write_text("listen: 127.0.0.1:1\nregistration: {mode: closed, guests: true}\n", "utf-8")
    settings = settings_of(
        monkeypatch, "--config", str(config), "--listen", "127.0.0.1:2", "--open-registration", "--no-rate-limits"
    )
    assert settings.listen == "127.0.0.1:2"
    assert settings.registration.mode == "open"
    assert settings.registration.guests
    assert not settings.rate_limits.enabled


def test_without_options_registration_is_closed_and_limits_are_on(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of(monkeypatch)
    assert settings.registration.mode == "closed"
    assert settings.rate_limits.enabled


def test_a_mistake_in_the_configuration_ends_with_status_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "plexus.yaml"
    config.write_text("lissen: x\n", "utf-8")
    with pytest.raises(SystemExit) as ended:
        cli.main(["config", "check", "--config", str(config)])
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("plexus: lissen: there is no such setting")


def test_replicas_need_processes(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["up", "--replicas", "roomserver=2"]) == 2
    assert "--processes" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text", ["roomserver", "roomserver=0", "roomserver=x", "nobody=2", "roomserver=2,,", "roomserver=65"]
)
def test_nonsense_replicas_are_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["up", "--processes", "--replicas", text])
    assert "write NAME=N" in capsys.readouterr().err


def test_replicas_are_read() -> None:
    options = cli.make_parser().parse_args(["up", "--processes", "--replicas", "roomserver=2,sync_api=3"])
    assert options.replicas == {"roomserver": 2, "sync_api": 3}


def test_the_development_configuration_is_written_once_and_is_good(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["config", "development", "--data-dir", "data"]) == 0
    path = tmp_path / "data" / "plexus.yaml"
    assert cli.main(["config", "check", "--config", str(path)]) == 0
    path.write_text("server_name: mine.example\n", "utf-8")
    assert cli.main(["config", "development", "--data-dir", "data"]) == 0
    assert path.read_text("utf-8") == "server_name: mine.example\n"
    assert "registration is open" in capsys.readouterr().out


def test_a_password_is_never_an_argument(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["user", "add", "alice", "--password", "secret"])
    assert "unrecognized arguments" in capsys.readouterr().err


def test_user_commands_say_when_no_server_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["user", "list", "--data-dir", "nowhere"]) == 1
    assert "no server runs on nowhere" in capsys.readouterr().err


def test_status_of_nothing_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["status", "--data-dir", "nowhere"]) == 1
    assert "nowhere" in capsys.readouterr().err
    assert not (tmp_path / "nowhere").exists()


def test_help_imports_nothing_that_is_slow() -> None:
    code = "import sys, homeserver.cli; homeserver.cli.make_parser(); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {"asyncio", "pydantic", "grpc", "httptools", "sqlite3"} & set(loaded) == set()
