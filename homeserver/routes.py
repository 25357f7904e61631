"""Which component answers which path: one table, printed as the configuration of a reverse proxy.

No Python process proxies another's bodies: what stands in front of the
components is a real proxy, and this table is all it needs to know. The first
row that fits a path wins; the last row fits every path.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple


class Route(NamedTuple):
    """Requests whose path is one of `paths` (a `*` stands for anything) go to a worker of `component`."""

    component: str
    paths: tuple[str, ...]
    hash_header: str = ""
    """Requests with equal values of this header go to the same worker, whose caches know the user then."""


_OF_SYNC_WORKERS = ("sync", "events", "initialSync", "notifications")
"""Under `/_matrix/client/v3/`: what is made of the views that a sync worker has of its users."""

ROUTES = (
    Route(
        "sync_api",
        tuple(f"/_matrix/client/{version}/{name}" for name in _OF_SYNC_WORKERS for version in ("v3", "r0")),
        hash_header="Authorization",
    ),
    Route("api_gateway", ("/*",)),
)

Upstreams = Mapping[str, Sequence[str]]
"""Addresses (`host:port`) of the workers of each component."""


def render(layout: str, listen: str, upstreams: Upstreams) -> str:
    """The table in one of `FORMATS`, for a proxy that listens on `host:port`."""
    return FORMATS[layout](listen, upstreams)


def example_upstreams() -> Upstreams:
    """Under the names that the workers have in a cluster, for printing a configuration without one."""
    return {route.component: [f"{route.component.replace('_', '-')}:8008"] for route in ROUTES}


def _caddy(listen: str, upstreams: Upstreams) -> str:
    lines = [
        "{",
        "\tadmin off",
        "\tauto_https off",
        "\tpersist_config off",
        "\tlog {",
        "\t\tlevel ERROR",
        "\t}",
        "}",
        f"http://:{listen.rpartition(':')[2]} {{",
        f"\tbind {listen.rpartition(':')[0].strip('[]')}",
    ]
    for route in ROUTES:
        if route.paths == ("/*",):
            lines.append("\thandle {")
        else:
            lines += [f"\t@{route.component} path {' '.join(route.paths)}", f"\thandle @{route.component} {{"]
        lines += [f"\t\t{line}" for line in _caddy_proxy(route, upstreams)]
        lines.append("\t}")
    lines += [f"\t{line}" for line in _CADDY_ERRORS]
    return "\n".join([*lines, "}", ""])


def _caddy_proxy(route: Route, upstreams: Upstreams) -> list[str]:
    return [
        f"reverse_proxy {' '.join(upstreams[route.component])} {{",
        f"\tlb_policy {f'header {route.hash_header}' if route.hash_header else 'round_robin'}",
        # A worker that does not answer the dial is left alone for a moment and another one is tried: nothing was
        # sent yet, so nothing is done twice. What broke later is repeated where repeating is harmless: every PUT of
        # Matrix is (its transaction ID sees to that).
        "\tlb_try_duration 10s",
        "\tlb_try_interval 100ms",
        "\tlb_retry_match {",
        "\t\tmethod GET HEAD PUT DELETE OPTIONS",
        "\t}",
        "\trequest_buffers 64KiB",
        "\tfail_duration 2s",
        "\tflush_interval -1",
        "}",
    ]


# In the words of Matrix, and readable for clients that run in a browser.
_CADDY_ERRORS = (
    "handle_errors {",
    "\theader Content-Type application/json",
    "\theader Access-Control-Allow-Origin *",
    "\theader Retry-After 1",
    '\trespond `{"errcode":"M_UNKNOWN","error":"This part of the server does not answer; try again"}`',
    "}",
)


def _nginx(listen: str, upstreams: Upstreams) -> str:
    lines = []
    for route in ROUTES:
        lines.append(f"upstream {route.component} {{")
        if route.hash_header:
            lines.append(f"    hash $http_{route.hash_header.lower().replace('-', '_')} consistent;")
        lines += [f"    server {address};" for address in upstreams[route.component]]
        lines += ["    keepalive 64;", "}"]
    lines += ["server {", f"    listen {listen};", "    client_max_body_size 1m;"]
    for route in ROUTES:
        for path in route.paths:
            lines += [
                f"    location {'/' if path == '/*' else f'= {path}'} {{",
                f"        proxy_pass http://{route.component};",
                "        proxy_http_version 1.1;",
                '        proxy_set_header Connection "";',
                "        proxy_set_header Host $host;",
                "        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;",
                "        proxy_read_timeout 660s;",
                "        proxy_next_upstream error;",
                "    }",
            ]
    return "\n".join([*lines, "}", ""])


def _json(listen: str, upstreams: Upstreams) -> str:
    rows = [{**route._asdict(), "upstreams": list(upstreams[route.component])} for route in ROUTES]
    return json.dumps({"listen": listen, "routes": rows}, indent=2) + "\n"


def _table(listen: str, upstreams: Upstreams) -> str:
    rows = [
        f"{path:<28} {route.component:<12} {f'by {route.hash_header}' if route.hash_header else 'any worker'}"
        for route in ROUTES
        for path in route.paths
    ]
    return "\n".join([f"{'PATH':<28} {'COMPONENT':<12} WORKER", *rows, ""])


FORMATS: Mapping[str, Callable[[str, Upstreams], str]] = {
    "caddy": _caddy,
    "json": _json,
    "nginx": _nginx,
    "table": _table,
}
