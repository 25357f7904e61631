"""Server names and their keys."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from service_kit.config import Settings
from service_kit.hosted_servers import load_hosted_servers


def settings(tmp_path: Path, **changes: object) -> Settings:
    return Settings.model_validate({"server_name": "one.example", "data_dir": tmp_path, **changes})


def test_a_key_is_made_once_and_kept(tmp_path: Path) -> None:
    first = load_hosted_servers(settings(tmp_path)).signing_key("one.example")
    again = load_hosted_servers(settings(tmp_path)).signing_key("one.example")
    assert first.key_id == again.key_id
    assert first.key_id.startswith("ed25519:a_")


def test_the_key_file_is_for_its_owner_alone_and_in_the_usual_form(tmp_path: Path) -> None:
    load_hosted_servers(settings(tmp_path))
    (path,) = (tmp_path / "signing_keys").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    algorithm, name, seed = path.read_text("ascii").split()
    assert algorithm == "ed25519"
    assert name.startswith("a_")
    assert len(seed) == 43, "32 bytes in unpadded base64"


def test_each_name_has_a_key_of_its_own(tmp_path: Path) -> None:
    servers = load_hosted_servers(settings(tmp_path, further_servers=[{"server_name": "two.example:8448"}]))
    assert servers.names == ["one.example", "two.example:8448"]
    assert servers.signing_key("one.example").key_id != servers.signing_key("two.example:8448").key_id
    assert servers.is_ours("two.example:8448")
    assert not servers.is_ours("three.example")
    with pytest.raises(KeyError):
        servers.signing_key("three.example")


@pytest.mark.parametrize(
    ("host", "server_name"),
    [
        ("two.example", "two.example"),
        ("TWO.example", "two.example"),
        ("two.example:443", "two.example"),
        ("chat.two.example", "two.example"),
        ("chat.two.example:8008", "two.example"),
        ("one.example", "one.example"),
        ("127.0.0.1:8008", "one.example"),
        ("[::1]:8008", "one.example"),
        ("[::1]", "one.example"),
        ("", "one.example"),
    ],
)
def test_the_host_header_chooses_the_server_name(tmp_path: Path, host: str, server_name: str) -> None:
    further = [{"server_name": "two.example", "hosts": ["Chat.two.example"]}]
    assert load_hosted_servers(settings(tmp_path, further_servers=further)).for_host(host) == server_name
