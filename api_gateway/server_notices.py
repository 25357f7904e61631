"""What a server's operators tell its users: in a room of each user's own, from the server's own account.

    1 account     made with the first notice; nobody can log in to it
    2 room        the user's shard says which one it is, so that there is one, whoever sends at the same time
    3 tag         `m.server_notice` on the room, before the user hears of it
    4 invite      again, if the user has left
    5 message     `m.server_notice`, and pinned if it is to be shown until it is replaced

Each step can be done again: after a failure the same call does what is missing.
Spec: https://spec.matrix.org/v1.19/client-server-api/#server-notices
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final, NamedTuple

import orjson

from api_gateway.new_rooms import CreateEventWish, NewRooms
from api_gateway.profiles import member_content, profile_of
from matrix_protocol.errors import Forbidden, NotFound, Unavailable, UserInUse
from matrix_protocol.identifiers import parse_user_id
from service_kit.account_settings import ServerNoticeSettings
from service_kit.rpc.commands import TIMEOUT_S, CommandClient
from service_kit.rpc.pb.room_commands_pb2 import ChangeMembership, CreateRoom, RoomCommand, SendEvent
from service_kit.rpc.pb.user_commands_pb2 import (
    ClaimNoticeRoom,
    GetAccount,
    RegisterUser,
    SetProfileField,
    SetTag,
    UserCommand,
)

TAG: Final = "m.server_notice"
PRESET: Final = "private_chat"


class Notice(NamedTuple):
    body: str
    notice_type: str
    """`m.server_notice.usage_limit_reached`, or a name of one's own"""
    admin_contact: str = ""
    """a URI, shown to the user"""
    limit_type: str = ""

    def content(self) -> dict[str, Any]:
        optional = {"admin_contact": self.admin_contact, "limit_type": self.limit_type}
        return {
            "msgtype": "m.server_notice",
            "body": self.body,
            "server_notice_type": self.notice_type,
            **{name: value for name, value in optional.items() if value},
        }


class ServerNotices:
    def __init__(self, commands: CommandClient, new_rooms: NewRooms, settings: ServerNoticeSettings) -> None:
        self._commands = commands
        self._new_rooms = new_rooms
        self._settings = settings
        self._senders: set[str] = set()
        """Accounts that are known to be there."""

    async def send(self, user_id: str, notice: Notice, txn_id: str, *, pinned: bool = False) -> str:
        """The event ID. With the same `txn_id`, within a day, nothing is sent twice.

        Raises Forbidden (notices are switched off), NotFound (no such user, or deactivated), Unavailable.
        """
        sender = await self._sender(parse_user_id(user_id).server_name)
        account = (await self._commands.user(user_id, UserCommand(get_account=GetAccount(user_id=user_id)))).account
        if account.deactivated or user_id == sender:
            raise NotFound(f"{user_id} is not an account that reads anything")
        room_id = await self._room(sender, user_id)
        message = self._event(sender, "m.room.message", notice.content(), txn_id=txn_id)
        try:
            event_id = (await self._commands.room(room_id, message)).event_id
        except Forbidden:
            # It was named, and is not there.
            former, room_id = room_id, await self._new_room(sender, user_id, replaces=room_id)
            if room_id == former:
                raise Unavailable("The user's room is just being made; try again") from None
            event_id = (await self._commands.room(room_id, message)).event_id
        if pinned:
            content = {"pinned": [event_id]}
            await self._commands.room(room_id, self._event(sender, "m.room.pinned_events", content, state_key=""))
        return event_id

    async def _sender(self, server_name: str) -> str:
        settings = self._settings
        if not settings.localpart:
            raise Forbidden("Server notices are switched off: set server_notices.localpart")
        sender = settings.sender(server_name)
        if sender in self._senders:
            return sender
        with suppress(UserInUse):
            await self._commands.user(sender, UserCommand(register_user=RegisterUser(user_id=sender)))
        for field, value in (("displayname", settings.display_name), ("avatar_url", settings.avatar_url)):
            if value:
                profile = SetProfileField(user_id=sender, field=field, value_json=orjson.dumps(value))
                await self._commands.user(sender, UserCommand(set_profile_field=profile))
        self._senders.add(sender)
        return sender

    async def _room(self, sender: str, user_id: str) -> str:
        """The user's room, to which they are invited if they are not in it."""
        candidate = self._new_rooms.choose(self._wish(user_id), sender)
        claim = ClaimNoticeRoom(user_id=user_id, room_id=candidate.room_id)
        room_id = (await self._commands.user(user_id, UserCommand(claim_notice_room=claim))).room_id
        if room_id == candidate.room_id:
            await self._make(sender, user_id, candidate.room_id, candidate.room_version, candidate.origin_server_ts_ms)
            return room_id
        invite = ChangeMembership(
            sender=sender,
            target=user_id,
            action=ChangeMembership.INVITE,
            content_json=member_content(await profile_of(self._commands, user_id, timeout_s=TIMEOUT_S)),
        )
        with suppress(Forbidden):  # they are in the room; or there is none, as the message will show
            await self._commands.room(room_id, RoomCommand(change_membership=invite))
        return room_id

    async def _new_room(self, sender: str, user_id: str, *, replaces: str) -> str:
        candidate = self._new_rooms.choose(self._wish(user_id), sender)
        claim = ClaimNoticeRoom(user_id=user_id, room_id=candidate.room_id, replaces_room_id=replaces)
        room_id = (await self._commands.user(user_id, UserCommand(claim_notice_room=claim))).room_id
        if room_id == candidate.room_id:
            await self._make(sender, user_id, candidate.room_id, candidate.room_version, candidate.origin_server_ts_ms)
        return room_id

    async def _make(self, sender: str, user_id: str, room_id: str, room_version: str, created_ms: int) -> None:
        tag = SetTag(user_id=user_id, room_id=room_id, tag=TAG, content_json=b"{}")
        await self._commands.user(user_id, UserCommand(set_tag=tag))
        commands, settings = self._commands, self._settings
        avatar = {"type": "m.room.avatar", "state_key": "", "content": {"url": settings.avatar_url}}
        request = {
            "preset": PRESET,
            "name": settings.room_name,
            "invite": [user_id],
            "initial_state": [avatar] if settings.avatar_url else [],
            # The user reads: what they would write here, nobody would.
            "power_level_content_override": {"events_default": 50, "invite": 50},
        }
        command = CreateRoom(
            creator=sender,
            room_version=room_version,
            origin_server_ts_ms=created_ms,
            request_json=orjson.dumps(request),
            member_content_json=member_content(await profile_of(commands, sender, timeout_s=TIMEOUT_S)),
            invitee_content_json={user_id: member_content(await profile_of(commands, user_id, timeout_s=TIMEOUT_S))},
        )
        await commands.room(room_id, RoomCommand(create_room=command))

    def _wish(self, user_id: str) -> CreateEventWish:
        return CreateEventWish(None, {}, PRESET, [user_id])

    @staticmethod
    def _event(
        sender: str, event_type: str, content: dict[str, Any], *, txn_id: str = "", state_key: str | None = None
    ) -> RoomCommand:
        event = SendEvent(
            sender=sender,
            client_txn_id=txn_id,
            event_type=event_type,
            state_key=state_key,
            content_json=orjson.dumps(content),
        )
        return RoomCommand(send_event=event)
