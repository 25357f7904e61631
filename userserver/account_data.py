"""Account data: what a client keeps on the server for itself, for all rooms ("") or for one.

Not held in memory: setting it needs to know nothing, and reading it is one row.
"""

from __future__ import annotations

from matrix_protocol.errors import NotFound
from service_kit.ledger.domain import Batch
from service_kit.rpc.pb.facts_pb2 import AccountDataFact, Fact
from service_kit.rpc.pb.user_commands_pb2 import GetAccountData, SetAccountData, UserReply
from service_kit.store.interface import Store
from userserver.tables import ACCOUNT_DATA, AccountDataRow
from userserver.unapplied import Unapplied


class AccountData:
    def __init__(self, store: Store, unapplied: Unapplied) -> None:
        self._store = store
        self._unapplied = unapplied

    def prepare_set(self, command: SetAccountData) -> None:
        return None

    def set(self, command: SetAccountData, prepared: None, batch: Batch) -> UserReply:
        fact = AccountDataFact(room_id=command.room_id, type=command.type, content_json=command.content_json)
        position = batch.add(Fact(user_id=command.user_id, account_data=fact))
        self._unapplied.note((command.user_id, command.room_id, command.type), position)
        self._unapplied.note(command.user_id, position)  # for a deactivation that erases all of it
        return UserReply()

    async def prepare_get(self, command: GetAccountData) -> AccountDataRow | None:
        key = (command.user_id, command.room_id, command.type)
        await self._unapplied.wait_for(key)
        return await self._store.get(ACCOUNT_DATA, key)

    def get(self, command: GetAccountData, row: AccountDataRow | None, batch: Batch) -> UserReply:
        if row is None:
            raise NotFound("There is no account data of this type")
        return UserReply(json=row.content_json)
