"""The configuration: what wins over what, and what is said about mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from service_kit.config import ConfigError, Settings, load_settings, split_address


@pytest.fixture(autouse=True)
def _no_settings_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for variable in os.environ:
        if variable.startswith("PLEXUS_"):
            monkeypatch.delenv(variable)


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "plexus.yaml"
    path.write_text(text, "utf-8")
    return path


def test_defaults_are_safe() -> None:
    settings = Settings()
    assert settings.registration.mode == "closed"
    assert not settings.registration.guests
    assert settings.registration.shared_secret.get_secret_value() == ""
    assert settings.rate_limits.enabled
    assert settings.store.fsync
    assert split_address(settings.listen)[0] == "127.0.0.1"
    assert split_address(settings.telemetry.listen)[0] == "127.0.0.1"


def test_command_line_wins_over_environment_over_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, "http: {body_max_kib: 100, drain_timeout_s: 1}\nlisten: 127.0.0.1:1\n")
    monkeypatch.setenv("PLEXUS_HTTP__DRAIN_TIMEOUT_S", "2")
    monkeypatch.setenv("PLEXUS_LISTEN", "127.0.0.1:2")
    settings = load_settings(path, {"listen": "127.0.0.1:3"})
    assert (settings.http.body_max_kib, settings.http.drain_timeout_s, settings.listen) == (100, 2, "127.0.0.1:3")


def test_file_named_by_the_environment_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLEXUS_CONFIG", str(written(tmp_path, "server_name: example.org\n")))
    assert load_settings().server_name == "example.org"


def test_half_a_bucket_keeps_the_other_half_at_its_default(tmp_path: Path) -> None:
    settings = load_settings(written(tmp_path, "rate_limits: {login: {burst: 77}}\n"))
    assert settings.rate_limits.login.burst == 77
    assert settings.rate_limits.login.per_second == Settings().rate_limits.login.per_second


def test_an_empty_file_is_all_defaults(tmp_path: Path) -> None:
    assert load_settings(written(tmp_path, "")).model_dump() == Settings().model_dump()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("lissen: 127.0.0.1:1\n", "lissen: there is no such setting; take it out of"),
        ("http: {body_max: 1}\n", "http.body_max: there is no such setting"),
        ("registration: {mode: opn}\n", "registration.mode: input should be 'closed', 'token' or 'open'"),
        ("listen: 8008\n", "listen: input should be a valid string"),
        ('listen: "8008"\n', "listen: write it as HOST:PORT"),
        ("listen: 127.0.0.1:99999\n", "listen: write it as HOST:PORT"),
        ("server_name: Example.org\n", "server_name: write a host name in lower case"),
        ("server_name: ../../etc\n", "server_name: write a host name in lower case"),
        ("rate_limits: {login: {per_second: 0}}\n", "rate_limits.login.per_second: input should be greater than 0"),
        ("registration: {mode: token}\n", "registration.tokens is empty: give at least one token"),
        ("further_servers: [{server_name: localhost}]\n", "further_servers: a server name is there twice"),
        ("listen: [\n", "while parsing a flow"),
        ("- a\n- b\n", "plexus.yaml"),
    ],
)
def test_mistakes_are_named_with_their_key(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as error:
        load_settings(written(tmp_path, text))
    assert said in str(error.value)


def test_a_mistake_names_the_environment_variable_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLEXUS_HTTP__BODY_MAX_KIB", "much")
    with pytest.raises(ConfigError, match="PLEXUS_HTTP__BODY_MAX_KIB"):
        load_settings()


@pytest.mark.parametrize("variable", ["PLEXUS_LISSEN", "PLEXUS_HTTP__BODY_MAX"])
def test_an_unknown_variable_is_refused(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "1")
    with pytest.raises(ConfigError, match=variable):
        load_settings()


def test_a_missing_file_is_named_with_the_fix(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="plexus config example"):
        load_settings(tmp_path / "nowhere.yaml")


def test_secrets_are_not_in_what_is_printed() -> None:
    settings = Settings.model_validate(
        {"registration": {"mode": "token", "tokens": ["tok-1"], "shared_secret": "sss"}, "nats": {"token": "nnn"}}
    )
    printed = repr(settings) + str(settings)
    assert not any(secret in printed for secret in ("tok-1", "sss", "nnn"))


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError):
        Settings().listen = "127.0.0.1:9"


@pytest.mark.parametrize(
    ("address", "parts"),
    [("127.0.0.1:8008", ("127.0.0.1", 8008)), ("[::1]:0", ("::1", 0)), ("host.example:1", ("host.example", 1))],
)
def test_addresses_are_split(address: str, parts: tuple[str, int]) -> None:
    assert split_address(address) == parts


@pytest.mark.parametrize("address", ["", "8008", ":8008", "host", "host:", "host:-1", "host:65536", "host:١"])
def test_half_addresses_are_refused(address: str) -> None:
    with pytest.raises(ValueError, match="HOST:PORT"):
        split_address(address)
