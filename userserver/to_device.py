"""To-device messages: an inbox for each device, from which messages go when the device has them.

    send        1 gateway      groups the messages by their recipients' shards; here come those of one shard
                2 prepare      was this request carried out before? who are the recipients, how full are their inboxes
                3 execute      one fact for each recipient, with what all their devices get
    deliver       sync worker  reads and follows the inbox (`queries`, facts)
    delivered     execute      the device has come back with the position that it was told: what stands through it goes

A request is carried out once in each shard, however often it is sent: by the
hash of (sender, device, type, transaction ID), in a table, and in memory while
commands about it are in flight.

How full an inbox is, its first and its last message tell: each carries how many
messages, and bytes, were ever put into this inbox. What an inbox cannot take is
ignored, as if there were no such device: one that nobody empties must not keep
the other recipients from getting theirs. Messages older than 30 days expire.

Spec: https://spec.matrix.org/v1.19/client-server-api/#send-to-device-messaging
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import NamedTuple
from weakref import WeakValueDictionary

from matrix_protocol.errors import TooLarge
from service_kit.ledger.domain import Batch
from service_kit.limits import (
    TO_DEVICE_EXPANDED_BYTES_MAX,
    TO_DEVICE_INBOX_BYTES_MAX,
    TO_DEVICE_INBOX_MESSAGES_MAX,
)
from service_kit.rpc.pb.facts_pb2 import Fact, ToDeviceContent, ToDeviceDeliveredFact, ToDeviceFact, ToDeviceTarget
from service_kit.rpc.pb.user_commands_pb2 import DeliveredToDevice, SendToDevice, ToDeviceMessage, UserReply
from service_kit.shards import Shard
from service_kit.store.interface import Range, Store
from userserver.tables import TO_DEVICE, TO_DEVICE_INBOXES, TO_DEVICE_TRANSACTIONS, ToDeviceRow
from userserver.unapplied import Unapplied
from userserver.users import Inbox, User, Users

ALL_DEVICES = "*"
READS_AT_ONCE_MAX = 32
"""Recipients of one request."""
DELETED_AT_ONCE_MAX = 500
ROW_BYTES = 1024
"""What a message counts for besides its content: writing many small ones takes time, too."""

_logger = logging.getLogger(__name__)


class Transaction:
    """A request to send, shared by all commands in flight that are about it."""

    __slots__ = ("__weakref__", "is_done")

    def __init__(self) -> None:
        self.is_done = False


class Sending(NamedTuple):
    transaction: Transaction
    transaction_sha256: bytes
    recipients: Mapping[str, User]


class Delivery(NamedTuple):
    user: User
    inbox: Inbox | None
    rows: Sequence[ToDeviceRow]


class ToDevice:
    def __init__(self, shard: Shard, store: Store, unapplied: Unapplied, users: Users) -> None:
        self._shard = shard
        self._store = store
        self._unapplied = unapplied
        self._users = users
        self._transactions: WeakValueDictionary[bytes, Transaction] = WeakValueDictionary()

    # --- send

    async def prepare_send(self, command: SendToDevice) -> Sending:
        digest = transaction_sha256(command)
        transaction = self._transactions.get(digest)
        if transaction is None:
            transaction = self._transactions[digest] = Transaction()
        await self._unapplied.wait_for(digest)
        if await self._store.get(TO_DEVICE_TRANSACTIONS, (self._shard.number, digest)) is not None:
            transaction.is_done = True
        if transaction.is_done:
            return Sending(transaction, digest, {})
        user_ids = list(dict.fromkeys(message.user_id for message in command.messages))
        recipients: dict[str, User] = {}
        for first in range(0, len(user_ids), READS_AT_ONCE_MAX):
            some = user_ids[first : first + READS_AT_ONCE_MAX]
            for user in await asyncio.gather(*map(self._users.load, some)):
                recipients[user.user_id] = user
        for user_id, messages in _by_user(command.messages).items():
            for device_id in _devices_of(recipients[user_id], messages):
                await self._inbox(recipients[user_id], device_id)
        return Sending(transaction, digest, recipients)

    def send(self, command: SendToDevice, sending: Sending, batch: Batch) -> UserReply:
        """Raises TooLarge, and then has changed nothing."""
        if sending.transaction.is_done:
            return UserReply()
        facts: list[tuple[User, ToDeviceFact]] = []
        for user_id, messages in _by_user(command.messages).items():
            user = sending.recipients[user_id]
            if contents := _contents(user, messages):
                fact = ToDeviceFact(sender=command.sender, type=command.event_type, contents=contents)
                facts.append((user, fact))
        _check_size(fact for _, fact in facts)
        if facts:
            facts[0][1].transaction_sha256 = sending.transaction_sha256
            sending.transaction.is_done = True
        for user, fact in facts:
            position = self._users.record(batch, user, Fact(to_device=fact))
            if fact.transaction_sha256:
                self._unapplied.note(fact.transaction_sha256, position)
            for content in fact.contents:
                for target in content.targets:
                    inbox = user.inboxes[target.device_id]
                    inbox.messages_through, inbox.bytes_through = target.messages_through, target.bytes_through
        return UserReply()

    # --- delivered

    async def prepare_delivered(self, command: DeliveredToDevice) -> Delivery:
        user = await self._users.load(command.user_id)
        if command.device_id not in user.devices:
            return Delivery(user, None, ())
        inbox = await self._inbox(user, command.device_id)
        rows = await self._store.scan(
            TO_DEVICE,
            (command.user_id, command.device_id),
            range=Range(after=inbox.delivered_through, through=command.through_position),
            limit=DELETED_AT_ONCE_MAX,
        )
        return Delivery(user, inbox, rows)

    def delivered(self, command: DeliveredToDevice, delivery: Delivery, batch: Batch) -> UserReply:
        inbox = delivery.inbox
        if inbox is None or not delivery.rows or delivery.rows[-1].position <= inbox.delivered_through:
            return UserReply()
        last = delivery.rows[-1]
        fact = ToDeviceDeliveredFact(
            device_id=command.device_id,
            through_position=last.position,
            positions=[row.position for row in delivery.rows],
        )
        self._users.record(batch, delivery.user, Fact(to_device_delivered=fact))
        inbox.delivered_through = last.position
        inbox.messages_before, inbox.bytes_before = last.messages_through, last.bytes_through
        return UserReply(more=len(delivery.rows) == DELETED_AT_ONCE_MAX)

    async def _inbox(self, user: User, device_id: str) -> Inbox:
        inbox = user.inboxes.get(device_id)
        if inbox is None:
            inbox = user.inboxes[device_id] = Inbox()
        if inbox.is_known:
            return inbox
        await self._unapplied.wait_for(user.user_id)
        key = (user.user_id, device_id)
        row = await self._store.get(TO_DEVICE_INBOXES, key)
        delivered_through = 0 if row is None else row.delivered_through
        waiting = Range(after=delivered_through)
        first = await self._store.scan(TO_DEVICE, key, range=waiting, limit=1)
        last = await self._store.scan(TO_DEVICE, key, range=waiting, limit=1, reverse=True)
        if not inbox.is_known:  # nobody was faster
            inbox.is_known = True
            inbox.delivered_through = delivered_through
            inbox.messages_before = first[0].messages_through - 1 if first else 0
            inbox.bytes_before = first[0].bytes_through - len(first[0].content_json) if first else 0
            inbox.messages_through = last[0].messages_through if last else 0
            inbox.bytes_through = last[0].bytes_through if last else 0
        return inbox


def transaction_sha256(command: SendToDevice) -> bytes:
    """What makes two requests the same: "the path of the HTTP request is the same", for one device."""
    parts = (command.sender, command.device_id, command.event_type, command.client_txn_id)
    return sha256(b"".join(b"%d:%b" % (len(part.encode()), part.encode()) for part in parts)).digest()


def _by_user(messages: Iterable[ToDeviceMessage]) -> dict[str, dict[str, bytes]]:
    """Contents by user and device; "Only one message can be sent to each device per transaction": the last."""
    found: dict[str, dict[str, bytes]] = {}
    for message in messages:
        found.setdefault(message.user_id, {})[message.device_id] = message.content_json
    return found


def _devices_of(user: User, messages: Mapping[str, bytes]) -> list[str]:
    """Which of the user's devices get anything."""
    if ALL_DEVICES in messages:
        return list(user.devices)
    return [device_id for device_id in messages if device_id in user.devices]


def _contents(user: User, messages: Mapping[str, bytes]) -> list[ToDeviceContent]:
    """What goes into which inboxes; a content that several devices get is there once."""
    by_content: dict[bytes, ToDeviceContent] = {}
    for device_id in _devices_of(user, messages):
        content_json = messages.get(device_id) or messages[ALL_DEVICES]
        # A device that was made after `prepare` has nothing in its inbox.
        inbox = user.inboxes.setdefault(device_id, Inbox())
        messages_through, bytes_through = inbox.messages_through + 1, inbox.bytes_through + len(content_json)
        if (
            messages_through - inbox.messages_before > TO_DEVICE_INBOX_MESSAGES_MAX
            or bytes_through - inbox.bytes_before > TO_DEVICE_INBOX_BYTES_MAX
        ):
            inbox.is_known = False  # perhaps some of it has expired: the next one looks
            _logger.info("the inbox of device %s of %s is full", device_id, user.user_id)
            continue
        content = by_content.setdefault(content_json, ToDeviceContent(content_json=content_json))
        content.targets.append(
            ToDeviceTarget(device_id=device_id, messages_through=messages_through, bytes_through=bytes_through)
        )
    return list(by_content.values())


def _check_size(facts: Iterable[ToDeviceFact]) -> None:
    contents = [content for fact in facts for content in fact.contents]
    size = sum((len(content.content_json) + ROW_BYTES) * len(content.targets) for content in contents)
    if size > TO_DEVICE_EXPANDED_BYTES_MAX:
        raise TooLarge(f"These messages have {size} bytes, once for each device: send them in several requests")
