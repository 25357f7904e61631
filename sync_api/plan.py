"""Which rooms an answer is about, decided at one moment, without waiting for anything.

| membership now | initial sync, or `full_state` | later                                 |
|----------------|-------------------------------|---------------------------------------|
| join           | `join`                        | `join`, if something may have changed |
| invite, knock  | `invite`, `knock`             | if it came after the client's token   |
| leave, ban     | `leave`, with `include_leave` | `leave`, if it came after the token   |
"""

from __future__ import annotations

from collections.abc import Collection

from sync_api.response.account_data import changed_account_data
from sync_api.response.join import JoinedRoom
from sync_api.scope import SyncScope
from sync_api.user_view import Membership


class Plan:
    __slots__ = ("global_account_data", "invites", "joins", "knocks", "leaves", "missing_rooms")

    def __init__(self) -> None:
        self.joins: list[JoinedRoom] = []
        self.invites: list[Membership] = []
        self.knocks: list[Membership] = []
        self.leaves: list[Membership] = []
        self.global_account_data: list[bytes] = []
        self.missing_rooms = False
        """The user has joined a room that is not followed yet: attach it and plan again."""


def plan_answer(scope: SyncScope, only_rooms: Collection[str] | None) -> Plan:
    """`only_rooms`: nothing has happened in any other room since the token; None = that is not known."""
    plan = Plan()
    changed = changed_account_data(scope)
    plan.global_account_data = changed.pop("", [])
    memberships = scope.user.memberships
    if only_rooms is None:
        chosen = list(memberships.values())
    else:
        chosen = [memberships[room_id] for room_id in only_rooms if room_id in memberships]
    for membership in chosen:
        if scope.filter.allows_room(membership.room_id):
            _place(scope, plan, membership, changed.get(membership.room_id, []))
    return plan


def _place(scope: SyncScope, plan: Plan, membership: Membership, account_data: list[bytes]) -> None:
    number = membership.shard_number
    after = scope.since.rooms[number] if scope.since is not None else 0
    if membership.position > scope.through.rooms[number]:
        return  # the tables are ahead of the facts; it comes with the next answer
    if membership.membership == "join":
        view = scope.user.joined.get(membership.room_id)
        if view is None:
            plan.missing_rooms = True
        elif scope.since is None or scope.full_state or account_data or view.may_have_news(after):
            plan.joins.append(JoinedRoom(membership, view, account_data))
    elif scope.since is not None and membership.position <= after and not scope.full_state:
        return
    elif membership.membership in ("invite", "knock"):
        # "Servers must not send room invites from ignored users to clients."
        # Of who blocks invites: they "MUST NOT be served over client synchronisation endpoints".
        user = scope.user
        if membership.membership == "knock":
            plan.knocks.append(membership)
        elif not user.blocks_invites and membership.sender not in user.ignored_user_ids:
            plan.invites.append(membership)
    elif (scope.since is not None and membership.position > after) or (
        scope.filter.include_leave and not membership.forgotten
    ):
        plan.leaves.append(membership)
