"""From when on the messages of a room are shown: `m.room.retention` as it is now."""

from __future__ import annotations

import orjson

from matrix_protocol.retention import RETENTION, RetentionPolicy
from roomserver.tables import CURRENT_STATE_BY_ROOM
from service_kit.clock import Clock
from service_kit.store.interface import Store


class Retention:
    """Without a policy everything is shown, and nothing is read."""

    def __init__(self, store: Store, clock: Clock, policy: RetentionPolicy | None) -> None:
        self._store = store
        self._clock = clock
        self._policy = policy

    async def oldest_ms(self, room_id: str) -> int:
        """Messages from before this are shown to nobody; 0 = all are shown.

        "only the latest retention policy state event in that room is considered."
        """
        if self._policy is None:
            return 0
        row = await self._store.get(CURRENT_STATE_BY_ROOM, (room_id, RETENTION, ""))
        content = None if row is None else orjson.loads(row.client_json)["content"]
        return self._policy.oldest_ms(content, self._clock.now_ms())
