"""The stages of user-interactive authentication that were passed, at the shard that the session hashes to."""

from __future__ import annotations

from collections.abc import Iterable

import orjson

from api_gateway.user_interactive_auth import Passed
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.user_commands_pb2 import AuthStage, GetStages, PassStage, UserCommand


class StagesAtUserserver:
    """Implements `user_interactive_auth.PassedStages`."""

    def __init__(self, users: CommandClient) -> None:
        self._users = users

    async def get(self, session: str) -> Passed:
        return await self._ask(session, UserCommand(get_stages=GetStages(session=session)))

    async def add(self, session: str, stage: str, detail: object) -> Passed:
        passed = AuthStage(stage=stage, detail_json=b"" if detail is None else orjson.dumps(detail))
        return await self._ask(session, UserCommand(pass_stage=PassStage(session=session, stage=passed)))

    async def end(self, session: str) -> Passed:
        return await self._ask(session, UserCommand(get_stages=GetStages(session=session, end=True)))

    async def _ask(self, session: str, command: UserCommand) -> Passed:
        return _details((await self._users.user(session, command)).stages)


def _details(stages: Iterable[AuthStage]) -> Passed:
    return {each.stage: orjson.loads(each.detail_json) if each.detail_json else None for each in stages}
