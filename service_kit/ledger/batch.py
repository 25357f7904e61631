"""One micro-batch: what some commands, executed one after the other, add to the ledger."""

from __future__ import annotations

from service_kit.ledger.append import FACTS_PER_COMMAND_MAX
from service_kit.ledger.domain import ShardDomain
from service_kit.ledger.tables import BUCKET_POSITIONS
from service_kit.rpc.pb.commands_pb2 import Command
from service_kit.rpc.pb.facts_pb2 import Fact
from service_kit.store.interface import Write

FACT_BYTES_MAX = 1024 * 1024
"""A batch that has reached this takes no further command."""


class TooManyFacts(Exception):
    """One command added more facts than a ledger bucket is sure to have room for: a flaw of the domain."""


class MicroBatch:
    """Collects facts in order. What a command added is `sealed` (serialised) or `undone` right after it."""

    __slots__ = ("_bytes", "_facts_max", "fact_bytes", "facts", "first_position", "now_ms", "tables")

    def __init__(self, first_position: int, now_ms: int) -> None:
        self.first_position = first_position
        self.now_ms = now_ms
        self.facts: list[Fact] = []
        self.fact_bytes: list[bytes] = []
        self.tables: list[Write] = []
        self._bytes = 0
        self._facts_max = BUCKET_POSITIONS - first_position % BUCKET_POSITIONS

    @property
    def next_position(self) -> int:
        return self.first_position + len(self.facts)

    @property
    def last_position(self) -> int:
        return self.first_position + len(self.facts) - 1

    def has_room(self) -> bool:
        """Whether another command may be executed into this batch."""
        return self._bytes < FACT_BYTES_MAX and len(self.facts) + FACTS_PER_COMMAND_MAX <= self._facts_max

    def add(self, fact: Fact) -> int:
        if len(self.facts) - len(self.fact_bytes) >= FACTS_PER_COMMAND_MAX:
            raise TooManyFacts(f"a command added more than {FACTS_PER_COMMAND_MAX} facts")
        self.facts.append(fact)
        return self.first_position + len(self.facts) - 1

    def seal(self, command: Command, reply: bytes, domain: ShardDomain) -> None:
        """Complete the facts that this command added, and make their table rows.

        The first one carries the reply, so that whoever owns the shard later can give it again. A domain may
        have put another one there: the reply without its secrets.
        """
        first = self.facts[len(self.fact_bytes)]
        first.command_id = command.command_id
        if not first.command_reply:
            first.command_reply = reply
        for index in range(len(self.fact_bytes), len(self.facts)):
            fact = self.facts[index]
            fact.written_at_ms = self.now_ms
            if command.traceparent:
                fact.traceparent = command.traceparent
            serialised = fact.SerializeToString()
            self.fact_bytes.append(serialised)
            self._bytes += len(serialised)
            self.tables.extend(domain.tables_for(self.first_position + index, fact))

    def undo(self) -> bool:
        """Take out what the current command added; True if that was anything."""
        added = len(self.facts) > len(self.fact_bytes)
        del self.facts[len(self.fact_bytes) :]
        return added
