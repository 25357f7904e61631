"""Which member events a client has been sent, so that it is not sent them again.

Spec: "the server MAY assume that clients will remember membership events they
have already been sent". A client remembers only what reached it: what an answer
carried counts when the client comes back with that answer's `next_batch`. After
any other token, on another worker, or when this worker has forgotten (it keeps
the most recently used), everything counts as not sent.

Spec: https://spec.matrix.org/v1.19/client-server-api/#lazy-loading-room-members
"""

from __future__ import annotations

from collections import OrderedDict

CONNECTIONS_MAX = 2000
MEMBERS_SENT_MAX = 5000
"""Of one connection, over all its rooms."""


class SentMembers:
    """Of one connection: one device with one filter."""

    __slots__ = ("_pending", "_pending_token", "_sent", "_token")

    def __init__(self) -> None:
        self._sent: dict[tuple[str, str], str] = {}
        """(room ID, user ID) -> event ID, true for a client that comes with `_token`"""
        self._token = ""
        self._pending: dict[tuple[str, str], str] = {}
        self._pending_token = ""

    def begin(self, since: str) -> None:
        """A request with that token ("" = none) has come."""
        if since and since == self._pending_token:
            self._sent.update(self._pending)
            if len(self._sent) > MEMBERS_SENT_MAX:
                self._sent.clear()
            self._token = since
        elif not since or since != self._token:
            self._sent.clear()
            self._token = since
        self._pending = {}
        self._pending_token = ""

    def has(self, room_id: str, user_id: str, event_id: str) -> bool:
        return self._sent.get((room_id, user_id)) == event_id

    def add(self, room_id: str, user_id: str, event_id: str) -> None:
        """The answer that is being made carries this member event."""
        if len(self._pending) < MEMBERS_SENT_MAX:
            self._pending[room_id, user_id] = event_id

    def end(self, next_batch: str) -> None:
        self._pending_token = next_batch


class LazyMembers:
    def __init__(self) -> None:
        self._connections: OrderedDict[object, SentMembers] = OrderedDict()

    def connection(self, user_id: str, device_id: str, filter_key: object) -> SentMembers:
        key = (user_id, device_id, filter_key)
        known = self._connections.get(key)
        if known is None:
            known = self._connections[key] = SentMembers()
            if len(self._connections) > CONNECTIONS_MAX:
                self._connections.popitem(last=False)
        else:
            self._connections.move_to_end(key)
        return known
