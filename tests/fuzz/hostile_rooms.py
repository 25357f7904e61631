"""Random rooms with events that break every rule that a room relies on."""

from __future__ import annotations

from random import Random
from typing import Any

from matrix_protocol.events.format import Event
from tests.matrix_protocol.state_resolution.random_rooms import KEYS, USERS, RandomRoom

VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 50, 100, 2**53, -(2**53), 2**63, 2**62, 2**70, 1.5, -0.0, 1e308, 1e18),
    *("", " +050\t", "-00", "1_0", "٣", "\x00", "\ud800", "9" * 31, [], [[]], {}, {"": {}}, ["@u0:a.example", 5]),
    *({"@u1:b.example": 2**63}, {"@u1:b.example": " 7 "}, {"users": "x"}, "join", "ban", "public", "restricted"),
)
TIMES = (0, -1, 2**53, -(2**53), 2**63 - 1, -(2**63), 2**63, 2**80)
NAMES = (
    *("users", "events", "notifications", "users_default", "state_default", "ban", "kick", "invite", "membership"),
    *("join_rule", "third_party_invite", "join_authorised_via_users_server", "creator", "additional_creators"),
    *("m.federate", "public_key", "public_keys", "redacts", "displayname", "room_version"),
)


def spoil(random: Random, room: RandomRoom) -> None:
    """Break a few events, each in one or two ways."""
    events = list(room.events.values())
    for _ in range(random.randrange(8)):
        event = random.choice(events)
        _SPOILERS[random.randrange(len(_SPOILERS))](random, event, events)


def _content(random: Random, event: Event, _: list[Event]) -> None:
    name, value = random.choice(NAMES), random.choice(VALUES)
    event.content = {**event.content, name: value}
    if isinstance(event.content.get("users"), dict) and random.random() < 0.5:
        event.content["users"] = {**event.content["users"], random.choice(USERS): value}


def _third_party(random: Random, event: Event, _: list[Event]) -> None:
    signatures = {
        "x": {f"ed25519:{number}": random.choice(["", "A" * 86, 5]) for number in range(random.randrange(99))}
    }
    signed = {"mxid": event.state_key, "token": random.choice(["t0", "t1"]), "signatures": signatures}
    event.content = {"membership": "invite", "third_party_invite": {"signed": signed}}
    if random.random() < 0.3:
        event.type, event.state_key = "m.room.third_party_invite", "t0"
        keys = [{"public_key": random.choice([5, "!", KEYS[0].verify_key_base64])} for _ in range(3)]
        event.content = {"public_keys": random.choice([keys, 5, [7]])}


def _time(random: Random, event: Event, _: list[Event]) -> None:
    event.origin_server_ts_ms = random.choice(TIMES)


def _auth_events(random: Random, event: Event, events: list[Event]) -> None:
    """Missing, of later events (a circle), doubled, of itself, of a wrong kind, many."""
    known = list(event.auth_event_ids)
    other = random.choice(events).event_id
    event.auth_event_ids = tuple(
        random.choice(
            [
                *([*known, other], [other, *known, other], [*known, *known], known[1:], known[::-1], [], ["$missing"]),
                *([event.event_id, *known], [*known, "$\ud800"], [*known, f"{other}\0"], known * 4),
            ]
        )
    )


def _room(random: Random, event: Event, _: list[Event]) -> None:
    event.room_id = random.choice(["!other:b.example", "!", "", "!aaaa"])


def _prev_events(random: Random, event: Event, events: list[Event]) -> None:
    event.prev_event_ids = random.choice([(), (events[0].event_id,), ("$missing",)])


def _sender(random: Random, event: Event, _: list[Event]) -> None:
    event.sender = random.choice([*USERS, "@é\ud800:a.example", "@:b.example", "@x:" + "b" * 300])


def _type(random: Random, event: Event, _: list[Event]) -> None:
    event.type = random.choice(["m.room.create", "m.room.power_levels", "m.room.member", "m.room.aliases", "x\ud800"])
    event.state_key = random.choice([event.state_key, event.state_key, "", "x", "\udfff", USERS[0]])


def _depth(random: Random, event: Event, _: list[Event]) -> None:
    event.depth = random.choice([0, 2**63 - 1, 2**53])


_SPOILERS = (
    _content,
    _content,
    _third_party,
    _time,
    _auth_events,
    _auth_events,
    _room,
    _prev_events,
    _sender,
    _type,
    _depth,
)
