"""What holds for any event and any state, in every room version.

The rules answer whatever others wrote into the events; and the auth events that were selected from a state decide as
that state does.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matrix_protocol.event_auth import (
    Rejection,
    StateOfEvents,
    auth_event_keys,
    check_auth_rules,
    check_state_dependent_auth_rules,
    check_state_independent_auth_rules,
)
from matrix_protocol.events.format import Event, event_from_pdu
from matrix_protocol.room_versions import SPECIFIED_ROOM_VERSIONS, RoomVersionRules
from matrix_protocol.signatures import sign_json
from tests.factories import signing_key_of
from tests.matrix_protocol.versions import every_version

USERS = ["@a:one.org", "@b:one.org", "@c:two.org", "@d:two.org"]
SERVERS = ["one.org", "two.org"]
TOKEN = "t"
KEY = signing_key_of("identity.example")
LEVEL_NAMES = ["users_default", "events_default", "state_default", "ban", "redact", "kick", "invite"]
EVENT_TYPES = ["m.room.power_levels", "m.room.topic", "m.room.message", "m.room.redaction", "m.room.aliases"]
CREATE_ID = "$create:one.org"

absurd = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(USERS),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)
users = st.sampled_from(USERS)


def mostly(sensible: st.SearchStrategy[Any], otherwise: st.SearchStrategy[Any] = absurd) -> st.SearchStrategy[Any]:
    """One in twelve is not sensible: were it more, the first rule would stop nearly everything."""
    return st.integers(0, 11).flatmap(lambda number: otherwise if number == 11 else sensible)


def claim_for(user_id: str, *, valid: bool) -> dict[str, Any]:
    claim = sign_json({"mxid": user_id, "token": TOKEN}, "identity.example", KEY)
    return {"signed": claim if valid else {**claim, "more": 1}}


MEMBERSHIPS = ["join", "invite", "leave", "ban", "knock"]
JOIN_RULES = ["public", "invite", "knock", "restricted", "knock_restricted"]
CLAIMS = [claim_for(user_id, valid=valid) for user_id in USERS for valid in (True, False)]
level = mostly(st.sampled_from([0, 40, 50, 60]), st.sampled_from(["50", " +60 ", "x", 50.7, None, True, 2**70]))
membership = mostly(st.sampled_from(MEMBERSHIPS))
plain_members = st.fixed_dictionaries({"membership": membership})
joined_members = st.fixed_dictionaries({"membership": mostly(st.just("join"), membership)})
authorised_joins = st.fixed_dictionaries(
    {"membership": mostly(st.just("join"), membership), "join_authorised_via_users_server": mostly(users)}
)
claimed_invites = st.fixed_dictionaries(
    {"membership": mostly(st.just("invite"), membership), "third_party_invite": mostly(st.sampled_from(CLAIMS))}
)
join_rules_contents = mostly(st.fixed_dictionaries({"join_rule": mostly(st.sampled_from(JOIN_RULES))}), st.just({}))
power_levels_contents = st.fixed_dictionaries(
    {"users": mostly(st.dictionaries(users, level, max_size=4))},
    optional={
        "events": mostly(st.dictionaries(st.sampled_from(EVENT_TYPES), level, max_size=3)),
        "notifications": mostly(st.dictionaries(st.just("room"), level)),
        **dict.fromkeys(LEVEL_NAMES, level),
    },
)
issued_contents = mostly(st.just({"public_key": KEY.verify_key_base64}), st.fixed_dictionaries({"public_keys": absurd}))
create_contents = st.fixed_dictionaries(
    {"creator": mostly(users)},
    optional={
        "m.federate": mostly(st.just(True), st.just(False) | absurd),
        "additional_creators": mostly(st.lists(users, max_size=1)),
        "room_version": mostly(st.sampled_from(list(SPECIFIED_ROOM_VERSIONS))),
    },
)


def event_of(
    rules: RoomVersionRules,
    event_type: str,
    state_key: str | None,
    sender: str,
    content: dict[str, Any],
    *,
    event_id: str = "$event:one.org",
    after: tuple[str, ...] = (CREATE_ID,),
    signed_by: tuple[str, ...] = (),
    redacts: Any = None,
) -> Event:
    """The event of a PDU that nobody checked; the rules never look at depth, time and hashes."""
    references = [[event_id, {}] for event_id in after] if rules.event_format.references_carry_hashes else list(after)
    pdu = {
        "type": event_type,
        "sender": sender,
        "content": content,
        "prev_events": references,
        "auth_events": [],
        "depth": 1,
        "origin_server_ts": 1,
        "signatures": {server: {} for server in signed_by},
    }
    if not (rules.event_format.room_id_is_create_event_id and event_type == "m.room.create"):
        pdu["room_id"] = "!" + CREATE_ID[1:]
    if state_key is not None:
        pdu["state_key"] = state_key
    if redacts is not None:
        (content if rules.event_format.redacts_in_content else pdu)["redacts"] = redacts
    return event_from_pdu(pdu, event_id, rules)


@st.composite
def states(draw: st.DrawFn, rules: RoomVersionRules) -> list[Event]:
    """The create event first, then some of what the rules look at; each with any content."""
    create = event_of(rules, "m.room.create", "", USERS[0], draw(create_contents), event_id=CREATE_ID, after=())
    members = {user_id: draw(mostly(joined_members, plain_members)) for user_id in USERS[:2]}
    members |= {user_id: draw(plain_members) for user_id in USERS[2:]}
    events = [create]
    for user_id, content in members.items():
        events.append(event_of(rules, "m.room.member", user_id, user_id, content, event_id=f"$m{user_id}"))
    for event_type, state_key, contents in [
        ("m.room.join_rules", "", join_rules_contents),
        ("m.room.power_levels", "", power_levels_contents),
        ("m.room.third_party_invite", TOKEN, issued_contents),
    ]:
        if draw(st.integers(0, 3)):
            event_id = f"${event_type}:one.org"
            events.append(event_of(rules, event_type, state_key, draw(users), draw(contents), event_id=event_id))
    return events


@st.composite
def events(draw: st.DrawFn, rules: RoomVersionRules) -> Event:
    """The next event: of a type that has rules of its own, or of one that has none."""
    event_type, state_keys, contents = draw(
        st.sampled_from(
            [
                ("m.room.member", users, plain_members),
                ("m.room.member", users, joined_members),
                ("m.room.member", users, authorised_joins),
                ("m.room.member", users, claimed_invites),
                ("m.room.power_levels", st.just(""), power_levels_contents),
                ("m.room.third_party_invite", st.sampled_from([TOKEN, "@t"]), issued_contents),
                ("m.room.aliases", st.sampled_from(SERVERS), st.just({})),
                ("m.room.redaction", st.none(), st.fixed_dictionaries({})),
                ("m.room.create", st.just(""), create_contents),
                ("m.room.topic", st.just("") | users | st.none(), st.dictionaries(st.text(max_size=3), absurd)),
            ]
        )
    )
    sender = draw(mostly(st.sampled_from(USERS[:2]), users)) if event_type != "m.room.member" else draw(users)
    of_oneself = event_type == "m.room.member" and contents is not claimed_invites and draw(st.booleans())
    others_before = st.sampled_from([("$other:one.org",), (), (CREATE_ID, "$other:one.org")])
    return event_of(
        rules,
        event_type,
        sender if of_oneself else draw(mostly(state_keys, st.none() | st.text(max_size=5))),
        sender,
        draw(contents),
        after=() if event_type == "m.room.create" else draw(others_before | st.just((CREATE_ID,))),
        signed_by=tuple(draw(mostly(st.just(SERVERS), st.sets(st.sampled_from(SERVERS))))),
        redacts=draw(st.sampled_from(["$x:one.org", "$x:two.org", "$x", None])),
    )


def check_all(event: Event, state: StateOfEvents, rules: RoomVersionRules) -> tuple[Rejection | None, ...]:
    """What `check_auth_rules` says of the state; what both halves say of it; and of the selected auth events alone."""
    keys = auth_event_keys(event.type, event.state_key, event.sender, event.content, rules)
    selected = [found for key in keys if (found := state.event(*key)) is not None]
    create = state.event("m.room.create", "")
    auth_state = StateOfEvents(selected if create is None else [*selected, create], rules)
    independent = check_state_independent_auth_rules(event, selected, frozenset(), rules)
    return (
        check_auth_rules(event, state, rules),
        independent or check_state_dependent_auth_rules(event, state, rules),
        independent or check_state_dependent_auth_rules(event, auth_state, rules),
    )


@pytest.mark.slow
@every_version
@settings(max_examples=150, deadline=None, derandomize=True)
@given(data=st.data())
def test_rules_answer_whatever_is_in_the_events_and_selected_auth_events_decide_as_the_state(
    version: str, data: st.DataObject
) -> None:
    rules = SPECIFIED_ROOM_VERSIONS[version]
    state = StateOfEvents(data.draw(states(rules)), rules)
    event = data.draw(events(rules))
    at_once, in_halves, by_auth_events = check_all(event, state, rules)
    assert at_once is None or isinstance(at_once, Rejection)
    assert in_halves == at_once
    assert by_auth_events == at_once


@every_version
@settings(max_examples=20, deadline=None, derandomize=True)
@given(data=st.data())
def test_state_without_its_create_event_allows_nothing_but_a_create_event(version: str, data: st.DataObject) -> None:
    rules = SPECIFIED_ROOM_VERSIONS[version]
    state = StateOfEvents(data.draw(states(rules))[1:], rules)
    event = data.draw(events(rules))
    if event.type != "m.room.create":
        at_once, in_halves, by_auth_events = check_all(event, state, rules)
        assert None not in (at_once, in_halves, by_auth_events)
