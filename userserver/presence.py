"""Presence of the users of one shard: put together from their devices, told every second, forgotten with the owner.

    sync workers   report which devices they see, a few at a time; while they see them, again and again
    a device       counts until `expire_ms` after its last report: a worker that dies takes nobody's word with it
    a user         online        a device is, and they did something less than `idle_ms` ago
                   unavailable   a device is there
                   offline       none is
    `collect`      who has become something else since the last time; the worker publishes it

All of this is in memory: a new owner knows nobody until the workers have reported again, which takes seconds
(ADR-0020). Only what users say about themselves (`status_msg`) is kept in the ledger.

"Any activity that bumps the last active time on any of the user's clients will cause the server to automatically
set their presence to `online`."
Spec: https://spec.matrix.org/v1.19/client-server-api/#presence
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Final, NamedTuple

from matrix_protocol.errors import NotFound
from service_kit.config import PresenceSettings
from service_kit.ledger.domain import Batch
from service_kit.rpc.pb.facts_pb2 import Fact, PresenceStatusFact
from service_kit.rpc.pb.presence_pb2 import UserPresence
from service_kit.rpc.pb.user_commands_pb2 import GetPresence, ReportPresence, SetPresence, UserReply
from service_kit.store.interface import SCAN_ROWS_MAX, Store
from userserver.accounts import existing
from userserver.tables import PRESENCE_STATUS
from userserver.unapplied import Unapplied
from userserver.users import User, Users

ONLINE: Final = "online"
UNAVAILABLE: Final = "unavailable"
OFFLINE: Final = "offline"

DEVICES_MAX = 100
"""Of one user; more than that are not counted."""
COLLECTED_MAX = 5000
"""at a time; others follow a second later"""
USERS_MAX = 100_000
"""Of one shard; those who have been offline for longest are forgotten first, then nobody new is counted."""


class Present(NamedTuple):
    """What a device has told."""

    presence: str
    until_ms: int


class UserState:
    __slots__ = ("devices", "last_active_ms", "status_msg", "told", "user_id")

    def __init__(self, user_id: str, status_msg: str) -> None:
        self.user_id = user_id
        self.status_msg = status_msg
        self.devices: dict[str, Present] = {}
        self.last_active_ms = 0
        self.told = UserPresence(user_id=user_id, presence=OFFLINE, status_msg=status_msg)
        """as it was collected last"""


class PresenceBoard:
    """Who is what. Pure: times come from outside."""

    def __init__(self, *, idle_ms: int, expire_ms: int) -> None:
        self._idle_ms = idle_ms
        self._expire_ms = expire_ms
        self._users: dict[str, UserState] = {}
        """who changed last, last"""
        self._changed: dict[str, None] = {}
        self._due: list[tuple[int, str]] = []
        """a heap: when to look at whom again"""
        self._as_of_ms = 0

    def knows(self, user_id: str) -> bool:
        return user_id in self._users

    def see(self, user_id: str, device_id: str, presence: str, now_ms: int, *, active: bool, status_msg: str) -> None:
        """A device of the user is there (or says that it is not to count). `status_msg` is for who is new."""
        state = self._users.get(user_id) or self._add(user_id, status_msg, now_ms)
        if state is None:
            return
        if presence == OFFLINE:
            state.devices.pop(device_id, None)
        elif device_id in state.devices or len(state.devices) < DEVICES_MAX:
            # "A pro-active event may be sending a message to a room or changing presence state to `online`."
            was = state.devices.get(device_id)
            if presence == ONLINE and (active or was is None or was.presence != ONLINE):
                state.last_active_ms = now_ms
            state.devices[device_id] = Present(presence, now_ms + self._expire_ms)
        self._changed[user_id] = None

    def say(self, user_id: str, status_msg: str, now_ms: int) -> None:
        state = self._users.get(user_id) or self._add(user_id, status_msg, now_ms)
        if state is not None:
            state.status_msg = status_msg
            self._changed[user_id] = None

    def presence_of(self, user_id: str, now_ms: int) -> UserPresence:
        """As it is now, told or not."""
        state = self._users.get(user_id)
        if state is None:
            return UserPresence(user_id=user_id, presence=OFFLINE)
        return UserPresence(
            user_id=user_id,
            presence=self._presence(state, now_ms),
            status_msg=state.status_msg,
            last_active_at_ms=state.last_active_ms,
        )

    @property
    def as_of_ms(self) -> int:
        """What changed through here was collected; it grows with every `collect`."""
        return self._as_of_ms

    def collect(self, now_ms: int) -> list[UserPresence]:
        """Who has changed since the last call."""
        self._as_of_ms = max(now_ms, self._as_of_ms + 1)
        while self._due and self._due[0][0] <= now_ms:
            self._changed[heapq.heappop(self._due)[1]] = None
        changed = list(islice(self._changed, COLLECTED_MAX))
        for user_id in changed:
            del self._changed[user_id]
        told: list[UserPresence] = []
        for user_id in changed:
            if (state := self._users.get(user_id)) is None:
                continue
            current = self.presence_of(user_id, now_ms)
            current.changed_at_ms = self._as_of_ms
            if (current.presence, current.status_msg) != (state.told.presence, state.told.status_msg):
                state.told = current
                told.append(current)
                self._users[user_id] = self._users.pop(user_id)
            if (again_ms := self._next_ms(state, now_ms)) is not None:
                heapq.heappush(self._due, (again_ms, user_id))
        return told

    def everybody(self) -> list[UserPresence]:
        """As it was collected last: whom anybody needs to know of."""
        return [state.told for state in self._users.values() if state.told.changed_at_ms]

    def _presence(self, state: UserState, now_ms: int) -> str:
        state.devices = {name: device for name, device in state.devices.items() if device.until_ms > now_ms}
        if not state.devices:
            return OFFLINE
        if all(device.presence != ONLINE for device in state.devices.values()):
            return UNAVAILABLE
        # "The server will automatically set a user's presence to `unavailable` if their last active time was over a
        #  threshold value".
        return ONLINE if now_ms - state.last_active_ms < self._idle_ms else UNAVAILABLE

    def _next_ms(self, state: UserState, now_ms: int) -> int | None:
        """When time alone may change it."""
        if not state.devices:
            return None
        ends = [device.until_ms for device in state.devices.values()]
        idle_ms = state.last_active_ms + self._idle_ms
        return min([*ends, idle_ms] if idle_ms > now_ms else ends)

    def _add(self, user_id: str, status_msg: str, now_ms: int) -> UserState | None:
        if len(self._users) >= USERS_MAX:
            gone = next((one for one in self._users.values() if not one.devices), None)
            if gone is None:
                return None
            del self._users[gone.user_id]
        state = self._users[user_id] = UserState(user_id, status_msg)
        return state


class Presences:
    """Commands about presence."""

    def __init__(self, store: Store, unapplied: Unapplied, users: Users, settings: PresenceSettings) -> None:
        self._store = store
        self._unapplied = unapplied
        self._users = users
        self.board = PresenceBoard(idle_ms=settings.idle_s * 1000, expire_ms=settings.expire_s * 1000)

    async def prepare_report(self, command: ReportPresence) -> Mapping[str, str]:
        """What those have said of themselves who are new here."""
        return await self._status_of({one.user_id for one in command.devices if not self.board.knows(one.user_id)})

    def report(self, command: ReportPresence, status: Mapping[str, str], batch: Batch) -> UserReply:
        for one in command.devices:
            status_msg = status.get(one.user_id, "")
            self.board.see(
                one.user_id, one.device_id, one.presence, batch.now_ms, active=one.active, status_msg=status_msg
            )
        return UserReply()

    async def prepare_set(self, command: SetPresence) -> tuple[User, str]:
        status = await self._status_of([command.user_id])
        return existing(await self._users.load(command.user_id)), status.get(command.user_id, "")

    def set(self, command: SetPresence, prepared: tuple[User, str], batch: Batch) -> UserReply:
        """What it says holds until a sync of the device says something else, or until it expires."""
        user, former_msg = prepared
        if self.board.knows(command.user_id):
            former_msg = self.board.presence_of(command.user_id, batch.now_ms).status_msg
        if command.status_msg != former_msg:
            self._users.record(batch, user, Fact(presence_status=PresenceStatusFact(status_msg=command.status_msg)))
        self.board.say(command.user_id, command.status_msg, batch.now_ms)
        self.board.see(command.user_id, command.device_id, command.presence, batch.now_ms, active=True, status_msg="")
        return UserReply()

    async def prepare_get(self, command: GetPresence) -> tuple[User, str]:
        user = await self._users.load(command.user_id)
        if user.account is None or user.account.deactivated:
            raise NotFound("There is no such user")
        return user, (await self._status_of([command.user_id])).get(command.user_id, "")

    def get(self, command: GetPresence, prepared: tuple[User, str], batch: Batch) -> UserReply:
        presence = self.board.presence_of(command.user_id, batch.now_ms)
        if not self.board.knows(command.user_id):
            presence.status_msg = prepared[1]
        return UserReply(presence=presence)

    async def _status_of(self, user_ids: Iterable[str]) -> dict[str, str]:
        found: dict[str, str] = {}
        for some in _pieces(sorted(user_ids)):
            for user_id in some:
                await self._unapplied.wait_for(user_id)
            rows = await self._store.get_many(PRESENCE_STATUS, [(user_id,) for user_id in some])
            found |= {row.user_id: row.status_msg for row in rows if row is not None}
        return found


def _pieces(user_ids: list[str]) -> Iterator[list[str]]:
    for first in range(0, len(user_ids), SCAN_ROWS_MAX):
        yield user_ids[first : first + SCAN_ROWS_MAX]
