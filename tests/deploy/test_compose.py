"""compose.yaml and the Dockerfile against the code: commands, settings, ports, routes. No container is started here."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from homeserver.cli import COMPONENTS, make_parser
from homeserver.routes import ROUTES, render
from service_kit.config import Settings, load_settings, split_address

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
OURS = {name: service for name, service in SERVICES.items() if service["image"] == "plexus"}
RUNTIME_STAGE = DOCKERFILE.rpartition("\nFROM ")[2]


def image_environment() -> dict[str, str]:
    """What the image itself sets."""
    text = RUNTIME_STAGE.replace("\\\n", " ")
    assignments = [part for line in re.findall(r"^ENV (.*)$", text, re.M) for part in shlex.split(line)]
    return dict(assignment.split("=", 1) for assignment in assignments)


def settings_of(name: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    environment = {**image_environment(), **OURS[name]["environment"]}
    for key, value in environment.items():
        if key.startswith("PLEXUS_"):
            monkeypatch.setenv(key, value)
    return load_settings()


@pytest.mark.parametrize("name", OURS)
def test_command_is_one_of_the_command_lines(name: str) -> None:
    options = make_parser().parse_args(OURS[name]["command"])
    assert callable(options.command)


@pytest.mark.parametrize("name", OURS)
def test_environment_holds_settings_that_the_code_knows(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of(name, monkeypatch)
    assert settings.store.engine == "cassandra"
    assert {split_address(server.removeprefix("nats://"))[0] for server in settings.nats.servers} <= set(SERVICES)
    assert {split_address(point)[0] for point in settings.cassandra.contact_points} <= set(SERVICES)
    assert settings.cassandra.replication == {"datacenter1": 3}
    assert settings.cluster.id
    assert settings.rpc.advertise_host in ("", name)


def test_every_component_is_there_twice_and_no_worker_shares_its_name() -> None:
    components = Counter(service["command"][0] for service in OURS.values())
    assert {component: components[component] for component in COMPONENTS} == dict.fromkeys(COMPONENTS, 2)
    names = [service["command"][2] for service in OURS.values() if "--name" in service["command"]]
    assert len(set(names)) == len(names) == 2 * len(COMPONENTS)


def test_owners_of_shards_say_where_they_are_reached() -> None:
    for name, service in OURS.items():
        if service["command"][0] in ("roomserver", "userserver"):
            assert service["environment"]["PLEXUS_RPC__ADVERTISE_HOST"] == name


def test_ports_of_the_image_are_those_it_listens_on(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of("api-gateway-1", monkeypatch)
    listens = (settings.listen, settings.rpc.listen, settings.telemetry.listen)
    exposed = re.search(r"^EXPOSE (.*)$", RUNTIME_STAGE, re.M)
    assert exposed is not None
    assert exposed[1].split() == [str(split_address(address)[1]) for address in listens]
    assert f"127.0.0.1:{split_address(settings.telemetry.listen)[1]}/livez" in RUNTIME_STAGE


def test_caddyfile_is_what_plexus_routes_prints() -> None:
    upstreams = {
        route.component: [f"{name}:8008" for name, service in OURS.items() if service["command"][0] == route.component]
        for route in ROUTES
    }
    expected = render("caddy", "0.0.0.0:8008", upstreams)
    assert (ROOT / "deploy" / "compose" / "Caddyfile").read_text("utf-8") == expected
    assert SERVICES["proxy"]["ports"] == ["127.0.0.1:8008:8008"]


def test_everything_waited_for_is_a_service() -> None:
    for service in SERVICES.values():
        assert set(service.get("depends_on", ())) <= set(SERVICES)


def test_nats_and_cassandra_are_there_three_times_and_know_each_other() -> None:
    for part in ("nats", "cassandra"):
        assert sum(name.startswith(f"{part}-") for name in SERVICES) == 3
    for name in ("nats-2", "nats-3"):
        assert SERVICES[name]["command"][-2:] == ["--routes", "nats://nats-1:6222"]
    for name in ("cassandra-1", "cassandra-2", "cassandra-3"):
        assert SERVICES[name]["environment"]["CASSANDRA_SEEDS"] == "cassandra-1"


def test_image_runs_as_a_user_without_rights_and_begins_with_plexus() -> None:
    assert re.search(r"^USER 10001:10001$", RUNTIME_STAGE, re.M)
    assert 'ENTRYPOINT ["plexus"]' in RUNTIME_STAGE
    default = re.search(r'^CMD \["(\w+)"\]$', RUNTIME_STAGE, re.M)
    assert default is not None
    make_parser().parse_args([default[1]])


def test_image_is_made_from_files_that_are_there() -> None:
    for line in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.M):
        for source in line.split()[:-1]:
            assert (ROOT / source).exists(), source
    installed = re.search(r"-r (requirements/\S+)", DOCKERFILE)
    assert installed is not None
    locked = (ROOT / installed[1]).read_text("utf-8")
    for package in ("cassandra-driver==", "numba==", "setuptools=="):
        assert package in locked, package
