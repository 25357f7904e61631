"""Small rooms written by hand, with forks: what the tests of single rules look at.

scene = Scene("11")
base = scene.base                                     # alice made the room; bob is in it
left = scene.send(base, "m.room.topic", "", ALICE, {"topic": "x"})     # a state, with the event in it
scene.resolve(left, right)                            # by the reference and by the kernels, which must agree
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matrix_protocol.event_auth import StateKey, auth_event_keys
from matrix_protocol.events.format import Event, event_from_pdu
from matrix_protocol.room_versions import SPECIFIED_ROOM_VERSIONS
from matrix_protocol.state_resolution import resolve, state_after_event
from matrix_protocol.state_resolution.compact import CompactRoom
from tests.matrix_protocol.state_resolution.test_kernels import DIFFERENCES, resolved_by_kernels

ALICE, BOB, CAROL, DAVE = "@alice:a.example", "@bob:a.example", "@carol:b.example", "@dave:b.example"
FIRST_TS_MS = 1_700_000_000_000
State = Mapping[StateKey, str]


class Scene:
    def __init__(
        self, version: str, create_content: Mapping[str, Any] | None = None, join_rule: str = "public"
    ) -> None:
        self.rules = SPECIFIED_ROOM_VERSIONS[version]
        self.events: dict[str, Event] = {}
        self.rejected: set[str] = set()
        self.room_id = "!room:a.example"
        content = {"creator": ALICE, **(create_content or {})}
        state = self.send({}, "m.room.create", "", ALICE, content, event_id="$create:a.example")
        if self.rules.event_format.room_id_is_create_event_id:
            self.room_id = "!create:a.example"
            self.events["$create:a.example"].room_id = self.room_id
        state = self.send(state, "m.room.member", ALICE, ALICE, {"membership": "join"}, prev=["$create:a.example"])
        if not self.rules.authorization.creators_above_all:
            state = self.levels(state, ALICE, {ALICE: 100})
        else:
            state = self.levels(state, ALICE, {})
        state = self.send(state, "m.room.join_rules", "", ALICE, {"join_rule": "public"})
        self.base = self.join(state, BOB)
        if join_rule != "public":
            self.base = self.send(self.base, "m.room.join_rules", "", ALICE, {"join_rule": join_rule})

    def send(
        self,
        state: State,
        event_type: str,
        state_key: str,
        sender: str,
        content: Mapping[str, Any],
        *,
        event_id: str = "",
        ts: int | None = None,
        auth_state: State | None = None,
        prev: list[str] | None = None,
        rejected: bool = False,
    ) -> State:
        """The state after the event. `auth_state`: where its auth events come from, if not from `state`."""
        keys = auth_event_keys(event_type, state_key, sender, content, self.rules)
        source = state if auth_state is None else auth_state
        pdu: dict[str, Any] = {
            "type": event_type,
            "state_key": state_key,
            "sender": sender,
            "content": dict(content),
            "room_id": self.room_id,
            "origin_server_ts": FIRST_TS_MS + (len(self.events) if ts is None else ts),
            "depth": len(self.events),
            "prev_events": self._references(prev or ["$message"]),
            "auth_events": self._references([source[key] for key in keys if key in source]),
            "signatures": {"a.example": {}},
        }
        event = event_from_pdu(pdu, event_id or f"$event{len(self.events):02}:a.example", self.rules)
        self.events[event.event_id] = event
        if rejected:
            self.rejected.add(event.event_id)
        return state_after_event(event, state)

    def _references(self, event_ids: list[str]) -> list[Any]:
        with_hashes = self.rules.event_format.references_carry_hashes
        return [[event_id, {}] for event_id in event_ids] if with_hashes else event_ids

    def join(self, state: State, user: str, **content: Any) -> State:
        return self.send(state, "m.room.member", user, user, {"membership": "join", **content})

    def member(self, state: State, sender: str, target: str, membership: str, **content: Any) -> State:
        return self.send(state, "m.room.member", target, sender, {"membership": membership, **content})

    def levels(self, state: State, sender: str, users: Mapping[str, Any], **content: Any) -> State:
        return self.send(state, "m.room.power_levels", "", sender, {"users": dict(users), **content})

    def topic(self, state: State, sender: str, topic: str, **options: Any) -> State:
        return self.send(state, "m.room.topic", "", sender, {"topic": topic}, **options)

    def compact(self) -> CompactRoom:
        room = CompactRoom(self.rules)
        for event in self.events.values():
            room.add(event, rejected=event.event_id in self.rejected)
        return room

    def resolve(self, *states: State) -> dict[StateKey, Event]:
        """The resolved state, with events for IDs. Whatever the order of the states, and whoever resolves."""
        expected = resolve(states, self.events, self.rules, self.rejected)
        assert resolve(states[::-1], self.events, self.rules, self.rejected) == expected
        if self.rules.identifier != "1":
            room = self.compact()
            for difference in DIFFERENCES:
                for base in states:
                    assert resolved_by_kernels(room, base, states, self.events, difference) == expected
        return {key: self.events[event_id] for key, event_id in expected.items()}

    def membership(self, resolved: Mapping[StateKey, Event], user: str) -> object:
        event = resolved.get(("m.room.member", user))
        return None if event is None else event.content["membership"]
