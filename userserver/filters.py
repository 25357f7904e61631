"""Filters: a filter's ID is a hash of it, so saving the same filter again writes nothing."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import NamedTuple

from matrix_protocol.errors import LimitExceeded, NotFound
from service_kit.ledger.domain import Batch
from service_kit.limits import FILTERS_PER_USER_MAX
from service_kit.rpc.pb.facts_pb2 import Fact, FilterFact
from service_kit.rpc.pb.user_commands_pb2 import GetFilter, SaveFilter, UserReply
from service_kit.store.interface import Store
from userserver.tables import FILTERS, FilterRow
from userserver.unapplied import Unapplied


class PreparedFilter(NamedTuple):
    filter_id: str
    is_saved: bool


class Filters:
    def __init__(self, store: Store, unapplied: Unapplied) -> None:
        self._store = store
        self._unapplied = unapplied

    async def prepare_save(self, command: SaveFilter) -> PreparedFilter:
        filter_id = filter_id_of(command.filter_json)
        if await self._store.get(FILTERS, (command.user_id, filter_id)) is not None:
            return PreparedFilter(filter_id, is_saved=True)
        saved = await self._store.scan(FILTERS, (command.user_id,), limit=FILTERS_PER_USER_MAX)
        if len(saved) >= FILTERS_PER_USER_MAX:
            raise LimitExceeded(f"You have saved {len(saved)} different filters already: give filters inline instead")
        return PreparedFilter(filter_id, is_saved=False)

    def save(self, command: SaveFilter, prepared: PreparedFilter, batch: Batch) -> UserReply:
        if not prepared.is_saved:
            fact = FilterFact(filter_id=prepared.filter_id, filter_json=command.filter_json)
            position = batch.add(Fact(user_id=command.user_id, filter=fact))
            self._unapplied.note((command.user_id, prepared.filter_id), position)
        return UserReply(filter_id=prepared.filter_id)

    async def prepare_get(self, command: GetFilter) -> FilterRow | None:
        key = (command.user_id, command.filter_id)
        await self._unapplied.wait_for(key)
        return await self._store.get(FILTERS, key)

    def get(self, command: GetFilter, row: FilterRow | None, batch: Batch) -> UserReply:
        if row is None:
            raise NotFound("You have no filter with this ID")
        return UserReply(json=row.filter_json)


def filter_id_of(filter_json: bytes) -> str:
    """96 bits; never starts with "{", by which filters given inline are known."""
    return urlsafe_b64encode(sha256(filter_json).digest()[:12]).decode("ascii")
