"""What a redaction does to the event that it names.

Spec: https://spec.matrix.org/v1.19/client-server-api/#redactions
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import orjson

from matrix_protocol.errors import Forbidden, NotFound
from matrix_protocol.events.format import Event, client_format, event_from_pdu, federation_fields, pdu_from_parts
from matrix_protocol.events.redaction import redact
from roomserver.input.event_fact import ChangedEvent, RedactedEvent
from roomserver.state.room import RoomInMemory
from roomserver.state.shard import OwnedShard
from roomserver.tables import STATE_HISTORY_BY_ROOM, TimelineRow
from service_kit.ledger.domain import Outdated
from service_kit.store.interface import Range

REDACTION: Final = "m.room.redaction"


class RedactionTarget(NamedTuple):
    """The event to redact, as it stands in the tables."""

    row: TimelineRow
    quoter: TimelineRow | None
    """the event that may quote it: the state event that took its place; or, if it is a redaction, what it redacted"""


async def read_target(shard: OwnedShard, room_id: str, event_id: str) -> RedactionTarget:
    """Raises NotFound."""
    row = await shard.read_event(room_id, event_id)
    if row is None:
        raise NotFound("There is no such event in this room")
    if row.state_key is not None:
        return RedactionTarget(row, await _read_successor(shard, row, row.state_key))
    if row.type == REDACTION:
        await shard.wait_applied(row.position)  # with it came what it did to the other event
        redacts = orjson.loads(row.client_json).get("redacts")
        return RedactionTarget(row, await shard.read_event(room_id, redacts) if isinstance(redacts, str) else None)
    return RedactionTarget(row, None)


def redacted_event(room: RoomInMemory, redaction: Event, target: RedactionTarget | None) -> RedactedEvent | None:
    """The event as the redaction leaves it; None if an earlier one did that already. Raises Forbidden, Outdated.

    "the sender of the redaction event has a power level greater than or equal to the redact level", or it is the
    sender's own event. NOTSPEC: for others' redactions the specification compares servers only; among our own users
    that would let everybody redact everybody. Versions 1 and 2 compare servers in the auth rules, which hold too.
    """
    assert target is not None, "a redaction was prepared with its target"
    row, quoter = target
    levels = room.power_levels()
    if redaction.sender != row.sender and levels.user_level(redaction.sender) < levels.redact:
        raise Forbidden("You may redact only your own events in this room")
    is_current_state = _is_current_state(room, row)
    if row.state_key is not None and quoter is None and not is_current_state:
        raise Outdated("The room's state has changed meanwhile; try again")
    former = orjson.loads(row.client_json)
    if "redacted_because" in former["unsigned"]:
        return None
    pdu = redact(pdu_from_parts(row.client_json, row.federation_json, room.rules), room.rules)
    event = event_from_pdu(pdu, row.event_id, room.rules)
    redacted = row._replace(
        client_json=client_format(event, _unsigned(redaction, former["unsigned"])),
        federation_json=federation_fields(event),
        device_id="",
        client_txn_id="",
    )
    return RedactedEvent(
        ChangedEvent(redacted, is_current_state),
        None if quoter is None else _without_quote(room, quoter, event),
    )


def _is_current_state(room: RoomInMemory, row: TimelineRow) -> bool:
    return row.state_key is not None and room.state.event_id(row.type, row.state_key) == row.event_id


def _unsigned(redaction: Event, former: dict[str, Any]) -> dict[str, Any]:
    """`redacted_because`: "the event that redacted this event". What it replaced stays known, but is quoted no more."""
    because = orjson.loads(client_format(redaction, {}))
    kept = {"replaces_state": former["replaces_state"]} if "replaces_state" in former else {}
    return {**kept, "redacted_because": because}


def _without_quote(room: RoomInMemory, quoter: TimelineRow, redacted: Event) -> ChangedEvent | None:
    """The event that quotes the redacted one, with no more of it than the redaction left; None if it does not."""
    client = orjson.loads(quoter.client_json)
    unsigned = client["unsigned"]
    if unsigned.get("replaces_state") == redacted.event_id and "prev_content" in unsigned:
        unsigned["prev_content"] = redacted.content
    elif unsigned.get("redacted_because", {}).get("event_id") == redacted.event_id:
        # "Redacting an event cannot be undone": that one stays redacted, by an event of which nothing is left.
        unsigned["redacted_because"] = orjson.loads(client_format(redacted, {}))
    else:
        return None
    return ChangedEvent(quoter._replace(client_json=orjson.dumps(client)), _is_current_state(room, quoter))


async def _read_successor(shard: OwnedShard, row: TimelineRow, state_key: str) -> TimelineRow | None:
    window = Range(prefix=(row.type, state_key), after=row.position)
    following = await shard.store.scan(STATE_HISTORY_BY_ROOM, (row.room_id,), range=window, limit=1)
    return await shard.read_event(row.room_id, following[0].event_id) if following else None
