"""Rooms of real events: hashed, signed, authorised, one after the other.

    alice, bob = user("alice"), user("bob")
    room = Room(creator=alice, version="12").join(bob).send(bob, "m.room.message", {"body": "hi"})
    room.last.event_id

Every method that adds an event checks it against the room's state and raises
`NotAllowed`; `build` only builds it, and `verdict` says what the rules say.
"""

from __future__ import annotations

from typing import Any

from matrix_protocol.encoding import encode_base64
from matrix_protocol.event_auth import Rejection, StateOfEvents, auth_event_keys, check_auth_rules
from matrix_protocol.events.builder import build_create_event, build_event
from matrix_protocol.events.format import Event
from matrix_protocol.events.hashes import reference_hash
from matrix_protocol.room_versions import DEFAULT_ROOM_VERSION, SPECIFIED_ROOM_VERSIONS
from tests.factories.users import User

FIRST_TS_MS = 1_700_000_000_000


class NotAllowed(AssertionError):
    """The auth rules refuse an event that the test takes for granted."""


class Room:
    """A room with its creator in it. Without `power_levels`, it has no power levels event."""

    def __init__(
        self,
        creator: User,
        version: str = DEFAULT_ROOM_VERSION,
        *,
        join_rule: str | None = "public",
        power_levels: dict[str, Any] | None = None,
        create_content: dict[str, Any] | None = None,
    ) -> None:
        self.creator = creator
        self.rules = SPECIFIED_ROOM_VERSIONS[version]
        self.events: list[Event] = []
        self.reference_hashes: dict[str, str] = {}
        self.state = StateOfEvents((), self.rules)
        has_hash_id = self.rules.event_format.room_id_is_create_event_id
        self.create_event = build_create_event(
            room_id=None if has_hash_id else f"!room:{creator.server_name}",
            sender=creator.id,
            content=create_content or {},
            origin_server_ts_ms=FIRST_TS_MS,
            rules=self.rules,
            signing_key=creator.signing_key,
        )
        self.id = self.create_event.room_id
        self.add(self.create_event)
        self.join(creator)
        if power_levels is not None:
            self.power_levels(creator, power_levels)
        if join_rule is not None:
            self.join_rule(creator, join_rule)

    @property
    def last(self) -> Event:
        return self.events[-1]

    def join(self, who: User, **content: Any) -> Room:
        return self.member(who, who, "join", **content)

    def invite(self, sender: User, target: User, **content: Any) -> Room:
        return self.member(sender, target, "invite", **content)

    def knock(self, who: User, **content: Any) -> Room:
        return self.member(who, who, "knock", **content)

    def leave(self, who: User) -> Room:
        return self.member(who, who, "leave")

    def kick(self, sender: User, target: User) -> Room:
        return self.member(sender, target, "leave")

    def ban(self, sender: User, target: User) -> Room:
        return self.member(sender, target, "ban")

    def unban(self, sender: User, target: User) -> Room:
        return self.member(sender, target, "leave")

    def member(self, sender: User, target: User, membership: str, **content: Any) -> Room:
        return self.send(sender, "m.room.member", {"membership": membership, **content}, state_key=target.id)

    def message(self, sender: User, body: str = "hello") -> Room:
        return self.send(sender, "m.room.message", {"msgtype": "m.text", "body": body})

    def power_levels(self, sender: User, content: dict[str, Any]) -> Room:
        return self.send(sender, "m.room.power_levels", content, state_key="")

    def join_rule(self, sender: User, join_rule: str, **content: Any) -> Room:
        return self.send(sender, "m.room.join_rules", {"join_rule": join_rule, **content}, state_key="")

    def send(self, sender: User, event_type: str, content: dict[str, Any], *, state_key: str | None = None) -> Room:
        event = self.build(sender, event_type, content, state_key=state_key)
        rejection = self.verdict(event)
        if rejection is not None:
            raise NotAllowed(rejection.reason)
        return self.add(event)

    def redact(self, sender: User, event_id: str) -> Room:
        return self.add(self.build(sender, "m.room.redaction", {}, redacts=event_id))

    def build(
        self,
        sender: User,
        event_type: str,
        content: dict[str, Any],
        *,
        state_key: str | None = None,
        redacts: str | None = None,
        room_id: str | None = None,
        prev_event_ids: list[str] | None = None,
        auth_event_ids: list[str] | None = None,
    ) -> Event:
        """The next event as this sender would make it, allowed or not."""
        if auth_event_ids is None:
            auth_event_ids = [event.event_id for event in self.auth_events_for(sender, event_type, content, state_key)]
        return build_event(
            room_id=room_id or self.id,
            event_type=event_type,
            state_key=state_key,
            sender=sender.id,
            content=content,
            prev_event_ids=[self.last.event_id] if prev_event_ids is None else prev_event_ids,
            auth_event_ids=auth_event_ids,
            depth=len(self.events) + 1,
            origin_server_ts_ms=FIRST_TS_MS + 1000 * len(self.events),
            rules=self.rules,
            signing_key=sender.signing_key,
            redacts=redacts,
            reference_hashes=self.reference_hashes,
        )

    def auth_events_for(
        self, sender: User, event_type: str, content: dict[str, Any], state_key: str | None = None
    ) -> list[Event]:
        """The auth events that the current state offers."""
        keys = auth_event_keys(event_type, state_key, sender.id, content, self.rules)
        found = (self.state.event(*key) for key in keys)
        return [event for event in found if event is not None]

    def verdict(self, event: Event) -> Rejection | None:
        return check_auth_rules(event, self.state, self.rules)

    def add(self, event: Event) -> Room:
        """Put the event into the room unchecked."""
        self.events.append(event)
        self.reference_hashes[event.event_id] = encode_base64(reference_hash(event.pdu, self.rules))
        if event.is_state:
            self.state.add(event)
        return self
