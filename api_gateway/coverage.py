"""How much of the specification there is: its list of endpoints against what is declared.

A row is done if its method and path are declared. Where two files of the
specification describe the same path, for different bodies, it must be declared
in the file of that name, or `also_in` it.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable
from importlib.resources import files
from typing import NamedTuple

from service_kit.http.endpoint import Endpoint

CLIENT_SERVER = "client-server"
APIS = (CLIENT_SERVER, "server-server")
"""Of which there is something."""


class SpecifiedEndpoint(NamedTuple):
    """A row of data/endpoints.tsv."""

    api: str
    module: str
    """The OpenAPI file's name, without `.yaml`."""
    method: str
    path: str


class Coverage(NamedTuple):
    module: str
    done: int
    missing: int


def specified_endpoints(api: str = CLIENT_SERVER) -> list[SpecifiedEndpoint]:
    """What the specification has, in its order."""
    text = (files("api_gateway.data") / "endpoints.tsv").read_text("utf-8")
    rows = csv.DictReader(text.splitlines(), delimiter="\t")
    return [
        SpecifiedEndpoint(row["api"], row["module"], row["method"], row["path"]) for row in rows if row["api"] == api
    ]


class _Done:
    """What is declared."""

    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        declared = [(name, _key(each.method, each.path)) for each in endpoints for name in (each.module, *each.also_in)]
        self._keys = {key for _, key in declared}
        self._in_files = set(declared)
        counts = Counter(_key(row.method, row.path) for row in specified_endpoints())
        self._ambiguous = {key for key, count in counts.items() if count > 1}

    def __contains__(self, row: SpecifiedEndpoint) -> bool:
        key = _key(row.method, row.path)
        if key in self._ambiguous:
            return (row.module.replace("-", "_"), key) in self._in_files
        return key in self._keys


def _key(method: str, path: str) -> tuple[str, str]:
    return method, re.sub(r"{\w+}", "{}", path)


def missing_endpoints(endpoints: Iterable[Endpoint]) -> list[SpecifiedEndpoint]:
    """What the specification has and nobody declares."""
    done = _Done(endpoints)
    return [row for row in specified_endpoints() if row not in done]


def unspecified_endpoints(endpoints: Iterable[Endpoint]) -> list[Endpoint]:
    """What is declared and not in the specification."""
    specified = {_key(row.method, row.path) for api in APIS for row in specified_endpoints(api)}
    return [each for each in endpoints if _key(each.method, each.path) not in specified]


def coverage(endpoints: Iterable[Endpoint]) -> list[Coverage]:
    """By file of the specification."""
    done = _Done(endpoints)
    by_module: dict[str, list[bool]] = {}
    for row in specified_endpoints():
        by_module.setdefault(row.module, []).append(row in done)
    return [Coverage(module, sum(found), len(found) - sum(found)) for module, found in by_module.items()]


def coverage_table(endpoints: Iterable[Endpoint]) -> str:
    """The table as Markdown: files that are complete, begun, and (in one line) not begun."""
    rows = coverage(endpoints)
    done, missing = sum(row.done for row in rows), sum(row.missing for row in rows)
    lines = [
        f"{done} of the {done + missing} endpoints of the client-server API (Matrix 1.19) are there.",
        "",
        "| file of the specification | done | missing |",
        "|---|---:|---:|",
        *(f"| {row.module} | {row.done} | {row.missing or ''} |" for row in rows if row.done),
        f"| **all** | **{done}** | **{missing}** |",
        "",
        "Not begun (404 `M_UNRECOGNIZED`): " + ", ".join(row.module for row in rows if not row.done) + ".",
    ]
    return "\n".join(lines) + "\n"
