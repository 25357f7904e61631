"""What a service brings to a shard that it owns: the rules. The ledger brings the rest.

The life of a command at the owner (`service_kit.ledger.owner`):

    1 arrive     the same command_id seen before: the same Reply again, nothing done twice
    2 prepare    whatever may take long (load a room, hash a password), many at once
    3 execute    micro-batches, strictly in order, synchronous, in memory: a Reply and facts
    4 commit     one conditional append of the batch's facts, with their table rows
    5 answer     replies go out, facts go to the interested consumers
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Protocol

from matrix_protocol.errors import Unavailable
from service_kit.rpc.pb.commands_pb2 import Command, Reply
from service_kit.rpc.pb.facts_pb2 import Fact
from service_kit.store.interface import Write


class Outdated(Unavailable):
    """What was prepared is no longer so: raised by `execute`, which has done nothing. The owner prepares the command
    anew, some times, before it refuses it with this."""


class Batch(Protocol):
    """The facts of the micro-batch that is being executed."""

    @property
    def next_position(self) -> int:
        """The ledger position that the next added fact will have."""
        ...

    @property
    def now_ms(self) -> int:
        """Wall clock of this batch."""
        ...

    def add(self, fact: Fact) -> int:
        """Add a fact; returns its position. Its table rows come from `ShardDomain.tables_for`."""
        ...


class ShardDomain(Protocol):
    """The state and rules of one owned shard. Made new each time the shard is acquired.

    What `execute` changes in memory counts as true at once, before it is
    committed. If the append fails, the owner throws the whole object away.
    """

    async def recover(self, position: int) -> None:
        """Called once, after the ledger was redone through `position`, before the first command."""
        ...

    def prepare(self, command: Command) -> Awaitable[object] | object:
        """What `execute` needs. Answer an awaitable only if it must wait: the plain value is the fast path.

        Raises MatrixError to refuse the command. Must not change anything.
        """
        ...

    def execute(self, command: Command, prepared: object, batch: Batch) -> Reply:
        """Do the command in memory and add its facts to the batch.

        Raises MatrixError to refuse it, or Outdated: then it must have added nothing and changed nothing.
        """
        ...

    def tables_for(self, position: int, fact: Fact) -> Sequence[Write]:
        """The table rows that this fact makes: a pure function, idempotent, used for new facts and for redo."""
        ...

    def committed(self, first_position: int, facts: Sequence[Fact]) -> Sequence[tuple[str, bytes]] | None:
        """These facts are durable now (evict, start timers, …).

        What it returns, (subject, payload), is published before the replies go out.
        """
        ...

    async def close(self) -> None:
        """The shard is handed over or lost; release everything."""
        ...
