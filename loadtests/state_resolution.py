"""State resolution on recorded rooms: are the results right, and what do they cost?

    python -m loadtests.state_resolution FILE… [--reference] [--repeats N]

A file is a room as JSON lines, perhaps gzipped: a header with `room_version`; `{"event": {"event_id", "pdu"}}` lines,
auth events first; `{"resolution": {"common", "sets", "expected"}}` lines of [type, state key, event ID] entries, where
state set i is `common + sets[i]` and the result `common + expected`. Prints a line a file; fails if a result differs.

Imports nothing of Plexus but `matrix_protocol`: it measures a library, and not a server.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from matrix_protocol.event_auth import StateKey
from matrix_protocol.events.format import Event, event_from_pdu
from matrix_protocol.room_versions import SPECIFIED_ROOM_VERSIONS, RoomVersionRules
from matrix_protocol.state_resolution import resolve
from matrix_protocol.state_resolution.compact import CompactRoom
from matrix_protocol.state_resolution.resolver import Resolver, pack, warm_up

Entries = Sequence[Sequence[str]]


class Resolution(NamedTuple):
    """As recorded; how many events the room had then."""

    common: Entries
    sets: Sequence[Entries]
    expected: Entries
    events: int


class Corpus(NamedTuple):
    rules: RoomVersionRules
    events: dict[str, Event]
    resolutions: list[Resolution]


def read_corpus(path: Path) -> Corpus:
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as lines:
        rules = SPECIFIED_ROOM_VERSIONS[json.loads(next(lines))["room_version"]]
        corpus = Corpus(rules, {}, [])
        for line in map(json.loads, lines):
            if "event" in line:
                event = event_from_pdu(line["event"]["pdu"], line["event"]["event_id"], rules)
                corpus.events[event.event_id] = event
            elif "resolution" in line:
                recorded = line["resolution"]
                entries = recorded["common"], recorded["sets"], recorded["expected"]
                corpus.resolutions.append(Resolution(*entries, len(corpus.events)))
    return corpus


def state_map(entries: Iterable[Sequence[str]]) -> dict[StateKey, str]:
    return {(event_type, state_key): event_id for event_type, state_key, event_id in entries}


def compact_room(corpus: Corpus) -> CompactRoom:
    room = CompactRoom(corpus.rules)
    for event in corpus.events.values():
        if event.is_state:
            room.add(event)
    return room


def event_ids(entries: Entries) -> Iterator[str]:
    return (event_id for _, _, event_id in entries)


def run_compact(corpus: Corpus, repeats: int) -> tuple[int, list[float]]:
    """Equal results, and the best CPU time of each resolution in ms: deltas in, delta out."""
    room, resolver, equal, times_ms = compact_room(corpus), Resolver(), 0, []
    for resolution in corpus.resolutions:
        snapshot = room.snapshot_of(event_ids(resolution.common))
        deltas = [pack(room.delta_of(event_ids(entries))) for entries in resolution.sets]
        samples = []
        for _ in range(repeats):
            start = time.thread_time_ns()
            changes = resolver.resolve(room, snapshot, deltas, corpus.events)
            samples.append((time.thread_time_ns() - start) / 1e6)
        times_ms.append(median(samples))
        equal += room.state_map(room.applied(snapshot, changes)) == state_map(
            [*resolution.common, *resolution.expected]
        )
    return equal, times_ms


def run_reference(corpus: Corpus) -> tuple[int, list[float]]:
    equal, times_ms = 0, []
    for resolution in corpus.resolutions:
        sets = [state_map([*resolution.common, *entries]) for entries in resolution.sets]
        start = time.thread_time_ns()
        resolved = resolve(sets, corpus.events, corpus.rules)
        times_ms.append((time.thread_time_ns() - start) / 1e6)
        equal += resolved == state_map([*resolution.common, *resolution.expected])
    return equal, times_ms


def report(path: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    corpus = read_corpus(path)
    equal, times_ms = run_reference(corpus) if arguments.reference else run_compact(corpus, arguments.repeats)
    return {
        "corpus": path.name,
        "room_version": corpus.rules.identifier,
        "events": len(corpus.events),
        "resolutions": len(times_ms),
        "resolutions_equal": equal,
        "cpu_ms_p50": round(median(times_ms), 4),
        "cpu_ms_p99": round(sorted(times_ms)[min(len(times_ms) - 1, int(0.99 * len(times_ms)))], 4),
        "cpu_ms_max": round(max(times_ms), 4),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description="state resolution on recorded rooms")
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--reference", action="store_true", help="the plain reference instead of the kernels")
    parser.add_argument("--repeats", type=int, default=15)
    arguments = parser.parse_args()
    if not arguments.reference:
        warm_up()
    reports = [report(path, arguments) for path in arguments.files]
    for line in reports:
        print(json.dumps(line))
    print(json.dumps({"load_average": os.getloadavg()}))
    return 0 if all(line["resolutions"] == line["resolutions_equal"] for line in reports) else 1


if __name__ == "__main__":
    sys.exit(main())
