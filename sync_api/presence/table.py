"""Who is what, as the owners of the user shards have told.

An owner tells every second what has changed in its shards, with the time of its clock through which that is
complete. The earliest of these times is what all shards are complete through (`through_ms`): the client has been
told of every change through it, which is what its token says. Clocks that differ delay presence, and lose none of it.

A message that was missed shows in the next one (`after_ms`); then, and where a shard has a new owner, everybody in
the shard is asked for anew. A new owner knows only who was reported to it since: whoever it has not told of after
RECOVERY_S is gone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from service_kit.rpc.pb.presence_pb2 import ShardPresence, UserPresence

RECOVERY_MS = 90_000
"""Workers report again within 20 s; a new owner serves within seconds."""
OFFLINE = "offline"
USERS_MAX = 200_000
"""Some 250 bytes each; those that changed longest ago are forgotten first."""


class Entry(NamedTuple):
    presence: str
    status_msg: str
    last_active_at_ms: int
    changed_at_ms: int
    shard: int
    epoch: int
    """of the owner that told it last"""


class _ShardState:
    __slots__ = ("as_of_ms", "epoch", "recovers_until_ms")

    def __init__(self) -> None:
        self.epoch = self.as_of_ms = 0
        self.recovers_until_ms = 0
        """until then, a new owner may not know everybody yet; 0 = it does"""


class PresenceTable:
    def __init__(self, shards: int) -> None:
        self._shards = [_ShardState() for _ in range(shards)]
        self._entries: dict[str, Entry] = {}
        """those that changed last, last"""
        self.through_ms = 0
        self.latest_ms = 0
        """Nothing that `apply` was given is later, whether those whom it concerns know of it or not."""

    def get(self, user_id: str) -> Entry | None:
        return self._entries.get(user_id)

    def newest_first(self) -> Iterator[tuple[str, Entry]]:
        return reversed(self._entries.items())

    def fits(self, told: ShardPresence) -> bool:
        """Whether nothing was missed before this message."""
        state = self._shards[told.shard]
        return told.epoch == state.epoch and told.after_ms == state.as_of_ms

    def apply(self, told: ShardPresence) -> list[str]:
        """Take it in, whole shard or changes; whose presence has changed. `complete` when others know of it."""
        state = self._shards[told.shard]
        self.latest_ms = max(self.latest_ms, told.as_of_ms)
        if told.epoch != state.epoch:
            state.recovers_until_ms = told.as_of_ms + RECOVERY_MS if state.epoch else 0
            state.epoch = told.epoch
        changed = [user.user_id for user in told.users if self._put(user, told)]
        if state.recovers_until_ms and told.as_of_ms >= state.recovers_until_ms:
            state.recovers_until_ms = 0
            changed += self._drop_unknown(told)
        return changed

    def complete(self, told: ShardPresence) -> None:
        """Everybody whom it concerns knows what `apply` returned."""
        self._shards[told.shard].as_of_ms = told.as_of_ms
        times = [state.as_of_ms for state in self._shards]
        self.through_ms = max(self.through_ms, min(times)) if all(times) else self.through_ms

    def _put(self, user: UserPresence, told: ShardPresence) -> bool:
        known = self._entries.get(user.user_id)
        same = known is not None and (known.presence, known.status_msg) == (user.presence, user.status_msg)
        if same and known is not None:
            self._entries[user.user_id] = known._replace(
                last_active_at_ms=user.last_active_at_ms, epoch=told.epoch, shard=told.shard
            )
            return False
        # Later than any token that this worker has given out, also where a new owner's clock is behind.
        changed_at_ms = max(user.changed_at_ms, self._shards[told.shard].as_of_ms + 1)
        entry = Entry(user.presence, user.status_msg, user.last_active_at_ms, changed_at_ms, told.shard, told.epoch)
        self._entries.pop(user.user_id, None)
        self._entries[user.user_id] = entry
        if len(self._entries) > USERS_MAX:
            del self._entries[next(iter(self._entries))]
        return True

    def _drop_unknown(self, told: ShardPresence) -> list[str]:
        gone = [
            user_id
            for user_id, entry in self._entries.items()
            if entry.shard == told.shard and entry.epoch != told.epoch and entry.presence != OFFLINE
        ]
        for user_id in gone:
            entry = self._entries.pop(user_id)
            self._entries[user_id] = entry._replace(presence=OFFLINE, changed_at_ms=told.as_of_ms, epoch=told.epoch)
        return gone
