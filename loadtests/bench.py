"""CPU per operation over all the processes of a server, scenario by scenario.

python -m loadtests.bench                                  Plexus alone
python -m loadtests.bench --synapse-python ENV/bin/python  Synapse beside it, with the ratios
python -m loadtests.bench --base URL --pids 12,34          a server that runs already
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from contextlib import AbstractContextManager
from urllib.parse import urlsplit

from loadtests import servers
from loadtests.cpu import ServerProcesses
from loadtests.relation_scenarios import relations
from loadtests.scenarios import SCENARIOS as FIRST_SCENARIOS
from loadtests.scenarios import Bench, Options
from loadtests.size_scenarios import SCENARIOS as SIZE_SCENARIOS

SCENARIOS = {**FIRST_SCENARIOS, "relations": relations, **SIZE_SCENARIOS}

Rows = dict[str, dict[str, object]]


def main() -> None:
    arguments = _arguments()
    if arguments.base:
        url = urlsplit(arguments.base)
        options = _options(arguments, url.hostname or "127.0.0.1", url.port or 80, "given")
        asyncio.run(
            _run(options, [int(pid) for pid in arguments.pids.split(",") if pid], arguments.scenarios.split(","))
        )
        return
    results: dict[str, Rows] = {}
    port = servers.free_port()
    options = _options(arguments, "127.0.0.1", port, "plexus")
    chosen = arguments.scenarios.split(",")
    results["plexus"] = {}
    for of_size in (False, True):
        # Thousands of users for a few operations: their passwords are not what is measured.
        names = [name for name in chosen if (name in SIZE_SCENARIOS) is of_size]
        if names:
            results["plexus"] |= _measure(servers.plexus(port, cheap_passwords=of_size), options, names)
    if arguments.synapse_python:
        port = servers.free_port()
        server = servers.synapse(port, arguments.synapse_python)
        names = [name for name in chosen if name not in SIZE_SCENARIOS]
        results["synapse"] = _measure(server, _options(arguments, "127.0.0.1", port, "synapse"), names)
    print(table(results))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", default="", help="a server that runs already")
    parser.add_argument("--pids", default="", help="its root process IDs, comma separated")
    parser.add_argument("--synapse-python", default="", help="the python of an environment with matrix-synapse")
    parser.add_argument("--scenarios", default=",".join(SCENARIOS), help="comma separated")
    parser.add_argument("--seconds", type=float, default=8, help="length of the send scenarios")
    parser.add_argument("--listeners", type=int, default=60)
    parser.add_argument("--rooms", type=int, default=30, help="of the initial sync")
    parser.add_argument("--big-room-members", type=int, default=500)
    parser.add_argument("--search-events", type=int, default=5000, help="messages that are searched")
    parser.add_argument("--many-rooms", type=int, default=500, help="of one user")
    parser.add_argument("--huge-room-members", type=int, default=10_000)
    parser.add_argument("--room-version", default="10")
    return parser.parse_args()


def _options(arguments: argparse.Namespace, host: str, port: int, label: str) -> Options:
    return Options(
        host=host,
        port=port,
        seconds=arguments.seconds,
        listeners=arguments.listeners,
        rooms=arguments.rooms,
        big_room_members=arguments.big_room_members,
        search_events=arguments.search_events,
        many_rooms=arguments.many_rooms,
        huge_room_members=arguments.huge_room_members,
        room_version=arguments.room_version,
        label=label,
    )


def _measure(server: AbstractContextManager[int], options: Options, scenarios: Sequence[str]) -> Rows:
    with server as pid:
        return asyncio.run(_run(options, [pid], scenarios))


async def _run(options: Options, pids: list[int], scenarios: Sequence[str]) -> Rows:
    bench = Bench(options, ServerProcesses(pids))
    for name in scenarios:
        await SCENARIOS[name](bench)
    return {str(row["scenario"]): row for row in bench.rows}


def table(results: dict[str, Rows]) -> str:
    """A Markdown table: CPU ms an operation of each server, and how many times Plexus's that is."""
    peers = [name for name in results if name != "plexus"]
    heads = ["scenario", "Plexus CPU ms", "p50 ms", *(f"{peer} CPU ms (ratio)" for peer in peers)]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for scenario, row in results["plexus"].items():
        cells = [scenario, str(row["cpu_ms_per_operation"]), str(row["p50_ms"])]
        for peer in peers:
            theirs, ours = results[peer].get(scenario), float(str(row["cpu_ms_per_operation"]))
            cpu = float(str(theirs["cpu_ms_per_operation"])) if theirs else 0.0
            cells.append(f"{cpu} ({cpu / ours:.1f}×)" if theirs and ours else "–")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
