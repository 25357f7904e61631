"""Corrupted rows from the store: ValueError when they are loaded, or a room in which the kernels stay within bounds."""

from __future__ import annotations

from functools import cache
from random import Random
from typing import Any

import msgspec
import pytest

from matrix_protocol.room_versions import SPECIFIED_ROOM_VERSIONS
from matrix_protocol.state_resolution import layout, resolver
from matrix_protocol.state_resolution.compact import CompactRoom
from matrix_protocol.state_resolution.resolver import Resolver
from tests.fuzz.checked_kernels import checked, uncompiled_resolve
from tests.fuzz.choices import BytesRandom
from tests.matrix_protocol.state_resolution.random_rooms import RandomRoom

VERSIONS = tuple(SPECIFIED_ROOM_VERSIONS)[1:]
EVENTS = 20
NUMBERS = (-2, -1, 0, 1, 2, 3, 5, 7, 20, 2**26 - 1, 2**26, 2**31, 2**62, 2**63 - 1, -(2**63), 2**64 - 1)
OTHERS: tuple[Any, ...] = (None, "", "m.room.power_levels", "m.room.member", "m.room.create", [], {}, 1.5, b"\xff", [0])
_UNCOMPILED = cache(uncompiled_resolve)


@cache
def stored_room(version: str) -> tuple[list[bytes], RandomRoom]:
    room = RandomRoom(Random(5), version, length=EVENTS)
    compacted = CompactRoom(room.rules)
    return [compacted.add(event).to_bytes() for event in room.events.values()], room


def fuzz_one(data: bytes) -> None:
    if len(data) < 2:
        return
    version = VERSIONS[data[0] % len(VERSIONS)]
    random = BytesRandom(data[1:])
    stored, original = stored_room(version)
    rows = list(stored)
    for _ in range(1 + random.randrange(3)):
        row = random.randrange(len(rows))
        rows[row] = random.choice([_with_other_field, _with_other_field, _with_other_byte])(random, rows[row])
    try:
        room = CompactRoom.load(original.rules, rows)
    except ValueError:
        return
    _resolve(random, room)


def _with_other_field(random: Random, row: bytes) -> bytes:
    fields: Any
    try:
        fields = msgspec.msgpack.decode(row)
    except ValueError:
        return row
    if not isinstance(fields, list) or not fields:
        return row
    at = random.randrange(len(fields))
    value = random.choice([random.randrange(8), random.randrange(3), random.choice(NUMBERS), random.choice(OTHERS)])
    nested = fields[at]
    if isinstance(nested, list) and nested and random.random() < 0.7:
        at, fields_of = random.randrange(len(nested)), nested
        if isinstance(nested[at], dict) and random.random() < 0.5:
            fields_of, at = nested[at], random.choice(["", "@u1:b.example", "x"])
        fields_of[at] = value
    else:
        fields[at] = value
    return msgspec.msgpack.encode(fields)


def _with_other_byte(random: Random, row: bytes) -> bytes:
    at = random.randrange(len(row))
    return row[:at] + bytes([random.randrange(256)]) + row[at + random.choice([0, 1, 1]) :]


def _resolve(random: Random, room: CompactRoom) -> None:
    """Any states of any of its events; the numbers of states, too, may be corrupted."""
    snapshot = room.empty_snapshot()
    deltas: list[dict[int, int]] = [{} for _ in range(2 + random.randrange(3))]
    for number in range(len(room)):
        where = random.randrange(len(deltas) + 1)
        if where < len(deltas):
            deltas[where][room.key_of_event(number)] = number
        else:
            snapshot[room.key_of_event(number)] = number
    is_sound = random.random() < 0.8
    if not is_sound:
        at = random.choice([0, 1, 2, random.randrange(len(snapshot))])
        deltas[-1][random.choice([at, at, -1, 10**6])] = random.choice([-2, -1, 0, 1, len(room) - 1, len(room), 10**6])
        snapshot[at] = random.choice([-2, -1, 0, 1, len(room), 10**6])
    used = {0: len(room), 1: room.edges.length, 3: room.string_rows.length, 4: room.levels.length, 5: room.table.length}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resolver, "_kernel", checked(_UNCOMPILED(), used))
        difference = random.choice([layout.DIFFERENCE_LOCAL, layout.DIFFERENCE_SWEEP])
        try:
            # Whether a third-party invite is signed is asked of no event here: the pairs are known to be unsigned.
            Resolver()._run(room, snapshot, deltas, resolver.Cancellation(), difference)
        except ValueError:
            assert not is_sound
