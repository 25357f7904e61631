"""Whom callers ignore, for pages of events: asked once in a while, not for each page.

"Once ignored, the client will no longer receive events sent by that user, with the exception of state events."
Only /sync has to notice a change of the list at once; here it takes effect within KEPT_S.
Spec: https://spec.matrix.org/v1.19/client-server-api/#ignoring-users
"""

from __future__ import annotations

from collections.abc import Collection

from api_gateway.aggregations import ignored_by
from service_kit.clock import Clock
from service_kit.http.authentication import Caller
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.room_queries_pb2 import TimelineEntry

KEPT_S = 10.0
KEPT_MAX = 10_000
"""Callers; the oldest are forgotten first."""


class IgnoredUsers:
    def __init__(self, commands: CommandClient, clock: Clock) -> None:
        self._commands = commands
        self._clock = clock
        self._kept: dict[str, tuple[float, frozenset[str]]] = {}

    async def without_their_events(self, entries: list[TimelineEntry], caller: Caller) -> list[TimelineEntry]:
        """What of these is left for the caller."""
        if not entries or not (ignored := await self._of(caller)):
            return entries
        return [entry for entry in entries if entry.sender not in ignored or entry.HasField("state_key")]

    async def _of(self, caller: Caller) -> Collection[str]:
        until_s, ignored = self._kept.get(caller.user_id, (0.0, frozenset()))
        if until_s <= self._clock.monotonic_s():
            ignored = frozenset(await ignored_by(caller, self._commands))
            self._kept.pop(caller.user_id, None)
            if len(self._kept) >= KEPT_MAX:
                del self._kept[next(iter(self._kept))]
            self._kept[caller.user_id] = (self._clock.monotonic_s() + KEPT_S, ignored)
        return ignored
