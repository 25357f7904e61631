"""The routing table: it sends every declared endpoint to the component that declares it."""

from __future__ import annotations

import json
import shutil
import subprocess
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

import api_gateway.endpoints
import sync_api.endpoints
from homeserver.processes import find_program
from homeserver.routes import FORMATS, ROUTES, example_upstreams, render
from service_kit.http.endpoint import collect

UPSTREAMS = {"api_gateway": ["127.0.0.1:1", "127.0.0.1:2"], "sync_api": ["127.0.0.1:3"]}


def component_for(path: str) -> str:
    return next(route.component for route in ROUTES if any(fnmatchcase(path, pattern) for pattern in route.paths))


@pytest.mark.parametrize("package", [api_gateway.endpoints, sync_api.endpoints], ids=lambda package: package.__name__)
def test_every_endpoint_is_routed_to_its_component(package: object) -> None:
    declared = collect(package)  # type: ignore[arg-type]
    assert declared
    component = package.__name__.partition(".")[0]  # type: ignore[attr-defined]
    astray = [path for endpoint in declared for path in endpoint.paths if component_for(path) != component]
    assert astray == []


def test_the_last_route_fits_everything() -> None:
    assert ROUTES[-1].paths == ("/*",)
    assert component_for("/anything/at?all") == "api_gateway"


def test_syncs_of_one_token_go_to_one_worker() -> None:
    assert [route.hash_header for route in ROUTES if route.component == "sync_api"] == ["Authorization"]


@pytest.mark.parametrize("layout", sorted(FORMATS))
def test_every_format_names_every_component(layout: str) -> None:
    text = render(layout, "127.0.0.1:8008", example_upstreams()).replace("-", "_")
    assert all(route.component in text for route in ROUTES)


def test_json_is_the_table_with_addresses() -> None:
    parsed = json.loads(render("json", "127.0.0.1:8008", UPSTREAMS))
    assert [(row["component"], row["upstreams"]) for row in parsed["routes"]] == [
        ("sync_api", ["127.0.0.1:3"]),
        ("api_gateway", ["127.0.0.1:1", "127.0.0.1:2"]),
    ]


@pytest.mark.slow
@pytest.mark.skipif(find_program("caddy") is None, reason="caddy is not installed")
@pytest.mark.parametrize("listen", ["127.0.0.1:18008", "0.0.0.0:18008", "[::1]:18008"])
def test_caddy_accepts_its_configuration(tmp_path: Path, listen: str) -> None:
    path = tmp_path / "Caddyfile"
    path.write_text(render("caddy", listen, UPSTREAMS), "utf-8")
    caddy = find_program("caddy")
    assert caddy is not None
    command = [caddy, "validate", "--adapter", "caddyfile", "--config", str(path)]
    done = subprocess.run(command, env={"HOME": str(tmp_path)}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed")
def test_nginx_accepts_its_configuration(tmp_path: Path) -> None:
    path = tmp_path / "nginx.conf"
    path.write_text("events {}\nhttp {\n" + render("nginx", "127.0.0.1:18008", UPSTREAMS) + "}\n", "utf-8")
    done = subprocess.run(["nginx", "-t", "-c", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
