"""A RoomEventFilter, compiled once for a page of events.

Spec: https://spec.matrix.org/v1.19/client-server-api/#filtering
Lazy loading of members is the asker's business (`get_state` with keys).
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import orjson

from matrix_protocol.errors import BadJson
from matrix_protocol.type_patterns import TypeMatcher
from roomserver.tables import TimelineRow


class RoomEventFilter(msgspec.Struct, frozen=True):
    types: list[str] | None = None
    not_types: list[str] = []
    senders: list[str] | None = None
    not_senders: list[str] = []
    rooms: list[str] | None = None
    not_rooms: list[str] = []
    contains_url: bool | None = None


Matches = Callable[[TimelineRow], bool]

_decoder = msgspec.json.Decoder(RoomEventFilter)


def compile_filter(filter_json: bytes, room_id: str) -> Matches | None:
    """Whether an event of this room passes; None = all do. Raises BadJson."""
    if not filter_json:
        return None
    try:
        wanted = _decoder.decode(filter_json)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadJson(f"The filter is malformed: {error}") from error
    if room_id in wanted.not_rooms or (wanted.rooms is not None and room_id not in wanted.rooms):
        return lambda row: False
    checks: list[Matches] = []
    if wanted.types is not None:
        checks.append(_of_types(wanted.types))
    if wanted.not_types:
        excluded = _of_types(wanted.not_types)
        checks.append(lambda row: not excluded(row))
    if wanted.senders is not None:
        senders = frozenset(wanted.senders)
        checks.append(lambda row: row.sender in senders)
    if wanted.not_senders:
        not_senders = frozenset(wanted.not_senders)
        checks.append(lambda row: row.sender not in not_senders)
    if wanted.contains_url is not None:
        checks.append(lambda row: _contains_url(row) is wanted.contains_url)
    return None if not checks else lambda row: all(check(row) for check in checks)


def _of_types(types: list[str]) -> Matches:
    matcher = TypeMatcher(types)
    return lambda row: matcher.matches(row.type)


def _contains_url(row: TimelineRow) -> bool:
    """ "If `true`, includes only events with a `url` key in their content." """
    if b'"url"' not in row.client_json:
        return False
    return "url" in orjson.loads(row.client_json)["content"]
