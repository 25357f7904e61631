"""What a worker holds of one room: the end of its timeline, its state, its receipts, who is typing.

    timeline   [e51 … e100]      every event after `timeline_after` is in it
    state      (type, key) -> event, without m.room.member
    members    user -> event     all of them in a small room; in a large one only those that were needed
    receipts   by position, the newest last

Facts bring it forward one by one (`apply_…`); those that it has seen already
change nothing, so it may be read from tables that are ahead of the facts.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

import orjson

from matrix_protocol.room_summary import HEROES_MAX
from matrix_protocol.room_summary import heroes as heroes_of
from service_kit.rpc.pb.facts_pb2 import ACCEPTED, ReceiptFact, RoomEventFact, TypingFact
from service_kit.rpc.pb.room_queries_pb2 import RoomSummary
from sync_api.entries import ENTRY_BYTES, MEMBER, EntryKey, StateEvent, TimelineEvent
from sync_api.push_events import PushEvents
from sync_api.room_bundles import RoomBundles

TIMELINE_EVENTS_MAX = 50
TIMELINE_EVENTS_READ = 25
"""So many are read at first: clients ask for 10 or 20. Reading 50 made cold initial syncs a sixth slower."""
MEMBERS_COMPLETE_MAX = 200
"""Rooms with more members than this have them read when they are needed."""
MEMBERS_CACHED_MAX = 500
RECEIPTS_MAX = 5000
"""NOTSPEC: of a room with more receipts than this, the oldest are not sent to new clients."""
TYPING_MAX = 100

ReceiptKey = tuple[str, str, str]
"""(user ID, receipt type, thread ID)"""


class Receipt(NamedTuple):
    position: int
    user_id: str
    receipt_type: str
    event_id: str
    thread_id: str
    ts_ms: int
    event_position: int = 0
    """of the event that it points to; 0 = not known"""

    @classmethod
    def from_fact(cls, position: int, fact: ReceiptFact) -> Receipt:
        return cls(
            position, fact.user_id, fact.receipt_type, fact.event_id, fact.thread_id, fact.ts_ms, fact.event_position
        )


class RoomContents:
    __slots__ = (
        "bundles",
        "bytes_held",
        "fragments",
        "hero_user_ids",
        "heroes_stale",
        "invited_count",
        "joined_count",
        "last_member_position",
        "last_receipt_position",
        "members",
        "members_complete",
        "push_events",
        "receipts",
        "receipts_complete",
        "room_id",
        "state",
        "summary_position",
        "timeline",
        "timeline_after",
        "typing",
        "typing_position",
    )

    def __init__(self, room_id: str) -> None:
        self.room_id = room_id
        self.timeline: deque[TimelineEvent] = deque()
        self.timeline_after = 0
        self.state: dict[EntryKey, StateEvent] = {}
        self.members: dict[str, StateEvent] = {}
        self.members_complete = True
        self.joined_count = 0
        self.invited_count = 0
        self.summary_position = 0
        """through which the counts were read; later facts change them"""
        self.hero_user_ids: list[str] = []
        self.heroes_stale = False
        self.last_member_position = 0
        self.receipts: dict[ReceiptKey, Receipt] = {}
        self.receipts_complete = True
        self.last_receipt_position = 0
        self.push_events = PushEvents(room_id)
        self.typing: dict[str, int] = {}
        self.typing_position = 0
        self.fragments: dict[object, tuple[int, bytes]] = {}
        """Parts of answers that are the same for several users, with the time they were made; see `response`."""
        self.bundles = RoomBundles()
        """What is bundled with the events of the timeline."""
        self.bytes_held = 2000

    def weight(self) -> int:
        """About how many bytes of memory this takes."""
        return self.bytes_held + self.bundles.bytes_held

    # --- reading the tables ---

    def read_summary(self, summary: RoomSummary) -> None:
        self.summary_position = summary.position
        self.joined_count = summary.joined_members
        self.invited_count = summary.invited_members
        self.hero_user_ids = list(summary.hero_user_ids)
        self.heroes_stale = False

    def read_state(self, event: StateEvent) -> None:
        """One entry of the current state, complete members included."""
        if event.type == MEMBER:
            self._put_member(event.state_key, event)
            self.last_member_position = max(self.last_member_position, event.position)
        else:
            self._put_state(event)

    def read_timeline(self, newest_first: Iterable[TimelineEvent], *, more: bool) -> None:
        for event in newest_first:
            self.bundles.put(event.position, event.aggregations)
            self.timeline.appendleft(event._replace(aggregations=None))
        self.timeline_after = self.timeline[0].position - 1 if self.timeline and more else 0
        self.bytes_held += sum(len(event.client_json) + ENTRY_BYTES for event in self.timeline)
        for event in self.timeline:
            if event.type == MEMBER:
                self.last_member_position = max(self.last_member_position, event.position)

    # --- facts ---

    def apply_event(self, position: int, fact: RoomEventFact) -> None:
        if fact.verdict != ACCEPTED:
            return
        if fact.redacts_event_id and fact.redacted_client_json:
            self._redact(fact.redacts_event_id, fact.redacted_client_json)
        if fact.relations or fact.redacts_position:
            self._apply_relations(fact)
        self.fragments.clear()
        event = TimelineEvent.from_fact(position, fact)
        timeline = self.timeline
        if not timeline or position > timeline[-1].position:
            timeline.append(event)
            self.bytes_held += len(event.client_json) + ENTRY_BYTES
            if len(timeline) > TIMELINE_EVENTS_MAX:
                dropped = timeline.popleft()
                self.timeline_after = dropped.position
                self.bundles.forget_until(dropped.position)
                self.bytes_held -= len(dropped.client_json) + ENTRY_BYTES
        # State and timeline were not read at the same moment: what is old to the one may be new to the other.
        if event.state_key is not None:
            self._apply_state(StateEvent.from_timeline(event), fact.prev_membership)

    def _apply_relations(self, fact: RoomEventFact) -> None:
        self.bundles.apply(fact, self.timeline_after)
        if fact.HasField("rewritten"):
            # It quoted the event that is redacted.
            self._redact(fact.rewritten.event_id, fact.rewritten.client_json)

    def apply_receipt(self, position: int, fact: ReceiptFact) -> None:
        key = (fact.user_id, fact.receipt_type, fact.thread_id)
        known = self.receipts.pop(key, None)
        if known is not None and known.position > position:
            self.receipts[key] = known
            return
        self.receipts[key] = Receipt.from_fact(position, fact)
        self.last_receipt_position = max(self.last_receipt_position, position)
        if known is None:
            self.bytes_held += ENTRY_BYTES
            if len(self.receipts) > RECEIPTS_MAX:
                del self.receipts[next(iter(self.receipts))]
                self.receipts_complete = False

    def apply_typing(self, position: int, fact: TypingFact) -> None:
        if position < self.typing_position:
            return
        self.typing.pop(fact.user_id, None)
        if fact.typing and len(self.typing) < TYPING_MAX:
            self.typing[fact.user_id] = fact.expires_at_ms
        self.typing_position = position

    def _apply_state(self, event: StateEvent, prev_membership: str) -> None:
        if event.type != MEMBER:
            self._put_state(event)
            return
        self.last_member_position = max(self.last_member_position, event.position)
        known = self.members.get(event.state_key)
        if known is not None and known.position >= event.position:
            return
        if event.position > self.summary_position:
            self._count(prev_membership, event.membership)
        self._put_member(event.state_key, event)
        self._follow_heroes(event.state_key, event.membership)
        if self.members_complete and len(self.members) > MEMBERS_CACHED_MAX:
            self.heroes_stale = True
            self.members_complete = False

    def _count(self, before: str, after: str) -> None:
        self.joined_count += (after == "join") - (before == "join")
        self.invited_count += (after == "invite") - (before == "invite")

    def _follow_heroes(self, user_id: str, membership: str) -> None:
        if self.members_complete:
            return
        present = membership in ("join", "invite")
        if user_id in self.hero_user_ids:
            self.heroes_stale = self.heroes_stale or not present
        elif present and len(self.hero_user_ids) <= HEROES_MAX:
            self.heroes_stale = True

    def _redact(self, event_id: str, client_json: bytes) -> None:
        """Whoever gets this event from now on gets what was left of it."""
        self.fragments.clear()
        self.push_events.forget(event_id)
        for index in range(len(self.timeline) - 1, -1, -1):
            if self.timeline[index].event_id == event_id:
                self.timeline[index] = self.timeline[index]._replace(client_json=client_json)
                break
        for key, event in self.state.items():
            if event.event_id == event_id:
                self.state[key] = event._replace(client_json=client_json)
                return
        for user_id, event in self.members.items():
            if event.event_id == event_id:
                self.members[user_id] = event._replace(client_json=client_json)
                return

    # --- questions ---

    def receipts_after(self, after_position: int, through_position: int) -> list[Receipt]:
        """In no special order."""
        found = []
        for receipt in reversed(self.receipts.values()):
            if receipt.position <= after_position:
                break
            if receipt.position <= through_position:
                found.append(receipt)
        return found

    def has_name(self) -> bool:
        """Whether clients can name the room without knowing its members."""
        return self._has_text(("m.room.name", ""), "name") or self._has_text(("m.room.canonical_alias", ""), "alias")

    def heroes(self, but_user_id: str) -> list[str]:
        """The first members of the room, for a name; valid unless `heroes_stale`."""
        if not self.members_complete:
            return heroes_of(((user_id, "join") for user_id in self.hero_user_ids), but_user_id)
        return heroes_of(self._members_in_order(), but_user_id)

    def _members_in_order(self) -> list[tuple[str, str]]:
        return [(event.state_key, event.membership) for event in sorted(self.members.values(), key=_position)]

    def _has_text(self, key: EntryKey, field: str) -> bool:
        event = self.state.get(key)
        if event is None:
            return False
        content = orjson.loads(event.client_json).get("content")
        return isinstance(content, dict) and isinstance(content.get(field), str) and bool(content[field])

    # --- holding ---

    def _put_state(self, event: StateEvent) -> None:
        known = self.state.get(event.key)
        if known is not None:
            if known.position >= event.position:
                return
            self.bytes_held -= len(known.client_json) + ENTRY_BYTES
        self.state[event.key] = event
        self.bytes_held += len(event.client_json) + ENTRY_BYTES

    def _put_member(self, user_id: str, event: StateEvent) -> None:
        known = self.members.pop(user_id, None)
        if known is not None:
            if known.position > event.position:
                event = known
            self.bytes_held -= len(known.client_json) + ENTRY_BYTES
        self.members[user_id] = event
        self.bytes_held += len(event.client_json) + ENTRY_BYTES
        if not self.members_complete and len(self.members) > MEMBERS_CACHED_MAX:
            dropped = self.members.pop(next(iter(self.members)))
            self.bytes_held -= len(dropped.client_json) + ENTRY_BYTES

    def cache_member(self, event: StateEvent) -> None:
        """Keep a member of a large room that was read because a client needed it."""
        self._put_member(event.state_key, event)


def _position(event: StateEvent) -> int:
    return event.position
