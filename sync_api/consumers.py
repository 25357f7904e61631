"""Facts into views, and the waiting requests woken: the only way anything changes here.

| fact         | the room's view               | the user's view           | wakes                            |
|--------------|-------------------------------|---------------------------|----------------------------------|
| room event   | timeline, state, members      | membership, of its target | the room's users, and the target |
| receipt      | receipts                      |                           | the room's users; a private one: |
|              |                               |                           | its user alone                   |
| typing       | who is typing                 |                           | the room's users                 |
| forgotten    |                               | membership                |                                  |
| account data |                               | account data              | its user                         |
| to device    |                               | inboxes of its devices    | those devices of its user        |
| device gone  |                               | its inbox                 |                                  |
"""

from __future__ import annotations

from service_kit.rpc.pb.facts_pb2 import ACCEPTED, Fact
from service_kit.shards import ROOM, Shard
from sync_api.presence.parts import Presence
from sync_api.rooms import RoomViews
from sync_api.sync_waiters import SyncWaiters
from sync_api.users import UserViews

PRIVATE_RECEIPT = "m.read.private"


class FactConsumer:
    def __init__(
        self, rooms: RoomViews, users: UserViews, waiters: SyncWaiters, presence: Presence | None = None
    ) -> None:
        self._presence = presence
        self._rooms = rooms
        self._users = users
        self._waiters = waiters

    def on_fact(self, shard: Shard, position: int, fact: Fact) -> None:
        """One fact, in order; called by the FactFollower."""
        kind = fact.WhichOneof("body")
        if shard.kind != ROOM:
            if kind == "account_data":
                self._account_data(position, fact)
            elif kind == "to_device":
                self._to_device(position, fact)
            elif kind == "device" and fact.device.deleted and (user := self._users.get(fact.user_id)) is not None:
                user.inboxes.pop(fact.device.device_id, None)
        elif kind == "room_event":
            self._room_event(shard.number, position, fact)
        elif kind in ("receipt", "typing"):
            self._ephemeral(position, fact, private=kind == "receipt" and fact.receipt.receipt_type == PRIVATE_RECEIPT)
        elif kind == "forgotten":
            user = self._users.get(fact.forgotten.user_id)
            if user is not None:
                user.apply_forgotten(position, fact.room_id)

    def on_lost(self, shard: Shard) -> None:
        """Facts of this shard can no longer be had: read everything again before the next answers."""
        if shard.kind == ROOM:
            self._rooms.facts_lost(shard.number)
        self._users.facts_lost()
        self._waiters.everything_changed()

    def _room_event(self, shard_number: int, position: int, fact: Fact) -> None:
        event = fact.room_event
        if event.verdict != ACCEPTED:
            return
        if self._presence is not None:
            self._presence.reports.active(event.sender)
            if event.membership != event.prev_membership:
                self._presence.spread.membership_changed(event.state_key, fact.room_id, event.membership)
        room = self._rooms.get(fact.room_id)
        if room is not None:
            room.apply(position, fact)
            self._waiters.room_changed(fact.room_id, self._rooms.users_in(fact.room_id))
        if event.membership:
            user = self._users.get(event.state_key)
            if user is not None:
                user.apply_membership(position, fact.room_id, shard_number, event)
                if user.memberships[fact.room_id].membership != "join":
                    self._users.detach_room(user, fact.room_id)
                self._waiters.room_changed(fact.room_id, (user,))

    def _ephemeral(self, position: int, fact: Fact, *, private: bool) -> None:
        room = self._rooms.get(fact.room_id)
        if room is None:
            return
        room.apply(position, fact)
        if not private:
            self._waiters.room_changed(fact.room_id, self._rooms.users_in(fact.room_id))
            return
        user = self._users.get(fact.receipt.user_id)
        if user is not None and user in self._rooms.users_in(fact.room_id):
            self._waiters.room_changed(fact.room_id, (user,))

    def _account_data(self, position: int, fact: Fact) -> None:
        user = self._users.get(fact.user_id)
        if user is None:
            return
        user.apply_account_data_fact(position, fact.account_data)
        if fact.account_data.room_id:
            self._waiters.room_changed(fact.account_data.room_id, (user,))
        self._waiters.account_changed(user)

    def _to_device(self, position: int, fact: Fact) -> None:
        user = self._users.get(fact.user_id)
        if user is None:
            return
        for device_id, inbox in user.inboxes.items():
            if inbox.apply(position, fact.to_device):
                self._waiters.device_changed(user, device_id)
