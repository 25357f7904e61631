"""How often registration tokens with limited uses were used, each counted by the shard that it hashes to."""

from __future__ import annotations

from service_kit.ledger.domain import Batch
from service_kit.rpc.pb.facts_pb2 import Fact, RegistrationTokenFact
from service_kit.rpc.pb.user_commands_pb2 import UseRegistrationToken, UserReply
from service_kit.store.interface import Store
from userserver.credential_tables import REGISTRATION_TOKENS, RegistrationTokenRow
from userserver.live_rows import LiveRow, LiveRows
from userserver.unapplied import Unapplied

_STEPS = {UseRegistrationToken.ASK: 0, UseRegistrationToken.TAKE: 1, UseRegistrationToken.GIVE_BACK: -1}


class RegistrationTokens:
    def __init__(self, store: Store, unapplied: Unapplied) -> None:
        self._rows = LiveRows(store, REGISTRATION_TOKENS, unapplied)

    async def prepare(self, command: UseRegistrationToken) -> LiveRow[RegistrationTokenRow]:
        return await self._rows.load(command.token_sha256)

    def use(self, command: UseRegistrationToken, live: LiveRow[RegistrationTokenRow], batch: Batch) -> UserReply:
        before = 0 if live.row is None else live.row.uses
        is_left = before < command.uses_max
        step = _STEPS[command.act]
        if step < 0 < before or (step > 0 and is_left):
            row = RegistrationTokenRow(command.token_sha256, before + step)
            fact = RegistrationTokenFact(token_sha256=row.token_sha256, uses=row.uses)
            self._rows.changed(live, row, batch.add(Fact(registration_token=fact)))
        return UserReply(matched=is_left)
