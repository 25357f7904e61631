"""Rooms that no honest server would make, from a seed: to compare two resolutions of the same states.

Several branches grow from one trunk; most events are what the branch's state allows, some are not, some were rejected,
and state sets are the branches' states, with entries lost or taken from elsewhere.
"""

from __future__ import annotations

from random import Random
from typing import Any, NamedTuple

from matrix_protocol.event_auth import StateKey, StateOfEvents, auth_event_keys, check_auth_rules
from matrix_protocol.events.format import Event, event_from_pdu
from matrix_protocol.room_versions import SPECIFIED_ROOM_VERSIONS, EventIdFormat, RoomVersionRules
from matrix_protocol.signatures import sign_json
from tests.factories import signing_key_of

SERVERS = ("a.example", "b.example")
USERS = tuple(f"@u{number}:{SERVERS[number % 2]}" for number in range(7))
TOKENS = ("t0", "t1")
KEYS = [signing_key_of("identity0.example"), signing_key_of("identity1.example")]
LEVELS = (-1, 0, 1, 49, 50, 51, 75, 99, 100, 101)
NAMED = ("users_default", "events_default", "state_default", "ban", "redact", "kick", "invite")
FIRST_TS_MS = 1_700_000_000_000
_ID_CHARACTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"

State = dict[StateKey, str]


class Entry(NamedTuple):
    """An event as one wishes to send it."""

    type: str
    state_key: str
    sender: str
    content: dict[str, Any]


class RandomRoom:
    """`events` in an order with auth events first; `branches`: states."""

    def __init__(self, random: Random, version: str, length: int = 40) -> None:
        self.random = random
        self.rules: RoomVersionRules = SPECIFIED_ROOM_VERSIONS[version]
        self.events: dict[str, Event] = {}
        self.rejected: set[str] = set()
        self.room_id = "!room:a.example"
        self.branches: list[State] = [{}]
        self._begin()
        for _ in range(length):
            self._grow()

    def _begin(self) -> None:
        random = self.random
        content: dict[str, Any] = {"room_version": self.rules.identifier}
        if self.rules.event_format.creator_in_create_content:
            content["creator"] = USERS[0]
        if random.random() < 0.3:
            content["additional_creators"] = [USERS[1]]
        if random.random() < 0.2:
            content["m.federate"] = False
        create = self._add(Entry("m.room.create", "", USERS[0], content), {}, [])
        self.branches[0]["m.room.create", ""] = create.event_id
        if self.rules.event_format.room_id_is_create_event_id:
            self.room_id = "!" + create.event_id[1:]
            create.room_id = self.room_id
        self._send(0, Entry("m.room.member", USERS[0], USERS[0], {"membership": "join"}), [create.event_id])
        if random.random() < 0.8:
            levels = {USERS[2]: 50, USERS[3]: 75} | (
                {} if self.rules.authorization.creators_above_all else {USERS[0]: 100}
            )
            self._send(0, Entry("m.room.power_levels", "", USERS[0], {"users": levels}))
        if random.random() < 0.9:
            self._send(0, Entry("m.room.join_rules", "", USERS[0], {"join_rule": "public"}))
        for user in USERS[1:5]:
            self._send(0, Entry("m.room.member", user, user, {"membership": "join"}))

    def _grow(self) -> None:
        random = self.random
        if len(self.branches) < 5 and random.random() < 0.15:
            self.branches.append(dict(random.choice(self.branches)))
        self._send(random.randrange(len(self.branches)), self._entry())

    def _send(self, branch: int, entry: Entry, prev_event_ids: list[str] | None = None) -> None:
        """Add it to the branch if its state allows it; else, now and then, all the same."""
        state = self.branches[branch]
        event = self._add(entry, state, prev_event_ids or [next(reversed(self.events))])
        allowed = check_auth_rules(event, self._auth_state(state), self.rules) is None
        if not allowed:
            if self.random.random() < 0.9:
                del self.events[event.event_id]
                return
            if self.random.random() < 0.6:
                self.rejected.add(event.event_id)
        state[entry.type, entry.state_key] = event.event_id

    def _auth_state(self, state: State) -> StateOfEvents:
        return StateOfEvents((self.events[event_id] for event_id in state.values()), self.rules)

    def _add(self, entry: Entry, state: State, prev_event_ids: list[str]) -> Event:
        keys = auth_event_keys(entry.type, entry.state_key, entry.sender, entry.content, self.rules)
        other = self.random.choice(self.branches) if self.random.random() < 0.15 else state
        auth_event_ids = [event_id for key in keys if (event_id := other.get(key, state.get(key))) is not None]
        event_id = self._event_id()
        pdu: dict[str, Any] = {
            **entry._asdict(),
            "room_id": self.room_id,
            "origin_server_ts": FIRST_TS_MS + self.random.randrange(8),
            "depth": len(self.events) // 3,
            "prev_events": self._references(prev_event_ids),
            "auth_events": self._references(auth_event_ids),
            "signatures": {SERVERS[0]: {}},
        }
        if entry.type == "m.room.redaction" and self.random.random() < 0.5:
            pdu["redacts"] = f"$x:{self.random.choice(SERVERS)}"
        if entry.type == "m.room.create" and self.rules.event_format.room_id_is_create_event_id:
            del pdu["room_id"]
        event = event_from_pdu(pdu, event_id, self.rules)
        self.events[event_id] = event
        return event

    def _references(self, event_ids: list[str]) -> list[Any]:
        if self.rules.event_format.references_carry_hashes:
            return [[event_id, {}] for event_id in event_ids]
        return list(event_ids)

    def _event_id(self) -> str:
        if self.rules.event_format.event_id is EventIdFormat.CHOSEN_BY_SERVER:
            opaque = "".join(self.random.choices("aé𝄞z", k=self.random.randrange(1, 30)))
            return f"${opaque}{len(self.events)}:{self.random.choice(SERVERS)}"
        while True:  # alike for long, so that ties go to the last characters
            event_id = "$" + "a" * 38 + "".join(self.random.choices(_ID_CHARACTERS, k=5))
            if event_id not in self.events:
                return event_id

    # What somebody might wish to send --------------------------------------------------------------------------------

    def _entry(self) -> Entry:
        random = self.random
        sender = random.choice(USERS)
        kind = random.choices(
            ["member", "levels", "join_rules", "topic", "third_party", "aliases", "redaction", "at"],
            [10, 4, 2, 2, 1, 1, 0.5, 0.5],
        )[0]
        match kind:
            case "member":
                return self._member_entry(sender)
            case "levels":
                return Entry("m.room.power_levels", random.choice(["", "", "", "x"]), sender, self._levels(sender))
            case "join_rules":
                names = ["public", "invite", "knock", "restricted", "knock_restricted", "private", 5]
                return Entry("m.room.join_rules", "", sender, {"join_rule": random.choice(names)})
            case "third_party":
                content = {"public_key": random.choice(KEYS).verify_key_base64}
                return Entry("m.room.third_party_invite", random.choice(TOKENS), sender, content)
            case "aliases":
                return Entry("m.room.aliases", random.choice(SERVERS), sender, {})
            case "redaction":
                return Entry("m.room.redaction", "", sender, {})
            case "at":
                return Entry("org.example.note", random.choice(USERS), sender, {})
        return Entry("m.room.topic", "", sender, {"topic": str(random.random())})

    def _member_entry(self, sender: str) -> Entry:
        random = self.random
        target = sender if random.random() < 0.5 else random.choice(USERS)
        memberships = ["join", "join", "invite", "leave", "leave", "ban", "knock", "dance", 7]
        content: dict[str, Any] = {"membership": random.choice(memberships)}
        if content["membership"] == "join" and random.random() < 0.3:
            content["join_authorised_via_users_server"] = random.choice([*USERS, 9])
        if content["membership"] == "invite" and random.random() < 0.4:
            claim: dict[str, Any] = {"mxid": target, "token": random.choice(TOKENS)}
            signed = sign_json(claim, "identity.example", random.choice(KEYS))
            content["third_party_invite"] = random.choice([{"signed": signed}] * 5 + [{"signed": claim}, {}])
        return Entry("m.room.member", target, sender, content)

    def _levels(self, sender: str) -> dict[str, Any]:
        """A small change of the last levels, so that it is allowed now and then."""
        random = self.random
        previous = [event.content for event in self.events.values() if event.type == "m.room.power_levels"]
        content: dict[str, Any] = dict(random.choice(previous)) if previous else {}
        for name in random.sample(NAMED, random.choice([0, 0, 1])):
            content[name] = self._level()
        for name in ("users", "events", "notifications"):
            levels = dict(content.get(name, {}))
            keys = USERS if name == "users" else ("m.room.topic", "m.room.aliases", "room")
            for key in random.sample(keys, random.choice([0, 1, 1, 2])):
                if levels.pop(key, None) is None or random.random() < 0.7:
                    levels[key] = self._level()
            if levels or random.random() < 0.5:
                content[name] = levels
        return content

    def _level(self) -> object:
        level = self.random.choice(LEVELS)
        rules = self.rules.authorization
        forms: list[object] = [level] * 6
        if rules.lenient_power_levels:
            forms += [f" {level} ", f"{level:+04}", "none"]
        if rules.float_power_levels:
            forms += [level + 0.5, -0.5]
        forms.append(2**53 - 1)
        return self.random.choice(forms)

    # State sets ------------------------------------------------------------------------------------------------------

    def state_sets(self) -> list[State]:
        """The branches' states, some of them spoiled."""
        random = self.random
        sets = [dict(branch) for branch in self.branches]
        state_events = list(self.events.values())
        for state in sets:
            for _ in range(random.choice([0, 0, 1, 3])):
                if random.random() < 0.4 and state:
                    del state[random.choice(list(state))]
                else:
                    event = random.choice(state_events)
                    assert event.state_key is not None
                    state[event.type, event.state_key] = event.event_id
        return sets
