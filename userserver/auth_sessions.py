"""Which stages of user-interactive authentication were passed in a session, where a flow has more than one.

Kept at the shard that the session hashes to, so that any gateway goes on where another began.
Spec: https://spec.matrix.org/v1.19/client-server-api/#user-interactive-authentication-api
"""

from __future__ import annotations

import orjson

from matrix_protocol.errors import TooLarge
from service_kit.ledger.domain import Batch
from service_kit.rpc.pb.facts_pb2 import AuthSessionFact, Fact
from service_kit.rpc.pb.user_commands_pb2 import AuthStage, GetStages, PassStage, UserReply
from service_kit.store.interface import Store
from userserver.credential_tables import AUTH_SESSIONS, AuthSessionRow
from userserver.live_rows import LiveRow, LiveRows
from userserver.unapplied import Unapplied

STAGES_MAX = 10
DETAIL_BYTES_MAX = 2048


class AuthSessions:
    def __init__(self, store: Store, unapplied: Unapplied) -> None:
        self._rows = LiveRows(store, AUTH_SESSIONS, unapplied)

    async def prepare(self, command: PassStage | GetStages) -> LiveRow[AuthSessionRow]:
        return await self._rows.load(command.session)

    def pass_stage(self, command: PassStage, live: LiveRow[AuthSessionRow], batch: Batch) -> UserReply:
        """Replies with all that were passed. "Completed stages cannot be retried": the first time counts."""
        stages, new = _stages(live.row), command.stage
        if new.stage not in {stage for stage, _ in stages}:
            if len(stages) >= STAGES_MAX or len(new.detail_json) > DETAIL_BYTES_MAX:
                raise TooLarge("Too many stages in one session")
            stages.append((new.stage, new.detail_json.decode()))
            self._write(batch, live, AuthSessionRow(command.session, orjson.dumps(stages)))
        return _reply(stages)

    def get(self, command: GetStages, live: LiveRow[AuthSessionRow], batch: Batch) -> UserReply:
        stages = _stages(live.row)
        if command.end and live.row is not None:
            self._write(batch, live, None)
        return _reply(stages)

    def _write(self, batch: Batch, live: LiveRow[AuthSessionRow], row: AuthSessionRow | None) -> None:
        session = str(live.key[0])
        fact = AuthSessionFact(session=session, stages_json=b"" if row is None else row.stages_json)
        self._rows.changed(live, row, batch.add(Fact(auth_session=fact)))


def _stages(row: AuthSessionRow | None) -> list[tuple[str, str]]:
    return [] if row is None else [(stage, detail) for stage, detail in orjson.loads(row.stages_json)]


def _reply(stages: list[tuple[str, str]]) -> UserReply:
    return UserReply(stages=[AuthStage(stage=stage, detail_json=detail.encode()) for stage, detail in stages])
