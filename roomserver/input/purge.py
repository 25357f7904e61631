"""Messages whose time is over lose their content: in the tables nothing is left of them but what the room hangs on.

    1 read     the room's messages from where the last purge ended, as long as they are expired
    2 strip    each as a redaction would leave it: the event stays in the room's graph, which later events refer to
    3 fact     the stripped rows, and how far it came; some at a time, until nothing expired is left

They are shown to nobody before that already (`queries.retention`). NOTSPEC: MSC1763 has them removed altogether, with
all that refers to them; then the room's graph would end there.
Spec: https://github.com/matrix-org/matrix-spec-proposals/pull/1763
"""

from __future__ import annotations

from typing import Final, NamedTuple

import orjson

from matrix_protocol.events.format import client_format, event_from_pdu, federation_fields, pdu_from_parts
from matrix_protocol.events.redaction import redact
from matrix_protocol.retention import RETENTION, is_expired
from matrix_protocol.room_versions import ROOM_VERSIONS, RoomVersionRules
from roomserver.retention_tables import PURGED_ROOMS, PurgedRoomRow
from roomserver.state.shard import OwnedShard
from roomserver.tables import CURRENT_STATE_BY_ROOM, ROOM_HEADS, ROOMS, TIMELINE_BY_ROOM, TimelineRow
from service_kit.ledger.domain import Batch
from service_kit.rpc.pb.facts_pb2 import Fact, PurgedFact, RewrittenEvent
from service_kit.rpc.pb.room_commands_pb2 import PurgeRoom, RoomReply
from service_kit.store.interface import Range

ROWS_PER_FACT_MAX: Final = 200


class PreparedPurge(NamedTuple):
    fact: PurgedFact | None
    """None: nothing has expired since the last time."""
    more: bool = False


async def prepare(shard: OwnedShard, room_id: str, body: PurgeRoom) -> PreparedPurge:
    oldest_ms = await _oldest_ms(shard, room_id)
    room = await shard.store.get(ROOMS, (room_id,)) if oldest_ms else None
    head = await shard.store.get(ROOM_HEADS, (room_id,)) if room is not None else None
    if room is None or head is None:
        return PreparedPurge(None)
    purged = await shard.store.get(PURGED_ROOMS, (room_id,)) or PurgedRoomRow(room_id, 0, 0)
    window = Range(after=purged.position)
    rows = await shard.store.scan(TIMELINE_BY_ROOM, (room_id, purged.bucket), range=window, limit=ROWS_PER_FACT_MAX)
    fact = PurgedFact(room_id=room_id, bucket=purged.bucket, position=purged.position)
    for row in rows:
        if row.state_key is None:
            if not is_expired(None, row.origin_server_ts_ms, oldest_ms):
                return PreparedPurge(fact if fact.events else None)
            fact.events.append(_stripped(row, ROOM_VERSIONS[room.version]))
        fact.position = row.position
    if len(rows) == ROWS_PER_FACT_MAX:
        return PreparedPurge(fact, more=True)
    if purged.bucket < head.bucket:
        fact.bucket = purged.bucket + 1
        return PreparedPurge(fact, more=True)
    return PreparedPurge(fact if fact.events else None)


def execute(shard: OwnedShard, room_id: str, body: PurgeRoom, prepared: PreparedPurge, batch: Batch) -> RoomReply:
    if prepared.fact is not None:
        batch.add(Fact(purged=prepared.fact))
    return RoomReply(room_id=room_id, more_to_purge=prepared.more)


async def _oldest_ms(shard: OwnedShard, room_id: str) -> int:
    if shard.retention is None:
        return 0
    row = await shard.store.get(CURRENT_STATE_BY_ROOM, (room_id, RETENTION, ""))
    content = None if row is None else orjson.loads(row.client_json)["content"]
    return shard.retention.oldest_ms(content, shard.clock.now_ms())


def _stripped(row: TimelineRow, rules: RoomVersionRules) -> RewrittenEvent:
    pdu = redact(pdu_from_parts(row.client_json, row.federation_json, rules), rules)
    event = event_from_pdu(pdu, row.event_id, rules)
    return RewrittenEvent(
        event_id=row.event_id,
        position=row.position,
        bucket=row.bucket,
        client_json=client_format(event, {}),
        federation_json=federation_fields(event),
        history_visibility=row.history_visibility,  # type: ignore[arg-type]
        prev_membership=row.prev_membership,
    )
