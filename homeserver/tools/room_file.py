"""A room as JSON lines, perhaps gzipped. Whoever wrote it may have meant harm.

    {"room_version", "room_id", "verify_keys": {server name: {key ID: unpadded base64}}}     first line
    {"event": {"event_id", "pdu"}}                                                           in any order
    {"resolution": {"common", "sets", "expected"}}                                           `expected` may be missing

A resolution's entries are [event type, state key, event ID]; state set i is `common + sets[i]`, and the resolved state
`common + expected`.

The file is read line by line. A line has at most `LINE_BYTES_MAX`; how many there are is bounded by memory alone.
"""

from __future__ import annotations

import gzip
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path

import orjson

from matrix_protocol.encoding import decode_base64
from matrix_protocol.json_types import JsonObject
from matrix_protocol.room_versions import SPECIFIED_ROOM_VERSIONS, RoomVersionRules
from matrix_protocol.state_resolution import StateMap

LINE_BYTES_MAX = 64 * 1024 * 1024
"""The state of a room of 400,000 members in one line; an event has at most 65,536 bytes."""
_VERIFY_KEY_BYTES = 32
_GZIP_MAGIC = b"\x1f\x8b"


class UnusableRoomFile(Exception):
    """The file is not a room. The message says what is wrong, and in which line."""


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """As it stands in the file; nothing of it was checked."""

    line: int
    event_id: str
    untrusted_pdu: object


@dataclass(frozen=True, slots=True)
class RecordedResolution:
    line: int
    common: StateMap
    sets: list[StateMap]
    """What each state set has besides `common`."""
    expected: StateMap | None
    """What the result has besides `common`."""


@dataclass(slots=True)
class RoomFile:
    rules: RoomVersionRules
    room_id: str
    verify_keys: dict[str, dict[str, bytes]]
    events: list[RecordedEvent] = field(default_factory=list)
    resolutions: list[RecordedResolution] = field(default_factory=list)


def read_room_file(name: str) -> RoomFile:
    """The file of this name; `-` is standard input. Raises UnusableRoomFile."""
    try:
        if name == "-":
            with open(sys.stdin.fileno(), "rb", closefd=False) as file:
                return _read(file)
        with Path(name).open("rb") as file:
            return _read(file)
    except (OSError, EOFError, zlib.error) as error:  # gzip.BadGzipFile is an OSError
        raise UnusableRoomFile(f"{name} cannot be read: {error}") from error
    except UnusableRoomFile as error:
        raise UnusableRoomFile(f"{name}: {error}") from None


def _read(file: BufferedReader) -> RoomFile:
    is_gzipped = file.peek(len(_GZIP_MAGIC)).startswith(_GZIP_MAGIC)
    lines = _objects(gzip.GzipFile(fileobj=file) if is_gzipped else file)
    _, header = next(lines, (1, None))
    if header is None:
        raise UnusableRoomFile("it is empty; the first line must be the room's header")
    room = _header(header)
    for number, line in lines:
        if "event" in line:
            room.events.append(_event(number, line["event"]))
        elif "resolution" in line:
            room.resolutions.append(_resolution(number, line["resolution"]))
        else:
            raise UnusableRoomFile(f"line {number} holds neither an `event` nor a `resolution`")
    return room


def _objects(file: BufferedReader | gzip.GzipFile) -> Iterator[tuple[int, JsonObject]]:
    """Line number and JSON object; empty lines are passed over."""
    number = 0
    while line := file.readline(LINE_BYTES_MAX + 1):
        number += 1
        if len(line) > LINE_BYTES_MAX:
            raise UnusableRoomFile(f"line {number} has more than {LINE_BYTES_MAX} bytes")
        if not line.strip():
            continue
        try:
            value = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise UnusableRoomFile(f"line {number} is not JSON: {error}") from None
        if not isinstance(value, dict):
            raise UnusableRoomFile(f"line {number} is not a JSON object")
        yield number, value


def _header(header: JsonObject) -> RoomFile:
    version, room_id, servers = header.get("room_version"), header.get("room_id"), header.get("verify_keys")
    rules = SPECIFIED_ROOM_VERSIONS.get(version) if isinstance(version, str) else None
    if rules is None:
        known = ", ".join(SPECIFIED_ROOM_VERSIONS)
        raise UnusableRoomFile(f"line 1: `room_version` must be one of {known}, and is {_shown(version)}")
    if not isinstance(room_id, str):
        raise UnusableRoomFile("line 1: `room_id` must be a string")
    if not isinstance(servers, dict) or not all(isinstance(keys, dict) for keys in servers.values()):
        raise UnusableRoomFile("line 1: `verify_keys` must be an object of objects: server name, key ID, public key")
    keys = {server: {key_id: _key(key_id, text) for key_id, text in keys.items()} for server, keys in servers.items()}
    return RoomFile(rules, room_id, keys)


def _key(key_id: str, text: object) -> bytes:
    try:
        key = decode_base64(text) if isinstance(text, str) else b""
    except ValueError:
        key = b""
    if len(key) != _VERIFY_KEY_BYTES:
        raise UnusableRoomFile(
            f"line 1: the verify key {_shown(key_id)} is not the base64 of {_VERIFY_KEY_BYTES} bytes"
        )
    return key


def _event(number: int, recorded: object) -> RecordedEvent:
    if not isinstance(recorded, dict) or not isinstance(recorded.get("event_id"), str) or "pdu" not in recorded:
        raise UnusableRoomFile(f"line {number}: an `event` must have `event_id`, a string, and `pdu`")
    return RecordedEvent(number, recorded["event_id"], recorded["pdu"])


def _resolution(number: int, recorded: object) -> RecordedResolution:
    if not isinstance(recorded, dict) or not isinstance(recorded.get("sets"), list) or not recorded["sets"]:
        raise UnusableRoomFile(f"line {number}: a `resolution` must have `sets`, an array with a state set at least")
    expected = recorded.get("expected")
    return RecordedResolution(
        number,
        _entries(number, "common", recorded.get("common", [])),
        [_entries(number, "sets", entries) for entries in recorded["sets"]],
        None if expected is None else _entries(number, "expected", expected),
    )


def _entries(number: int, name: str, entries: object) -> StateMap:
    if not isinstance(entries, list) or not all(map(_is_entry, entries)):
        raise UnusableRoomFile(f"line {number}: `{name}` must hold [event type, state key, event ID] entries")
    state = {(event_type, state_key): event_id for event_type, state_key, event_id in entries}
    if len(state) != len(entries):
        raise UnusableRoomFile(f"line {number}: `{name}` has two entries for one event type and state key")
    return state


def _is_entry(entry: object) -> bool:
    return isinstance(entry, list) and len(entry) == 3 and all(isinstance(part, str) for part in entry)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:40] + "…"
