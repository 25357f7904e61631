"""`rooms.invite` and `rooms.knock`: stripped state, as the roomserver put it together with the event."""

from __future__ import annotations

from sync_api.user_view import Membership

_NO_EVENTS = b"[]"


def invited_room(membership: Membership) -> bytes:
    return b'{"invite_state":{"events":%b}}' % (membership.invite_state_json or _NO_EVENTS)


def knocked_room(membership: Membership) -> bytes:
    return b'{"knock_state":{"events":%b}}' % (membership.invite_state_json or _NO_EVENTS)
