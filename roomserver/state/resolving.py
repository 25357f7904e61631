"""Forks of a room resolved: what its state is after several forward extremities.

    resolved = await resolve(shard, room, [StateSet(room.state.version), StateSet(41, [event_id])])

1 the room's columns are read, unless a resolution did that before (`state.resolvable`)
2 versions that are too far back for memory are read from `state_deltas_by_room`
3 the state sets become deltas of the current state, in numbers (`state.forks`)
4 a thread resolves them (`state.resolver_threads`); whoever is cancelled, cancels it

Nothing of this is on the way of a command into a room that has no fork, and only here numpy is imported, in a thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from matrix_protocol.errors import Unavailable
from matrix_protocol.event_auth import StateKey, auth_event_keys
from matrix_protocol.events.format import Event, event_from_parts
from matrix_protocol.room_versions import StateResolutionAlgorithm
from roomserver.state.room import RoomInMemory
from roomserver.state.shard import OwnedShard
from roomserver.tables import STATE_DELTAS_BY_ROOM
from service_kit.store.interface import SCAN_ROWS_MAX

if TYPE_CHECKING:
    from roomserver.state.forks import Fork, FormerState, StateSet

STATE_SETS_MAX: Final = 20
""" "Its `prev_events` array contains at most 20 events": a new event has no more states before it."""

BUCKETS_BACK_MAX: Final = 1000
"""How far back a version may lie: a million events. Each bucket is a read."""

PLAIN_CONFLICTS_MAX: Final = 10_000
"""Conflicting events in a room of version 1: each is read and parsed."""

EVENT_READ_MAX_S: Final = 30.0


class Resolved(NamedTuple):
    version: int
    """The version of the current state that was compared with: the one when it began."""
    changes: dict[StateKey, str | None]
    """What the resolution differs in from it: event IDs, None where there is no event any more."""


async def resolve(shard: OwnedShard, room: RoomInMemory, state_sets: Sequence[StateSet]) -> Resolved:
    """The resolution of the state sets.

    Raises KeyError if one names a state event that the room doesn't have, LookupError for a version that is none or
    lies too far back, Unavailable.
    """
    if len(state_sets) > STATE_SETS_MAX:
        raise ValueError(f"at most {STATE_SETS_MAX} states can be resolved at once")
    await shard.resolver_threads.run(_import_all)
    from roomserver.state.forks import Fork
    from roomserver.state.resolvable import load_resolvable

    former_states = {
        state_set.version: await _read_former_state(shard, room, state_set.version)
        for state_set in state_sets
        if room.state.numbers_before(state_set.version) is None
    }
    fork = Fork(await load_resolvable(shard, room), room.state, state_sets, former_states)
    events = await _events_for(shard, room, fork)
    changes = await shard.resolver_threads.run(partial(fork.resolve, events), fork.cancellation.cancel)
    return Resolved(fork.version, changes)


def _import_all() -> None:
    for module in ("roomserver.state.forks", "roomserver.state.resolvable"):
        import_module(module)


async def _read_former_state(shard: OwnedShard, room: RoomInMemory, version: int) -> FormerState:
    from roomserver.state.forks import FormerState

    through_version = room.state.version
    if not 0 <= version <= through_version:
        raise LookupError(f"the room's state has no version {version}")
    last_bucket = room.timeline_buckets - 1
    await shard.wait_applied(room.last_position)
    event_ids: dict[StateKey, str] = {}
    for bucket in range(last_bucket, max(last_bucket - BUCKETS_BACK_MAX, -1), -1):
        rows = await shard.store.scan(STATE_DELTAS_BY_ROOM, (room.room_id, bucket), limit=SCAN_ROWS_MAX, reverse=True)
        for row in rows:
            if row.state_version <= version:
                return FormerState(through_version, event_ids)
            if row.state_version <= through_version:
                event_ids[row.type, row.state_key] = row.replaces_event_id
        await shard.clock.sleep(0)
    if version or last_bucket >= BUCKETS_BACK_MAX:
        raise LookupError(f"the room's state of version {version} lies too far back")
    return FormerState(through_version, event_ids)


async def _events_for(shard: OwnedShard, room: RoomInMemory, fork: Fork) -> dict[str, Event]:
    """What the resolution reads of events: all beforehand in version 1, else single ones when it asks."""
    read = partial(_read_event, shard, room)
    if room.rules.state_resolution is not StateResolutionAlgorithm.V1:
        return _EventsWhenAsked(read)
    event_ids = fork.conflicting_event_ids()
    if len(event_ids) > PLAIN_CONFLICTS_MAX:
        raise Unavailable("The states of this room differ in too much")
    events = {event_id: await read(event_id) for event_id in event_ids}
    keys: dict[StateKey, None] = {}
    for event in events.values():
        keys.update(
            dict.fromkeys(auth_event_keys(event.type, event.state_key, event.sender, event.content, room.rules))
        )
    for event_id in fork.event_ids_of(list(keys)):
        if event_id not in events:
            events[event_id] = await read(event_id)
    return events


async def _read_event(shard: OwnedShard, room: RoomInMemory, event_id: str) -> Event:
    row = await shard.read_event(room.room_id, event_id)
    if row is None:
        raise Unavailable("A state event of this room is missing from the store")
    return event_from_parts(row.client_json, row.federation_json, room.rules)


class _EventsWhenAsked(dict[str, Event]):
    """Asked in the resolver's thread, read in the event loop. Third-party invites alone are asked for."""

    def __init__(self, read: Callable[[str], Coroutine[Any, Any, Event]]) -> None:
        self._read = read
        self._loop = asyncio.get_running_loop()

    def __missing__(self, event_id: str) -> Event:
        reading = asyncio.run_coroutine_threadsafe(self._read(event_id), self._loop)
        event = self[event_id] = reading.result(EVENT_READ_MAX_S)
        return event
