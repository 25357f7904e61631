"""Replies given lately, so that a command sent again is answered and not done again."""

from __future__ import annotations

from collections import deque

from service_kit.clock import Clock

REMEMBER_MS = 120_000
"""How long at most: commands give up within 30 s."""
REPLIES_MAX = 50_000


class RememberedReplies:
    """Bounded in number, and each until its command's deadline: a command past that is not done any more."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._by_command_id: dict[bytes, bytes] = {}
        self._order: deque[tuple[int, bytes]] = deque()

    def get(self, command_id: bytes) -> bytes | None:
        return self._by_command_id.get(command_id)

    def put(self, command_id: bytes, reply: bytes, now_ms: int, until_ms: int) -> None:
        """Call with growing `now_ms`. `until_ms` is cut to REMEMBER_MS from then."""
        self._by_command_id[command_id] = reply
        self._order.append((min(until_ms, now_ms + REMEMBER_MS), command_id))
        while self._order and (self._order[0][0] < now_ms or len(self._order) > REPLIES_MAX):
            self._by_command_id.pop(self._order.popleft()[1], None)
