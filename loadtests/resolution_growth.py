"""How the cost of a state resolution grows: with the room, with the length of a fork, with the number of forks.

    python -m loadtests.resolution_growth [--quick] [--plot FILE.svg] [--json]

Rooms are made here, and mild: a creator, three administrators, members who joined, and then branches from one state,
each of k state events: profiles of members (85 of 100), topics, bans and changes of power levels by the administrators.
What is timed is what a server does: deltas of one snapshot in, changes out, and the new snapshot, by the kernels; CPU
time of the thread, the median of some repeats. Beside it: loading a room from its stored columns, its memory, and two
threads at once.

Imports nothing of Plexus but `matrix_protocol`: it measures a library, and not a server.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from statistics import median
from typing import Any, NamedTuple

from loadtests.plot import Series, plot
from matrix_protocol.event_auth import StateKey, auth_event_keys
from matrix_protocol.events.format import Event
from matrix_protocol.room_versions import SPECIFIED_ROOM_VERSIONS, RoomVersionRules
from matrix_protocol.state_resolution.compact import CompactRoom, Snapshot
from matrix_protocol.state_resolution.resolver import Resolver, warm_up

MEMBERS = (2_000, 20_000, 100_000)
FORK_EVENTS = (10, 100, 1_000, 10_000)
STATE_SETS = (2, 5, 20, 64, 200)
SETS_FORK_EVENTS = 20
REPEATS = 9
ADMINS = tuple(f"@admin{number}:a.example" for number in range(3))
CREATOR = "@creator:a.example"
FIRST_TS_MS = 1_700_000_000_000
State = dict[StateKey, str]


class GrowingRoom:
    """A room of real rules and invented event IDs; nothing is signed, for the kernels look at no signature."""

    def __init__(self, version: str, members: int) -> None:
        self.rules: RoomVersionRules = SPECIFIED_ROOM_VERSIONS[version]
        self.compact = CompactRoom(self.rules)
        self.stored: list[bytes] = []
        self.events: dict[str, Event] = {}
        self.members = [f"@user{number}:b{number % 50}.example" for number in range(members)]
        self.base: State = {}
        self.banned = set[str]()
        """Member events that are bans."""
        self._random = Random(members)
        self._begin()

    def _begin(self) -> None:
        create: dict[str, Any] = {"room_version": self.rules.identifier}
        if self.rules.event_format.creator_in_create_content:
            create["creator"] = CREATOR
        self.send(self.base, "m.room.create", "", CREATOR, create)
        self.send(self.base, "m.room.member", CREATOR, CREATOR, {"membership": "join"})
        self.send(self.base, "m.room.power_levels", "", CREATOR, self._levels(0))
        self.send(self.base, "m.room.join_rules", "", CREATOR, {"join_rule": "public"})
        for user in (*ADMINS, *self.members):
            self.send(self.base, "m.room.member", user, user, {"membership": "join"})

    def _levels(self, ban: int) -> dict[str, Any]:
        users = dict.fromkeys(ADMINS, 90)
        if not self.rules.authorization.creators_above_all:
            users[CREATOR] = 100
        return {"users": users, "ban": ban}

    def send(self, state: State, event_type: str, state_key: str, sender: str, content: dict[str, Any]) -> str:
        """A state event on top of this state, which changes."""
        number = len(self.events)
        event_id = f"${number:043d}"
        keys = auth_event_keys(event_type, state_key, sender, content, self.rules)
        auth_event_ids = tuple(state[key] for key in keys if key in state)
        room_id = "!" + f"{0:043d}" if self.rules.event_format.room_id_is_create_event_id else "!room:a.example"
        event = Event(
            event_id, room_id, event_type, state_key, sender, content, FIRST_TS_MS + number, number + 1,
            (f"${number - 1:043d}",) if number else (), auth_event_ids, None, {},
        )  # fmt: skip
        self.events[event_id] = event
        self.stored.append(self.compact.add(event).to_bytes())
        state[event_type, state_key] = event_id
        return event_id

    def branch(self, length: int) -> State:
        """What a branch of so many state events changes in the state it grew from."""
        state, changed = _Layered(self.base), {}
        random = self._random
        for step in range(length):
            kind = random.randrange(100)
            if kind < 85:
                user = random.choice(self.members)
                if state["m.room.member", user] in self.banned:
                    continue
                key, sender, content = ("m.room.member", user), user, {"membership": "join", "displayname": str(step)}
            elif kind < 90:
                key, sender, content = ("m.room.topic", ""), random.choice(ADMINS), {"topic": str(step)}
            elif kind < 95:
                user = random.choice(self.members)
                key, sender, content = ("m.room.member", user), random.choice(ADMINS), {"membership": "ban"}
            else:
                key, sender, content = ("m.room.power_levels", ""), random.choice(ADMINS), self._levels(step % 50)
            event_id = self.send(state, *key, sender, content)  # type: ignore[arg-type]
            if content.get("membership") == "ban":
                self.banned.add(event_id)
            changed[key] = event_id
        return changed


class _Layered(dict[StateKey, str]):
    """A state over another one, which stays as it is."""

    def __init__(self, below: State) -> None:
        self._below = below

    def __missing__(self, key: StateKey) -> str:
        return self._below[key]

    def __contains__(self, key: object) -> bool:
        return dict.__contains__(self, key) or key in self._below


class Cost(NamedTuple):
    version: str
    members: int
    state_events: int
    fork_events: int
    state_sets: int
    keys_in_conflict: int
    cpu_us: float


def cost(room: GrowingRoom, snapshot: Snapshot, sets: list[State], fork_events: int, repeats: int) -> Cost:
    compact, resolver = room.compact, Resolver()
    deltas = [compact.delta_of(changed.values()) for changed in sets]

    def whole() -> None:
        compact.applied(snapshot, resolver.resolve(compact, snapshot, deltas, room.events))

    whole()
    keys = len({key for changed in sets for key in changed if len({other.get(key) for other in sets}) > 1})
    us = median(_cpu_us(whole) for _ in range(repeats))
    version = room.rules.identifier
    return Cost(version, len(room.members), len(compact), fork_events, len(sets), keys, round(us, 1))


def _cpu_us(act: Callable[[], object]) -> float:
    began = time.thread_time_ns()
    act()
    return (time.thread_time_ns() - began) / 1000


def by_fork(version: str, members: int, lengths: tuple[int, ...], repeats: int) -> Iterator[Cost]:
    for length in lengths:
        room = GrowingRoom(version, members)
        snapshot = room.compact.snapshot_of(room.base.values())
        yield cost(room, snapshot, [room.branch(length) for _ in range(2)], length, repeats if length < 5000 else 3)


def by_sets(version: str, members: int, counts: tuple[int, ...], repeats: int) -> Iterator[Cost]:
    for count in counts:
        room = GrowingRoom(version, members)
        snapshot = room.compact.snapshot_of(room.base.values())
        sets = [room.branch(SETS_FORK_EVENTS) for _ in range(count)]
        yield cost(room, snapshot, sets, SETS_FORK_EVENTS, repeats)


def loading(version: str, members: int) -> dict[str, float]:
    room = GrowingRoom(version, members)
    began = time.process_time()
    loaded = CompactRoom.load(room.rules, room.stored)
    seconds = time.process_time() - began
    return {
        "state_events": len(loaded),
        "load_s": round(seconds, 3),
        "load_s_for_100_000": round(seconds * 100_000 / len(loaded), 3),
        "bytes_an_event": round(loaded.nbytes() / len(loaded)),
        "stored_bytes_an_event": round(sum(map(len, room.stored)) / len(room.stored)),
    }


def threads(version: str, members: int, repeats: int = 400) -> dict[str, float]:
    """How many times as much two threads do as one, by the clock: each with its own resolver, on one room."""
    room = GrowingRoom(version, members)
    snapshot = room.compact.snapshot_of(room.base.values())
    deltas = [room.compact.delta_of(room.branch(300).values()) for _ in range(2)]

    def work(resolver: Resolver) -> None:
        for _ in range(repeats):
            resolver.resolve(room.compact, snapshot, deltas, room.events)

    best = dict[int, float]()
    with ThreadPoolExecutor(2) as pool:
        for count in (1, 2) * 3:
            resolvers = [Resolver() for _ in range(count)]
            began = time.perf_counter()
            list(pool.map(work, resolvers))
            best[count] = min(best.get(count, 1e9), time.perf_counter() - began)
    return {"resolutions_a_second": round(repeats / best[1]), "two_threads": round(2 * best[1] / best[2], 2)}


def table(costs: list[Cost]) -> str:
    lines = [
        "| room version | members | state events | branches | events a branch | keys in conflict | CPU µs |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {c.version} | {c.members:,} | {c.state_events:,} | {c.state_sets} | {c.fork_events:,} "
        f"| {c.keys_in_conflict:,} | {c.cpu_us:,.0f} |"
        for c in costs
    ]
    return "\n".join(lines)


def draw(costs: list[Cost]) -> str:
    """Cost by the length of a fork; a line a room size, version 11."""
    series = [
        Series(f"{members:,} members", [(c.fork_events, c.cpu_us) for c in costs if _is_fork(c, members)])
        for members in sorted({c.members for c in costs})
    ]
    return plot(
        [one for one in series if len(one.points) > 1],
        title="One resolution of two branches, room version 11",
        x="state events a branch",
        y="CPU µs",
    )


def _is_fork(row: Cost, members: int) -> bool:
    return row.version == "11" and row.members == members and row.state_sets == 2 and row.fork_events in FORK_EVENTS


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small rooms alone")
    parser.add_argument("--plot", type=Path, help="write the plot there")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    warm_up()
    members, lengths = (MEMBERS[:1], FORK_EVENTS[:2]) if options.quick else (MEMBERS, FORK_EVENTS)
    costs: list[Cost] = []
    for version in ("11", "12"):
        for size in members:
            costs += by_fork(version, size, lengths, REPEATS)
        costs += by_sets(
            version, members[min(1, len(members) - 1)], STATE_SETS[: 2 if options.quick else None], REPEATS
        )
    others = {"loading": loading("11", members[-1]), "threads": threads("11", members[0])}
    if options.plot:
        options.plot.write_text(draw(costs), "utf-8")
    if options.json:
        print(json.dumps({"costs": [row._asdict() for row in costs], **others}))
    else:
        print(table(costs))
        print(json.dumps(others))
        print(f"load average {os.getloadavg()[0]:.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
