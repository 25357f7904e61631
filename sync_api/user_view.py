"""One user with a client connected to this worker: memberships, account data, whom they ignore."""

from __future__ import annotations

from collections.abc import Collection
from operator import ge
from typing import Any, NamedTuple

import orjson

from service_kit.rpc.pb.facts_pb2 import AccountDataFact, RoomEventFact
from service_kit.rpc.pb.room_queries_pb2 import RoomOfUser
from sync_api.room_view import RoomView
from sync_api.to_device import Inbox
from sync_api.waiter import Waiter

IGNORED_USERS_TYPE = "m.ignored_user_list"
IGNORED_USERS_MAX = 10_000
INVITE_PERMISSION_TYPE = "m.invite_permission_config"
CHANGED_ROOMS_MAX = 24
"""More to look at than this, and a new checkpoint is worth one look at all rooms by another device that is behind."""


class Membership(NamedTuple):
    """The user's latest membership of one room."""

    room_id: str
    shard_number: int
    membership: str
    prev_membership: str
    event_id: str
    sender: str
    position: int
    """of the membership event"""
    invite_state_json: bytes
    forgotten: bool
    joined_at: int
    """Since this position, at the latest, the user has been joined without a break; 0 = not joined."""
    joined_at_is_exact: bool
    """False: they may have been joined for longer (the row only tells of a change of their profile)."""


class AccountData(NamedTuple):
    position: int
    content_json: bytes


class UserView:
    __slots__ = (
        "account_data",
        "ahead",
        "blocks_invites",
        "changed_room_ids",
        "checkpoint",
        "ignored_user_ids",
        "inboxes",
        "joined",
        "last_account_position",
        "last_used_s",
        "memberships",
        "presence_from_ms",
        "presence_news",
        "requests",
        "stale",
        "user_id",
        "waiters",
    )

    def __init__(self, user_id: str) -> None:
        self.user_id = user_id
        self.memberships: dict[str, Membership] = {}
        self.joined: dict[str, RoomView] = {}
        """The followed ones among the rooms that the user is joined to."""
        self.account_data: dict[tuple[str, str], AccountData] = {}
        """by (room ID or "", type)"""
        self.last_account_position = 0
        self.ignored_user_ids: frozenset[str] = frozenset()
        self.blocks_invites = False
        self.presence_news: dict[str, int] = {}
        """whose presence changed last when, of those who concern this user; see `presence.spread`"""
        self.presence_from_ms: int | None = None
        """`presence_news` has every change after this time; None = it has none"""
        self.inboxes: dict[str, Inbox] = {}
        """of the devices that sync here, by device ID"""
        self.ahead: dict[int, int] = {}
        """by room shard: memberships were read through this position, which its facts have not reached yet"""
        self.changed_room_ids: set[str] = set()
        self.checkpoint: tuple[int, ...] | None = None
        """Room shards' positions: no room but `changed_room_ids` had any fact for this user after it."""
        self.waiters: set[Waiter] = set()
        self.requests = 0
        """calls of /sync being answered now"""
        self.last_used_s = 0.0
        self.stale = False
        """Facts were lost: the tables must be read again before the next answer."""

    # --- what changed ---

    def room_changed(self, room_id: str) -> None:
        self.changed_room_ids.add(room_id)
        for waiter in self.waiters:
            waiter.has_news = True

    def account_changed(self) -> None:
        for waiter in self.waiters:
            waiter.has_news = True

    def rooms_changed_after(self, positions: tuple[int, ...]) -> Collection[str] | None:
        """The rooms that anything can have happened in; None = any."""
        checkpoint = self.checkpoint
        if checkpoint is None or not (positions == checkpoint or all(map(ge, positions, checkpoint))):
            return None
        return self.changed_room_ids

    def may_set_checkpoint(self, positions: tuple[int, ...]) -> None:
        """All facts through these positions have been taken in, and none after them.

        Not those of rooms that are not followed, because no client's filter has asked for them yet.
        """
        is_due = self.checkpoint is None or len(self.changed_room_ids) > CHANGED_ROOMS_MAX
        if is_due and all(one.room_id in self.joined for one in self.memberships.values() if one.membership == "join"):
            self.checkpoint = positions
            self.changed_room_ids = set()

    # --- memberships ---

    def read_membership(self, row: RoomOfUser, shard_number: int) -> None:
        known = self.memberships.get(row.room_id)
        if known is not None and known.position >= row.position:
            return
        joined = row.membership == "join"
        self.memberships[row.room_id] = Membership(
            row.room_id,
            shard_number,
            row.membership,
            row.prev_membership,
            row.event_id,
            row.sender,
            row.position,
            row.invite_state_json,
            row.forgotten,
            row.position if joined else 0,
            joined and row.prev_membership != "join",
        )

    def apply_membership(self, position: int, room_id: str, shard_number: int, fact: RoomEventFact) -> None:
        known = self.memberships.get(room_id)
        if known is not None and known.position >= position:
            return
        joined_at, exact = (position, True) if fact.membership == "join" else (0, False)
        if fact.membership == "join" and fact.prev_membership == "join":
            joined_at, exact = (
                (known.joined_at, known.joined_at_is_exact) if known and known.joined_at else (position, False)
            )
        self.memberships[room_id] = Membership(
            room_id,
            shard_number,
            fact.membership,
            fact.prev_membership,
            fact.event_id,
            fact.sender,
            position,
            fact.invite_state_json,
            False,
            joined_at,
            exact,
        )

    def catch_up(self, positions: tuple[int, ...]) -> None:
        """The facts of each room shard have come to these positions."""
        self.ahead = {number: position for number, position in self.ahead.items() if position > positions[number]}

    def apply_forgotten(self, position: int, room_id: str) -> None:
        known = self.memberships.get(room_id)
        if known is not None and known.position < position:
            self.memberships[room_id] = known._replace(forgotten=True)

    # --- account data ---

    def apply_account_data(self, position: int, room_id: str, event_type: str, content_json: bytes) -> None:
        known = self.account_data.get((room_id, event_type))
        if known is not None and known.position >= position:
            return
        self.account_data[room_id, event_type] = AccountData(position, content_json)
        self.last_account_position = max(self.last_account_position, position)
        if not room_id and event_type == IGNORED_USERS_TYPE:
            self.ignored_user_ids = _ignored_user_ids(content_json)
        elif not room_id and event_type == INVITE_PERMISSION_TYPE:
            self.blocks_invites = _object(content_json).get("default_action") == "block"

    def apply_account_data_fact(self, position: int, fact: AccountDataFact) -> None:
        self.apply_account_data(position, fact.room_id, fact.type, fact.content_json)


def _ignored_user_ids(content_json: bytes) -> frozenset[str]:
    """Spec: `ignored_users` is a map from user ID to an empty object. Anything else ignores nobody."""
    users = _object(content_json).get("ignored_users")
    return frozenset(list(users)[:IGNORED_USERS_MAX]) if isinstance(users, dict) else frozenset()


def _object(content_json: bytes) -> dict[str, Any]:
    """What is none counts as an empty one."""
    try:
        content = orjson.loads(content_json)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}
