"""Whose an address is: unique among the users of a server name, as one shard decides it.

The user's own record lists it, too, at another shard; whoever changes both (`api_gateway.third_party_ids`) claims it
here first, and releases it here last. So an address that is claimed here and is not in its user's list is either being
added, or was left over when somebody died between the two; after some minutes it may be claimed `instead_of` that user.
"""

from __future__ import annotations

from matrix_protocol.errors import ThreepidInUse
from service_kit.ledger.domain import Batch
from service_kit.rpc.pb.facts_pb2 import AddressFact, Fact
from service_kit.rpc.pb.user_commands_pb2 import (
    AddressOwner,
    ClaimAddress,
    GetAddress,
    ReleaseAddress,
    UserReply,
)
from service_kit.store.interface import Store
from userserver.credential_tables import ADDRESSES, AddressRow
from userserver.live_rows import LiveRow, LiveRows
from userserver.unapplied import Unapplied


class Addresses:
    def __init__(self, store: Store, unapplied: Unapplied) -> None:
        self._rows = LiveRows(store, ADDRESSES, unapplied)

    async def prepare(self, command: ClaimAddress | ReleaseAddress | GetAddress) -> LiveRow[AddressRow]:
        address = command.address
        return await self._rows.load(address.server_name, address.medium, address.address)

    def get(self, command: GetAddress, live: LiveRow[AddressRow], batch: Batch) -> UserReply:
        row = live.row
        owner = AddressOwner() if row is None else AddressOwner(user_id=row.user_id, claimed_at_ms=row.claimed_at_ms)
        return UserReply(address_owner=owner)

    def claim(self, command: ClaimAddress, live: LiveRow[AddressRow], batch: Batch) -> UserReply:
        """Raises ThreepidInUse if it is somebody else's than the command knows."""
        if live.row is not None and live.row.user_id not in (command.user_id, command.instead_of):
            raise ThreepidInUse("This address belongs to another account")
        self._write(live, command.user_id, batch)
        return self.get(GetAddress(), live, batch)

    def release(self, command: ReleaseAddress, live: LiveRow[AddressRow], batch: Batch) -> UserReply:
        """Of the claim that the command means: a newer one, of the same user's, stays."""
        row = live.row
        if row is not None and (row.user_id, row.claimed_at_ms) == (command.user_id, command.claimed_at_ms):
            self._write(live, "", batch)
        return UserReply()

    def _write(self, live: LiveRow[AddressRow], user_id: str, batch: Batch) -> None:
        server_name, medium, address = map(str, live.key)
        claimed_at_ms = batch.now_ms if live.row is None else max(batch.now_ms, live.row.claimed_at_ms + 1)
        row = AddressRow(server_name, medium, address, user_id, claimed_at_ms) if user_id else None
        fact = AddressFact(server_name=server_name, medium=medium, address=address, user_id=user_id)
        fact.claimed_at_ms = claimed_at_ms
        self._rows.changed(live, row, batch.add(Fact(address=fact)))
