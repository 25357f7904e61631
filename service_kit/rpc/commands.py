"""Commands to shard owners, sent until they are answered.

Each command has an ID of its own; the owner does it once, however often it
arrives. So whatever goes wrong on the way (nobody listens because the shard is
changing hands, no answer, the connection broke) the answer is to send the same
bytes again until the deadline. A failover is latency for the caller, not an error.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Set
from itertools import count
from typing import Any, overload

from matrix_protocol.errors import TooLarge, Unavailable
from service_kit import telemetry
from service_kit.bus import streams
from service_kit.bus.interface import PAYLOAD_BYTES_MAX, Bus, BusDisconnected, NoResponders, RequestTimeout
from service_kit.clock import Clock
from service_kit.rpc.errors import as_matrix_error
from service_kit.rpc.pb.commands_pb2 import Command, Reply
from service_kit.rpc.pb.room_commands_pb2 import RoomCommand, RoomReply
from service_kit.rpc.pb.user_commands_pb2 import UserCommand, UserReply
from service_kit.shards import Shard, ShardMap

ATTEMPT_FIRST_S = 0.25
ATTEMPT_MAX_S = 1.0
"""How long to wait for an answer before the command is sent again: twice as long each time. An owner that died with the
command in its hands never answers; one that has much to do does the command once, and answers all who asked. From the
second attempt on, each is listened for until the deadline."""
BACKOFF_FIRST_S = 0.01
BACKOFF_MAX_S = 0.2
TIMEOUT_S = 30.0


class CommandClient:
    """Sends commands to whoever owns the shard now. Raises MatrixErrors only: the owner's, or Unavailable."""

    def __init__(self, bus: Bus, shards: ShardMap, clock: Clock) -> None:
        self._bus = bus
        self._clock = clock
        self.shards = shards
        # Unique without asking the system for randomness each time; nothing depends on its being secret.
        self._id_prefix = os.urandom(8)
        self._id_numbers = count()

    async def room(self, room_id: str, command: RoomCommand, *, timeout_s: float = TIMEOUT_S) -> RoomReply:
        envelope = Command(key=room_id, room=command)
        return (await self._ask(self.shards.of_room(room_id), envelope, timeout_s)).room

    async def user(self, user_id: str, command: UserCommand, *, timeout_s: float = TIMEOUT_S) -> UserReply:
        envelope = Command(key=user_id, user=command)
        return (await self._ask(self.shards.of_user(user_id), envelope, timeout_s)).user

    @overload
    async def shard(self, shard: Shard, key: str, body: RoomCommand, *, timeout_s: float = ...) -> RoomReply: ...
    @overload
    async def shard(self, shard: Shard, key: str, body: UserCommand, *, timeout_s: float = ...) -> UserReply: ...
    async def shard(
        self, shard: Shard, key: str, body: RoomCommand | UserCommand, *, timeout_s: float = TIMEOUT_S
    ) -> RoomReply | UserReply:
        """To a shard that is known otherwise than by its key (an access token names its shard)."""
        if isinstance(body, RoomCommand):
            return (await self._ask(shard, Command(key=key, room=body), timeout_s)).room
        return (await self._ask(shard, Command(key=key, user=body), timeout_s)).user

    async def _ask(self, shard: Shard, command: Command, timeout_s: float) -> Reply:
        if not telemetry.is_tracing():
            return await self._send_until_answered(shard, command, timeout_s)
        with telemetry.span(f"{shard.kind} command over the bus"):
            return await self._send_until_answered(shard, command, timeout_s)

    async def _send_until_answered(self, shard: Shard, command: Command, timeout_s: float) -> Reply:
        deadline_s = self._clock.monotonic_s() + timeout_s
        command.command_id = self._id_prefix + next(self._id_numbers).to_bytes(8, "big")
        command.deadline_at_ms = self._clock.now_ms() + int(timeout_s * 1000)
        command.traceparent = telemetry.current_traceparent()
        payload = command.SerializeToString()
        if len(payload) > PAYLOAD_BYTES_MAX:
            raise TooLarge("The request is too large")
        again = _Again(self._bus, self._clock, streams.command(shard), payload, deadline_s)
        reply = await again.attempt(min(ATTEMPT_FIRST_S, timeout_s))
        if reply is None:
            reply = await again.until_answered(telemetry.COMMANDS_RETRIED.labels(shard.kind).inc)
        if reply is not None:
            return reply
        raise Unavailable("The part of the server that this belongs to is not available; try again later")


REMAINDER_MIN_S = 1e-6
"""Less time than this is none: so little, added to a clock's reading, may not change it."""


class _Again:
    """One command, sent as often as it takes."""

    def __init__(self, bus: Bus, clock: Clock, subject: str, payload: bytes, deadline_s: float) -> None:
        self._bus = bus
        self._clock = clock
        self._subject = subject
        self._payload = payload
        self._deadline_s = deadline_s

    async def attempt(self, timeout_s: float) -> Reply | None:
        """None: nobody has done it, as far as one can hear. Raises the MatrixError that the owner refuses it with."""
        try:
            answer = await self._bus.request(self._subject, self._payload, timeout_s=timeout_s)
        except (RequestTimeout, NoResponders, BusDisconnected):
            return None
        reply = Reply.FromString(answer)
        if reply.HasField("error"):
            raise as_matrix_error(reply.error)
        return None if reply.moved else reply

    async def until_answered(self, count_one: Callable[[], None]) -> Reply | None:
        """Attempts overlap: on a slow link the answer to one comes after the next was sent. None: the time is over."""
        attempts = set[asyncio.Future[Reply | None]]()
        backoff_s, wait_s = BACKOFF_FIRST_S, 2 * ATTEMPT_FIRST_S
        try:
            while (remaining_s := self._remaining_s()) > REMAINDER_MIN_S:
                count_one()
                attempts.add(asyncio.ensure_future(self.attempt(remaining_s)))
                ended = await self._first_of(attempts, min(wait_s, remaining_s))
                for attempt in ended:
                    if (reply := attempt.result()) is not None:
                        return reply
                attempts -= ended
                if ended:
                    await self._clock.sleep(min(backoff_s, max(self._remaining_s(), 0)))
                    backoff_s = min(backoff_s * 2, BACKOFF_MAX_S)
                else:
                    backoff_s, wait_s = BACKOFF_FIRST_S, min(2 * wait_s, ATTEMPT_MAX_S)
            return None
        finally:
            for attempt in attempts:
                attempt.cancel()
            await asyncio.gather(*attempts, return_exceptions=True)

    async def _first_of(
        self, attempts: Set[asyncio.Future[Reply | None]], timeout_s: float
    ) -> set[asyncio.Future[Reply | None]]:
        """Those that have ended, as soon as there is one; none of them after the time."""
        timer: asyncio.Future[Any] = asyncio.ensure_future(self._clock.sleep(timeout_s))
        try:
            waits: set[asyncio.Future[Any]] = {*attempts, timer}
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            timer.cancel()
        return {attempt for attempt in attempts if attempt.done()}

    def _remaining_s(self) -> float:
        return self._deadline_s - self._clock.monotonic_s()
