"""A command between its arrival at the owner of its shard and its reply."""

from __future__ import annotations

from matrix_protocol.errors import MatrixError
from service_kit import telemetry
from service_kit.bus.interface import Message
from service_kit.rpc.pb.commands_pb2 import Command

PREPARED_TIMES_MAX = 3
"""So often a command is prepared whose preparation proves `Outdated`, before it is refused."""


class Pending:
    """A command on its way through the owner, and whoever waits for its reply."""

    __slots__ = ("added", "arrived_at_ns", "command", "messages", "outdated_times", "prepared", "refused", "reply")

    def __init__(self, command: Command, message: Message) -> None:
        self.command = command
        self.messages = [message]
        self.prepared: object = None
        self.refused: MatrixError | None = None
        self.reply = b""
        self.added = False
        self.outdated_times = 0
        self.arrived_at_ns = telemetry.now_ns() if command.traceparent else 0

    def may_be_prepared_anew(self) -> bool:
        """Its preparation proved `Outdated`; counted."""
        self.outdated_times += 1
        return self.outdated_times < PREPARED_TIMES_MAX
