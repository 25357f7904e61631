"""Client transaction IDs: the same request sent again is answered again, not done again.

Spec: https://spec.matrix.org/v1.19/client-server-api/#transaction-identifiers
"The homeserver should identify a request as a retransmission if the transaction
ID is the same as a previous request, and the path of the HTTP request is the
same", for one device.

The first time that a device sends into a room here, its earlier transactions
of the room are read from the table (`load`); from then on memory knows them all,
and a send reads nothing. Whoever has too many for that is looked up each time.
"""

from __future__ import annotations

from collections import OrderedDict
from itertools import islice
from typing import Final, NamedTuple

from roomserver.tables import EVENT_BY_CLIENT_TXN
from service_kit.store.interface import Range, Store

LOADED_TRANSACTIONS_MAX: Final = 1000
DEVICE_TRANSACTIONS_MAX: Final = 4000
SHARD_TRANSACTIONS_MAX: Final = 8000
"""Some 300 bytes each."""


class DeviceInRoom(NamedTuple):
    room_id: str
    user_id: str
    device_id: str


def scoped_txn_id(room_id: str, event_type: str, redacts: str, client_txn_id: str) -> str:
    """The transaction ID together with the path that it was used on, as it stands in the table."""
    return f"{room_id}|{len(event_type)}|{event_type}|{redacts}|{client_txn_id}"


class _Device:
    __slots__ = ("event_ids", "is_complete", "is_overfull")

    def __init__(self) -> None:
        self.event_ids: dict[str, str] = {}
        self.is_complete = False
        """Whether a transaction that is not here has never been."""
        self.is_overfull = False
        """It has more than memory takes: each is looked up."""

    def drop_older_half(self) -> int:
        """Returns how many went. Half at once: a dictionary finds its oldest entry the slower, the more went before."""
        dropped = len(self.event_ids) // 2
        self.event_ids = dict(islice(self.event_ids.items(), dropped, None))
        self.is_complete = False
        self.is_overfull = True
        return dropped


class ClientTransactions:
    """What one shard's owner remembers of them."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._devices: OrderedDict[DeviceInRoom, _Device] = OrderedDict()
        self._count = 0

    def knows(self, device: DeviceInRoom) -> bool:
        """Whether `event_id` tells all there is to know of this device in this room."""
        known = self._devices.get(device)
        return known is not None and known.is_complete

    def event_id(self, device: DeviceInRoom, scoped: str) -> str | None:
        """The event that this transaction made, as far as memory knows."""
        known = self._devices.get(device)
        return None if known is None else known.event_ids.get(scoped)

    def record(self, device: DeviceInRoom, scoped: str, event_id: str) -> None:
        """This transaction has made this event."""
        known = self._known(device)
        if len(known.event_ids) >= DEVICE_TRANSACTIONS_MAX:
            self._count -= known.drop_older_half()
        if scoped not in known.event_ids:
            self._count += 1
        known.event_ids[scoped] = event_id
        while self._count > SHARD_TRANSACTIONS_MAX:
            self._count -= len(self._devices.popitem(last=False)[1].event_ids)

    async def load(self, device: DeviceInRoom, scoped: str) -> None:
        """Read what the table knows, so that `event_id` finds this transaction if it ever was."""
        known = self._known(device)
        if known.is_overfull:
            await self._load_one(device, scoped)
            return
        rows = await self._store.scan(
            EVENT_BY_CLIENT_TXN,
            (device.user_id, device.device_id),
            range=Range(at_least=f"{device.room_id}|", before=f"{device.room_id}}}"),
            limit=LOADED_TRANSACTIONS_MAX,
        )
        if len(rows) >= LOADED_TRANSACTIONS_MAX:
            known.is_overfull = True
            await self._load_one(device, scoped)
            return
        if self._devices.get(device) is known:
            known.is_complete = not known.is_overfull
        else:
            known = self._known(device)
        for row in rows:
            if row.client_txn_id not in known.event_ids:
                known.event_ids[row.client_txn_id] = row.event_id
                self._count += 1

    async def _load_one(self, device: DeviceInRoom, scoped: str) -> None:
        row = await self._store.get(EVENT_BY_CLIENT_TXN, (device.user_id, device.device_id, scoped))
        if row is not None:
            self.record(device, scoped, row.event_id)

    def _known(self, device: DeviceInRoom) -> _Device:
        known = self._devices.get(device)
        if known is None:
            known = self._devices[device] = _Device()
        else:
            self._devices.move_to_end(device)
        return known
