"""Which step carries out which command. Each file is one step:

    create_room.py      POST createRoom
    send_event.py       PUT send, state, redact      redaction.py: what it does to its target
    membership.py       join, invite, leave, …       restricted_join.py: who vouches for whom
    receipts.py         POST receipt
    typing.py           PUT typing
    forget.py           POST forget
    publication.py      PUT directory/list/room       also: the entry follows the room
    delayed_events.py   events that are to be sent later (MSC4140)
    purge.py            messages whose time is over (m.room.retention)
    settle.py           nothing: until the tables are as the ledger is
    upgrade.py          POST upgrade                  successor.py: the new room
    aliases.py          PUT, DELETE directory/room    canonical_alias.py: what a room may say of its aliases

Those that make events share new_event.py (build, authorise, sign), event_fact.py
(what follows from it) and append_event.py (it takes its place); rows.py turns
facts into table rows.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, NamedTuple

from roomserver.input import (
    aliases,
    create_room,
    delayed_events,
    forget,
    membership,
    publication,
    purge,
    receipts,
    send_event,
    settle,
    successor,
    typing,
    upgrade,
)
from roomserver.state.shard import OwnedShard
from service_kit.ledger.domain import Batch
from service_kit.rpc.pb.room_commands_pb2 import RoomReply


class Step(NamedTuple):
    """`prepare` reads what `execute` needs, as `service_kit.ledger.domain.ShardDomain` says."""

    prepare: Callable[[OwnedShard, str, Any], Awaitable[object] | object]
    execute: Callable[[OwnedShard, str, Any, Any, Batch], RoomReply]


STEPS: Final[Mapping[str, Step]] = {
    "create_room": Step(create_room.prepare, create_room.execute),
    "send_event": Step(send_event.prepare, send_event.execute),
    "change_membership": Step(membership.prepare, membership.execute),
    "set_receipt": Step(receipts.prepare, receipts.execute),
    "set_typing": Step(typing.prepare, typing.execute),
    "forget_room": Step(forget.prepare, forget.execute),
    "set_visibility": Step(publication.prepare, publication.execute),
    "begin_upgrade": Step(upgrade.prepare, upgrade.execute_begin),
    "create_successor": Step(successor.prepare, successor.execute),
    "complete_upgrade": Step(upgrade.prepare, upgrade.execute_complete),
    "settle": Step(settle.prepare, settle.execute),
    "set_alias": Step(aliases.prepare_set, aliases.execute_set),
    "delete_alias": Step(aliases.prepare_delete, aliases.execute_delete),
    "schedule_delayed_event": Step(delayed_events.prepare_schedule, delayed_events.execute_schedule),
    "change_delayed_event": Step(delayed_events.prepare_change, delayed_events.execute_change),
    "purge_room": Step(purge.prepare, purge.execute),
}
"""By the name of the member of `RoomCommand.command`."""
