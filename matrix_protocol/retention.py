"""How long messages are kept: a room's `m.room.retention`, within what the server wants.

NOTSPEC: this is MSC1763, which rooms and servers use; it is not in the specification. `min_lifetime` obliges nobody to
delete anything, and this server deletes nothing else, so it is not looked at.
Spec: https://github.com/matrix-org/matrix-spec-proposals/pull/1763
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

RETENTION: Final = "m.room.retention"


class RetentionPolicy(NamedTuple):
    """The server's part, in milliseconds; 0 = none."""

    default_max_lifetime_ms: int = 0
    """of rooms that say nothing"""
    min_of_max_lifetime_ms: int = 0
    max_of_max_lifetime_ms: int = 0

    def max_lifetime_ms(self, content: Mapping[str, object] | None) -> int:
        """How long a message of a room with this `m.room.retention` lives at most; 0 = for ever.

        "if the value specified in the room's state is lower than the limit's `min` value, use the `min` value […] if
        there is no value specified in the room's state, use the limit's `min` value".
        """
        wanted = None if content is None else content.get("max_lifetime")
        if type(wanted) is not int or wanted <= 0:
            return self.default_max_lifetime_ms if content is None else self.min_of_max_lifetime_ms
        if self.max_of_max_lifetime_ms:
            wanted = min(wanted, self.max_of_max_lifetime_ms)
        return max(wanted, self.min_of_max_lifetime_ms)

    def oldest_ms(self, content: Mapping[str, object] | None, now_ms: int) -> int:
        """Messages whose `origin_server_ts` is before this are expired; 0 = none is."""
        lifetime_ms = self.max_lifetime_ms(content)
        return max(now_ms - lifetime_ms, 0) if lifetime_ms else 0


def is_expired(state_key: str | None, origin_server_ts_ms: int, oldest_ms: int) -> bool:
    """ "Retention is only considered for non-state events." """
    return state_key is None and origin_server_ts_ms < oldest_ms
