"""What one answer is made for and bounded by; every part of the answer is a function of it."""

from __future__ import annotations

from dataclasses import dataclass, field

import orjson

from matrix_protocol.retention import RETENTION, RetentionPolicy
from service_kit.rpc.queries import Asker, RoomQueries
from service_kit.tokens import SyncToken
from sync_api.filters import TIMELINE_LIMIT_DEFAULT, SyncFilter
from sync_api.lazy_members import SentMembers
from sync_api.room_contents import RoomContents
from sync_api.rooms import RoomViews
from sync_api.unread.counters import ReaderUnread, UnreadCounters
from sync_api.user_view import UserView

EVENTS_OF_ANSWER_MAX = 5000
"""So many events are asked for to count what is unread, for one answer. A room whose turn comes later is counted as far
as memory goes; its counter is not kept, and made again with the next answer."""


@dataclass(slots=True)
class SyncScope:
    user: UserView
    device_id: str
    filter: SyncFilter
    since: SyncToken | None
    """None = an initial sync"""
    through: SyncToken
    """What the client will have seen after this answer: nothing after it may be in the timelines."""
    full_state: bool
    state_after: bytes
    """the name of the state after the timeline; empty = the state before it is given"""
    sent_members: SentMembers
    now_ms: int
    timeline_limit_max: int
    rooms: RoomViews
    queries: RoomQueries
    asker: Asker
    counters: UnreadCounters
    unread: ReaderUnread
    retention: RetentionPolicy | None = None
    """None: messages do not expire."""
    unread_events_left: int = field(default_factory=lambda: EVENTS_OF_ANSWER_MAX)
    """so many events may still be asked for to count what is unread"""

    @property
    def timeline_limit(self) -> int:
        """ "Servers should apply a default value, and impose a maximum value to avoid resource exhaustion.\""""
        limit = self.filter.timeline.limit
        return TIMELINE_LIMIT_DEFAULT if limit is None else min(limit, self.timeline_limit_max)

    def oldest_ms(self, contents: RoomContents) -> int:
        """Messages of the room from before this have expired; 0 = none has."""
        if self.retention is None:
            return 0
        event = contents.state.get((RETENTION, ""))
        content = None if event is None else orjson.loads(event.client_json)["content"]
        return self.retention.oldest_ms(content, self.now_ms)
