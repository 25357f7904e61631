"""Account data: what a client keeps on the server for itself, for all rooms ("") or for one.

Not held in memory: setting it needs to know nothing, and reading it is one row.

Push rules are told as account data too: until a user has changed theirs, nothing is
stored, and everybody is told the rules of the specification (`default_row`).
"""

from __future__ import annotations

import orjson

from matrix_protocol.errors import NotFound
from matrix_protocol.push_rules import PUSH_RULES, default_push_rules
from service_kit.ledger.domain import Batch
from service_kit.rpc.pb.facts_pb2 import AccountDataFact, Fact
from service_kit.rpc.pb.user_commands_pb2 import GetAccountData, SetAccountData, UserReply
from service_kit.store.interface import Store
from userserver.tables import ACCOUNT_DATA, AccountDataRow
from userserver.unapplied import Unapplied

DEFAULT_POSITION = 1
"""Where default account data stands in the ledger of the user's shard: before whatever they set themselves."""


def default_row(user_id: str, room_id: str, event_type: str) -> AccountDataRow | None:
    """What somebody has who has set nothing."""
    if room_id or event_type != PUSH_RULES:
        return None
    return AccountDataRow(user_id, "", PUSH_RULES, orjson.dumps(default_push_rules(user_id)), DEFAULT_POSITION)


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
        return await self._store.get(ACCOUNT_DATA, key) or default_row(*key)

    def get(self, command: GetAccountData, row: AccountDataRow | None, batch: Batch) -> UserReply:
        if row is None:
            raise NotFound("There is no account data of this type")
        return UserReply(json=row.content_json)
