"""Client transaction IDs: the same request sent again is answered again, not done again.

Spec: https://spec.matrix.org/v1.19/client-server-api/#transaction-identifiers
"The homeserver should identify a request as a retransmission if the transaction
ID is the same as a previous request, and the path of the HTTP request is the
same", for one device.

The first time that a device sends into a room here, its earlier transactions
of the room are read from the table (`load`); from then on memory knows them all,
and a send reads nothing. Whoever has too many for that is looked up each time.

What the table may not have yet is never dropped from memory; and a command whose device was dropped between its
preparation and its execution is prepared anew: either way it would be done twice.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from itertools import islice
from typing import Final, NamedTuple

from roomserver.tables import EVENT_BY_CLIENT_TXN, EventByClientTxnRow
from service_kit.store.interface import Range, Store

LOADED_TRANSACTIONS_MAX: Final = 1000
DEVICE_TRANSACTIONS_MAX: Final = 4000
SHARD_TRANSACTIONS_MAX: Final = 8000
"""Some 300 bytes each."""
LOOKED_UP_MAX: Final = 1000
"""Of one device, between preparation and execution."""


class DeviceInRoom(NamedTuple):
    room_id: str
    user_id: str
    device_id: str


def scoped_txn_id(room_id: str, event_type: str, redacts: str, client_txn_id: str) -> str:
    """The transaction ID together with the path that it was used on, as it stands in the table."""
    return f"{room_id}|{len(event_type)}|{event_type}|{redacts}|{client_txn_id}"


class _Device:
    __slots__ = ("event_ids", "is_complete", "is_overfull", "last_position", "looked_up")

    def __init__(self, *, is_overfull: bool = False) -> None:
        self.event_ids: dict[str, str] = {}
        self.is_complete = False
        """Whether a transaction that is not here has never been."""
        self.is_overfull = is_overfull
        """It has more than memory takes: each is looked up."""
        self.last_position = 0
        """of the latest event recorded; the table may lack it as long as it is not applied"""
        self.looked_up: set[str] = set()
        """Transactions that were looked up and had not been."""

    def drop_older_half(self) -> int:
        """Returns how many went. Half at once: a dictionary finds its oldest entry the slower, the more went before."""
        dropped = len(self.event_ids) // 2
        self.event_ids = dict(islice(self.event_ids.items(), dropped, None))
        self.is_complete = False
        self.is_overfull = True
        return dropped


class ClientTransactions:
    """What one shard's owner remembers of them."""

    def __init__(self, store: Store, applied_position: Callable[[], int]) -> None:
        self._store = store
        self._applied_position = applied_position
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

    def is_new(self, device: DeviceInRoom, scoped: str) -> bool:
        """Whether this transaction certainly has not been; for `execute`, after `event_id` found nothing."""
        known = self._devices.get(device)
        return known is not None and (known.is_complete or scoped in known.looked_up)

    def record(self, device: DeviceInRoom, scoped: str, event_id: str, position: int) -> None:
        """This transaction has made this event, at this position of the ledger."""
        known = self._known(device)
        applied = self._applied_position()
        if len(known.event_ids) >= DEVICE_TRANSACTIONS_MAX and known.last_position <= applied:
            self._count -= known.drop_older_half()
        known.looked_up.discard(scoped)
        known.last_position = position
        self._add(known, scoped, event_id)
        self._shrink(applied)

    async def load(self, device: DeviceInRoom, scoped: str) -> None:
        """Read what the table knows, so that `event_id` finds this transaction if it ever was."""
        while not await self._try_load(device, scoped):
            pass  # dropped while it was being read: what was read may be old by now

    async def _try_load(self, device: DeviceInRoom, scoped: str) -> bool:
        known = self._known(device)
        rows: list[EventByClientTxnRow] = []
        if not known.is_overfull:
            rows = await self._store.scan(
                EVENT_BY_CLIENT_TXN,
                (device.user_id, device.device_id),
                range=Range(at_least=f"{device.room_id}|", before=f"{device.room_id}}}"),
                limit=LOADED_TRANSACTIONS_MAX,
            )
            known.is_overfull = known.is_overfull or len(rows) >= LOADED_TRANSACTIONS_MAX
        if known.is_overfull:
            row = await self._store.get(EVENT_BY_CLIENT_TXN, (device.user_id, device.device_id, scoped))
            rows = [] if row is None else [row]
        if self._devices.get(device) is not known:
            return False
        for row in rows:
            self._add(known, row.client_txn_id, row.event_id)
        if not known.is_overfull:
            known.is_complete = True
        elif not rows:
            known.looked_up.add(scoped)
            if len(known.looked_up) > LOOKED_UP_MAX:
                known.looked_up = {scoped}
        return True

    def _add(self, known: _Device, scoped: str, event_id: str) -> None:
        if scoped not in known.event_ids:
            self._count += 1
            known.event_ids[scoped] = event_id

    def _shrink(self, applied_position: int) -> None:
        """Drop the devices used longest ago, as far as the table has what they did."""
        while self._count > SHARD_TRANSACTIONS_MAX and self._devices:
            device, known = next(iter(self._devices.items()))
            if known.last_position > applied_position:
                return
            del self._devices[device]
            self._count -= len(known.event_ids)
            if len(known.event_ids) >= LOADED_TRANSACTIONS_MAX:
                # Remembered without its transactions: to find out again that it has too many would be a long read.
                self._devices[device] = _Device(is_overfull=True)

    def _known(self, device: DeviceInRoom) -> _Device:
        known = self._devices.get(device)
        if known is None:
            known = self._devices[device] = _Device()
        else:
            self._devices.move_to_end(device)
        return known
