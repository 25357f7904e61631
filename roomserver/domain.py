"""The rules of one owned room shard, as the ledger asks for them (`service_kit.ledger.domain`)."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence

from matrix_protocol.errors import BadJson
from roomserver.input.rows import rows_of
from roomserver.input.steps import STEPS
from roomserver.state.shard import OwnedShard, Surroundings
from service_kit.ledger.domain import Batch
from service_kit.rpc.pb.commands_pb2 import Command, Reply
from service_kit.rpc.pb.facts_pb2 import Fact
from service_kit.shards import Shard
from service_kit.store.interface import Write


class RoomShardDomain:
    """Implements `ShardDomain`: looks up the step of a command, and the rows of a fact."""

    def __init__(self, shard: Shard, surroundings: Surroundings) -> None:
        self.owned = OwnedShard(shard, surroundings)

    async def recover(self, position: int) -> None:
        await self.owned.recover()

    def prepare(self, command: Command) -> Awaitable[object] | object:
        body = command.room
        name = body.WhichOneof("command")
        if name is None:
            raise BadJson("There is no command for a room in this message")
        return STEPS[name].prepare(self.owned, command.key, getattr(body, name))

    def execute(self, command: Command, prepared: object, batch: Batch) -> Reply:
        body = command.room
        name = body.WhichOneof("command")
        assert name is not None, "prepare refuses a command without a body"
        return Reply(room=STEPS[name].execute(self.owned, command.key, getattr(body, name), prepared, batch))

    def tables_for(self, position: int, fact: Fact) -> Sequence[Write]:
        return rows_of(self.owned.shard, position, fact)

    def committed(self, first_position: int, facts: Sequence[Fact]) -> None:
        """Nothing to do: what may be dropped from memory follows from how far the tables are."""

    async def close(self) -> None:
        await self.owned.close()
