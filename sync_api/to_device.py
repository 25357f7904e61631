"""The inboxes of the devices that sync here: what waits for them, as far as this worker holds it.

    open          the first /sync of a device here: its inbox is read; facts add to it from then on
    acknowledge   a later one comes with `since`: the device has everything through that position, and the
                  owner of its shard is told to delete it, in the background. If that gets lost, the next worker
                  that opens the inbox finds what is old in it, and says so again.
    take          what is new to the device, through the position that the answer goes up to

    kept by the owner   ─────[ held here, in order ]────────────────────────►
                          ▲                       ▲
                          delivered through       `rest_after`: read from there when what is held is used up

Nothing of this costs a /sync more than a look, as long as nothing waits.

Spec: https://spec.matrix.org/v1.19/client-server-api/#send-to-device-messaging
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Collection, Sequence
from typing import NamedTuple, Protocol

import orjson

from matrix_protocol.errors import MatrixError, Unavailable
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.facts_pb2 import ToDeviceFact
from service_kit.rpc.pb.user_commands_pb2 import DeliveredToDevice, UserCommand
from service_kit.rpc.pb.user_queries_pb2 import ToDeviceRequest
from service_kit.rpc.queries import GET_TO_DEVICE, Asker

ANSWER_MESSAGES_MAX = 100
"""“100 messages is recommended as a reasonable limit”"""
ANSWER_BYTES_MAX = 1024 * 1024
"""and one message more"""
HELD_MESSAGES_MAX = 100
HELD_BYTES_MAX = 256 * 1024
"""Of one device, and one message more."""
DELETE_ROUNDS_MAX = 1000
"""Of some hundreds each: more than an inbox has."""

_logger = logging.getLogger(__name__)


class ToDeviceMessage(NamedTuple):
    position: int
    """in the ledger of the user's shard"""
    sender: str
    event_json: bytes


class InboxSource(Protocol):
    """Where the inboxes are kept. Both raise MatrixErrors."""

    async def read(self, user_id: str, device_id: str, after_position: int) -> Sequence[ToDeviceMessage]:
        """The first HELD_MESSAGES_MAX messages after the position; fewer = there are no more."""
        ...

    async def delete(self, user_id: str, device_id: str, through_position: int) -> None: ...


class Inbox:
    """What waits for one device."""

    __slots__ = (
        "_delete_through",
        "_deleted_through",
        "_deleting",
        "_device_id",
        "_held",
        "_held_bytes",
        "_last_position",
        "_late",
        "_reading",
        "_rest_after",
        "_source",
        "_user_id",
    )

    def __init__(self, user_id: str, device_id: str, source: InboxSource) -> None:
        self._user_id = user_id
        self._device_id = device_id
        self._source = source
        self._held: deque[ToDeviceMessage] = deque()
        self._held_bytes = 0
        self._last_position = 0
        """of the last message that was held"""
        self._rest_after: int | None = 0
        """What comes after this position is not held; None = all there is, is held."""
        self._late: list[ToDeviceMessage] = []
        """came while the inbox was being read"""
        self._reading: asyncio.Task[None] | None = None
        self._delete_through = self._deleted_through = 0
        self._deleting: asyncio.Task[None] | None = None

    # --- facts

    def apply(self, position: int, fact: ToDeviceFact) -> bool:
        """Add what the fact has for this device; whether it has anything."""
        for content in fact.contents:
            if any(target.device_id == self._device_id for target in content.targets):
                event_json = event_of(fact.sender, fact.type, content.content_json)
                message = ToDeviceMessage(position, fact.sender, event_json)
                if self._reading is not None:
                    self._late.append(message)
                else:
                    self._hold(message)
                return True
        return False

    def _hold(self, message: ToDeviceMessage) -> None:
        if self._rest_after is not None or message.position <= self._last_position:
            return
        if len(self._held) >= HELD_MESSAGES_MAX or self._held_bytes >= HELD_BYTES_MAX:
            self._rest_after = self._last_position
            return
        self._held.append(message)
        self._held_bytes += len(message.event_json)
        self._last_position = message.position

    # --- requests

    def acknowledge(self, through: int) -> None:
        """The device has everything through this position."""
        rest_is_old = self._rest_after is not None and self._rest_after < through
        if self._held and self._held[0].position <= through:
            self._drop_through(through)
        elif not rest_is_old:
            if self._delete_through > self._deleted_through:
                self._delete()  # it failed before
            return
        if rest_is_old:
            self._rest_after = through
        self._delete_through = max(self._delete_through, through)
        self._delete()

    async def take(self, after: int, through: int, ignored_user_ids: Collection[str]) -> tuple[list[bytes], int]:
        """The next events for the device, and the position that it has all of them through. Raises MatrixError."""
        while True:
            events, reached = self._held_between(after, through, ignored_user_ids)
            if events or reached == through:
                return events, reached
            # Nothing that is held is for the client; what comes after it may be.
            if self._held:
                self.acknowledge(reached)
            await self._read()

    def _held_between(self, after: int, through: int, ignored_user_ids: Collection[str]) -> tuple[list[bytes], int]:
        events: list[bytes] = []
        size = last = 0
        for message in self._held:
            if not after < message.position <= through or message.sender in ignored_user_ids:
                continue
            if len(events) == ANSWER_MESSAGES_MAX or size >= ANSWER_BYTES_MAX:
                return events, last
            events.append(message.event_json)
            size += len(message.event_json)
            last = message.position
        rest_after = self._rest_after
        return events, through if rest_after is None or rest_after >= through else max(rest_after, after)

    @property
    def is_empty(self) -> bool:
        return self._rest_after is None and not self._held

    # --- the owner's part of it

    async def _read(self) -> None:
        """Hold what comes next; several requests wait for the same reading."""
        if self._reading is None:
            self._reading = asyncio.create_task(self._read_on())
            self._reading.add_done_callback(lambda done: done.cancelled() or done.exception())
        await asyncio.shield(self._reading)

    async def _read_on(self) -> None:
        after = self._rest_after or 0
        try:
            found = await self._source.read(self._user_id, self._device_id, after)
        finally:
            late, self._late, self._reading = self._late, [], None
        self._rest_after = None
        for message in found:
            self._hold(message)
        if len(found) >= HELD_MESSAGES_MAX and self._rest_after is None:
            self._rest_after = found[-1].position
        for message in late:
            self._hold(message)

    def _drop_through(self, position: int) -> None:
        held = self._held
        while held and held[0].position <= position:
            self._held_bytes -= len(held.popleft().event_json)

    def _delete(self) -> None:
        if self._deleting is None:
            self._deleting = asyncio.create_task(self._delete_all())

    async def _delete_all(self) -> None:
        try:
            while self._deleted_through < self._delete_through:
                through = self._delete_through
                await self._source.delete(self._user_id, self._device_id, through)
                self._deleted_through = through
        except MatrixError as error:
            _logger.info("delivered messages of a device of %s are not deleted yet: %s", self._user_id, error)
        finally:
            self._deleting = None

    def tasks(self) -> list[asyncio.Task[None]]:
        """What is going on in the background."""
        return [task for task in (self._reading, self._deleting) if task is not None]


class OwnersInboxes:
    """`InboxSource`: the owners of the user shards."""

    def __init__(self, asker: Asker, commands: CommandClient) -> None:
        self._asker = asker
        self._commands = commands

    async def read(self, user_id: str, device_id: str, after_position: int) -> Sequence[ToDeviceMessage]:
        request = ToDeviceRequest(
            user_id=user_id, device_id=device_id, after_position=after_position, limit=HELD_MESSAGES_MAX
        )
        return [
            ToDeviceMessage(entry.position, entry.sender, event_of(entry.sender, entry.type, entry.content_json))
            async for chunk in self._asker.stream(GET_TO_DEVICE, request)
            for entry in chunk.entries
        ]

    async def delete(self, user_id: str, device_id: str, through_position: int) -> None:
        delivered = DeliveredToDevice(user_id=user_id, device_id=device_id, through_position=through_position)
        for _ in range(DELETE_ROUNDS_MAX):
            if not (await self._commands.user(user_id, UserCommand(delivered_to_device=delivered))).more:
                return
        raise Unavailable("There is more to delete than can be done at once")


def event_of(sender: str, event_type: str, content_json: bytes) -> bytes:
    """As clients get it."""
    return b'{"content":%b,"sender":%b,"type":%b}' % (content_json, orjson.dumps(sender), orjson.dumps(event_type))
