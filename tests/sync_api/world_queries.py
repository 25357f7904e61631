"""What the roomserver and the userserver would answer, from the world's ledgers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from matrix_protocol.errors import Forbidden, NotFound
from service_kit.rpc.pb.facts_pb2 import (
    ReceiptFact,
)
from service_kit.rpc.pb.room_queries_pb2 import (
    EventRequest,
    ReceiptsChunk,
    ReceiptsRequest,
    RoomOfUser,
    RoomsOfUserChunk,
    RoomsOfUserRequest,
    StateChunk,
    StateEntry,
    StateRequest,
    TimelineChunk,
    TimelineEntry,
    TimelineRequest,
)
from service_kit.rpc.pb.user_queries_pb2 import AccountDataChunk, AccountDataEntry, AccountDataRequest
from sync_api.filters import parse_filter
from tests.sync_api.truth import MEMBER

if TYPE_CHECKING:
    from tests.sync_api.world import World


class WorldQueries:
    """`RoomQueries` and `UserQueries`, answered from the ledgers by going through all facts. Nothing relates here."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def _asked(self, name: str) -> None:
        self.world.questions.append(name)
        for _ in range(self.world.slow_questions):
            await asyncio.sleep(0)

    async def get_state(self, request: StateRequest) -> AsyncIterator[StateChunk]:
        await self._asked("state")
        room = self.world.rooms[request.room_id]
        head = self.world.head(room.shard)
        if request.as_user_id and not room.visible_to(request.as_user_id):
            raise Forbidden("Not in this room")
        state = room.state_at(request.at_position or head)
        members = [event for (event_type, _), (_, event) in state.items() if event_type == MEMBER]
        chunk = StateChunk(room_version="12", position=head)
        if request.with_summary:
            present = [event for event in members if event.membership in ("join", "invite")]
            chunk.summary.joined_members = sum(event.membership == "join" for event in members)
            chunk.summary.invited_members = sum(event.membership == "invite" for event in members)
            chunk.summary.members = len(members)
            chunk.summary.position = head
            chunk.summary.hero_user_ids.extend([event.state_key for event in (present or members)[:6]])
        too_many = request.members_max and len(members) > request.members_max
        for (event_type, state_key), (position, event) in state.items():
            asked = not request.keys or any(
                key.type == event_type and (not key.HasField("state_key") or key.state_key == state_key)
                for key in request.keys
            )
            left_out = event_type in request.not_types or (too_many and event_type == MEMBER)
            if asked and not left_out and position > request.after_position:
                chunk.entries.append(
                    StateEntry(
                        type=event_type,
                        state_key=state_key,
                        event_id=event.event_id,
                        membership=event.membership,
                        position=position,
                        client_json=room.client_json(event),
                    )
                )
        yield chunk

    async def get_timeline(self, request: TimelineRequest) -> AsyncIterator[TimelineChunk]:
        await self._asked("timeline")
        room = self.world.rooms[request.room_id]
        visible = room.visible_to(request.as_user_id) if request.as_user_id else None
        if visible is not None and (not visible or request.as_user_id in room.forgotten):
            raise Forbidden("Not in this room")
        upper = request.from_position or self.world.head(room.shard)
        wanted = parse_filter(b'{"room":{"timeline":%b}}' % (request.filter_json or b"{}")).timeline
        chosen = [
            (position, event)
            for position, event in reversed(room.events())
            if request.to_position < position <= upper
            and (visible is None or event.event_id in visible)
            and wanted.allows(event)
        ]
        assert request.backwards
        chunk = TimelineChunk(more=len(chosen) > request.limit)
        for position, event in chosen[: request.limit]:
            entry = TimelineEntry(
                position=position,
                event_id=event.event_id,
                type=event.type,
                sender=event.sender,
                origin_server_ts_ms=event.origin_server_ts_ms,
                history_visibility=event.history_visibility,
                replaces_event_id=event.replaces_event_id,
                membership=event.membership,
                prev_membership=event.prev_membership,
                device_id=event.device_id,
                client_txn_id=event.client_txn_id,
                client_json=room.client_json(event),
                room_id=room.id,
            )
            if request.as_user_id:
                entry.viewer_membership = room.membership_at(request.as_user_id, position) or "leave"
            if event.HasField("state_key"):
                entry.state_key = event.state_key
            chunk.entries.append(entry)
        yield chunk

    async def get_event(self, request: EventRequest) -> TimelineEntry:
        await self._asked("event")
        room = self.world.rooms[request.room_id]
        for position, event in room.events():
            if event.event_id == request.event_id:
                return TimelineEntry(position=position, event_id=event.event_id, client_json=room.client_json(event))
        raise NotFound("No such event")

    async def get_receipts(self, request: ReceiptsRequest) -> AsyncIterator[ReceiptsChunk]:
        await self._asked("receipts")
        room = self.world.rooms[request.room_id]
        latest: dict[tuple[str, str, str], tuple[int, ReceiptFact]] = {}
        chunk = ReceiptsChunk()
        for position, fact in self.world.facts(room.shard):
            if fact.room_id == room.id and fact.HasField("receipt"):
                receipt = fact.receipt
                latest[receipt.user_id, receipt.receipt_type, receipt.thread_id] = (position, receipt)
            if fact.room_id == room.id and fact.HasField("typing"):
                kept = [t for t in chunk.typing if t.user_id != fact.typing.user_id]
                del chunk.typing[:]
                chunk.typing.extend([*kept, *([fact.typing] if fact.typing.typing else [])])
                chunk.typing_position = position
        for position, receipt in latest.values():
            if request.user_id and (receipt.user_id != request.user_id or receipt.thread_id not in ("", "main")):
                continue
            chunk.receipts.add(position=position, receipt=receipt)
        yield chunk

    async def get_rooms_of_user(self, request: RoomsOfUserRequest) -> AsyncIterator[RoomsOfUserChunk]:
        await self._asked("rooms")
        chunk = RoomsOfUserChunk()
        for room in self.world.rooms.values():
            entry = room.state_at(self.world.head(room.shard)).get((MEMBER, request.user_id))
            if entry is None:
                continue
            position, event = entry
            chunk.rooms.append(
                RoomOfUser(
                    room_id=room.id,
                    membership=event.membership,
                    prev_membership=event.prev_membership,
                    event_id=event.event_id,
                    position=position,
                    sender=event.sender,
                    invite_state_json=event.invite_state_json,
                    forgotten=any(
                        fact.room_id == room.id and fact.forgotten.user_id == request.user_id and p > position
                        for p, fact in self.world.facts(room.shard)
                        if fact.HasField("forgotten")
                    ),
                )
            )
        yield chunk

    async def get_account_data(self, request: AccountDataRequest) -> AsyncIterator[AccountDataChunk]:
        latest: dict[tuple[str, str], AccountDataEntry] = {}
        for position, fact in self.world.facts(self.world.shards.of_user(request.user_id)):
            if fact.user_id == request.user_id and fact.HasField("account_data"):
                data = fact.account_data
                latest[data.room_id, data.type] = AccountDataEntry(
                    room_id=data.room_id, type=data.type, content_json=data.content_json, position=position
                )
        yield AccountDataChunk(entries=latest.values())
