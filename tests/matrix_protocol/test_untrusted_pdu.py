"""What is dropped before anything else looks at it."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matrix_protocol.errors import BadJson, TooLarge
from matrix_protocol.events.untrusted import event_from_untrusted_pdu
from matrix_protocol.room_versions import SPECIFIED_ROOM_VERSIONS
from tests.factories import Room, user
from tests.matrix_protocol.versions import every_version, versions

ALICE = user("alice")
MISSING = object()


def message_room(version: str) -> Room:
    return Room(ALICE, version).message(ALICE)


unchanged_room = cache(message_room)
"""For tests that look at the room alone."""


def is_dropped(version: str, **changes: Any) -> bool:
    room = message_room(version)
    pdu = {key: value for key, value in {**room.last.pdu, **changes}.items() if value is not MISSING}
    try:
        event_from_untrusted_pdu(pdu, room.rules)
    except (BadJson, TooLarge):
        return True
    return False


@every_version
def test_our_own_events_pass(version: str) -> None:
    room = message_room(version).redact(ALICE, "$abc:example.org" if version in ("1", "2") else "$abc")
    for event in room.events:
        received = event_from_untrusted_pdu({**event.pdu, "unsigned": {"age": 1}}, room.rules)
        assert (received.event_id, received.room_id, received.pdu) == (event.event_id, event.room_id, event.pdu)


@pytest.mark.parametrize("value", [None, [], "x", 1])
def test_pdu_must_be_an_object(value: object) -> None:
    with pytest.raises(BadJson):
        event_from_untrusted_pdu(value, message_room("12").rules)


@every_version
@pytest.mark.parametrize("value", [MISSING, None, 1, [], True])
@pytest.mark.parametrize("key", ["sender", "type", "room_id"])
def test_strings_are_required(version: str, key: str, value: object) -> None:
    assert is_dropped(version, **{key: value})


@every_version
@pytest.mark.parametrize("value", [MISSING, None, 1, [], "x"])
@pytest.mark.parametrize("key", ["content", "hashes", "signatures"])
def test_objects_are_required(version: str, key: str, value: object) -> None:
    assert is_dropped(version, **{key: value})


@every_version
@pytest.mark.parametrize("value", [MISSING, None, "1", [], True, 1.0, -1, 2**63])
def test_depth_is_a_bounded_integer(version: str, value: object) -> None:
    assert is_dropped(version, depth=value)
    assert is_dropped(version, depth=2**53) is (int(version) >= 6)


@every_version
@pytest.mark.parametrize("value", [MISSING, None, "1", [], True, 1.0, 2**63])
def test_timestamp_is_an_integer(version: str, value: object) -> None:
    assert is_dropped(version, origin_server_ts=value)


@every_version
@pytest.mark.parametrize("value", [None, 1, []])
def test_state_key_is_a_string(version: str, value: object) -> None:
    assert is_dropped(version, state_key=value)


@every_version
@pytest.mark.parametrize("key", ["auth_events", "prev_events"])
def test_references_are_bounded_event_ids(version: str, key: str) -> None:
    good: Any = ["$a:example.org", {"sha256": "x"}] if version in ("1", "2") else "$abc"
    others: list[Any] = (
        ["$abc", ["$abc", {"sha256": "x"}]] if version in ("1", "2") else [["$a:example.org", {}], "$a:b"]
    )
    maximum = 10 if key == "auth_events" else 20
    assert not is_dropped(version, **{key: [good] * maximum})
    assert is_dropped(version, **{key: [good] * (maximum + 1)})
    for bad in (
        MISSING,
        None,
        {},
        "x",
        [None],
        [1],
        ["x"],
        others[:1],
        others[1:],
        [[]],
        [["$a:b"]],
        [["$a:b", {}, {}]],
    ):
        assert is_dropped(version, **{key: bad})


@every_version
@pytest.mark.parametrize("sender", ["", "alice", "@alice", "@alice:", "@al\x00ice:example.org", "@a:" + "b" * 260])
def test_sender_must_be_a_user_id(version: str, sender: str) -> None:
    assert is_dropped(version, sender=sender)


@every_version
@pytest.mark.parametrize("key", ["type", "state_key", "room_id", "sender"])
def test_keys_are_at_most_255_bytes(version: str, key: str) -> None:
    room = message_room(version)
    with pytest.raises(TooLarge):
        event_from_untrusted_pdu({**room.last.pdu, key: "x" * 256}, room.rules)


@every_version
def test_event_is_at_most_64_kib(version: str) -> None:
    room = message_room(version)
    with pytest.raises(TooLarge):
        event_from_untrusted_pdu({**room.last.pdu, "content": {"body": "x" * 65536}}, room.rules)


@versions(1, 11)
def test_room_id_names_a_server_through_version_11(version: str) -> None:
    assert is_dropped(version, room_id="!" + "A" * 43)


@versions(12)
def test_room_id_is_a_hash_since_version_12(version: str) -> None:
    assert is_dropped(version, room_id="!room:example.org")
    room = Room(ALICE, version)
    with pytest.raises(BadJson):
        event_from_untrusted_pdu({**room.create_event.pdu, "room_id": room.id}, room.rules)


@versions(1, 2)
@pytest.mark.parametrize("event_id", [MISSING, None, 1, "", "$", "x", "$a b", "$abc", "$abc:"])
def test_event_id_is_required_in_versions_1_and_2(version: str, event_id: object) -> None:
    assert is_dropped(version, event_id=event_id)


@versions(3)
def test_event_id_of_the_pdu_means_nothing_since_version_3(version: str) -> None:
    room = message_room(version)
    received = event_from_untrusted_pdu({**room.last.pdu, "event_id": "$forged"}, room.rules)
    assert received.event_id != "$forged"


@versions(6)
@pytest.mark.parametrize("value", [1.5, 2**53, "\ud800"])
def test_content_without_canonical_form_is_dropped_since_version_6(version: str, value: object) -> None:
    assert is_dropped(version, content={"x": value})


@versions(1, 5)
def test_content_may_hold_floats_and_large_integers_before_version_6(version: str) -> None:
    assert not is_dropped(version, content={"x": 1.5, "y": 2**60})


@every_version
def test_too_deep_content_is_dropped(version: str) -> None:
    deep: Any = {}
    for _ in range(50_000):
        deep = {"x": deep}
    assert is_dropped(version, content=deep)


@every_version
@pytest.mark.parametrize("hashes", [{}, {"sha256": 1}, {"md5": "x"}])
def test_pdu_without_a_content_hash_is_dropped(version: str, hashes: dict[str, Any]) -> None:
    assert is_dropped(version, hashes=hashes)


@every_version
@pytest.mark.parametrize("value", [None, 1, []])
def test_redacts_must_be_a_string_where_the_version_has_it_in_the_event(version: str, value: object) -> None:
    assert is_dropped(version, redacts=value) is (int(version) < 11)


@every_version
def test_timestamps_are_64_bit_integers_through_version_5_and_canonical_ones_since(version: str) -> None:
    assert is_dropped(version, origin_server_ts=2**53) is (int(version) >= 6)
    assert is_dropped(version, origin_server_ts=2**63)


@every_version
@pytest.mark.parametrize("content", [{"body": "\ud800"}, {"\ud800": 1}, {"a": [["\udfff"]]}])
def test_lone_surrogates_are_refused(version: str, content: dict[str, Any]) -> None:
    assert is_dropped(version, content=content)


@every_version
def test_a_member_name_that_is_no_string_is_refused(version: str) -> None:
    assert is_dropped(version, content={1: "x"})


@every_version
def test_200_levels_of_nesting_pass_and_201_do_not(version: str) -> None:
    def content(levels: int) -> dict[str, Any]:
        value: dict[str, Any] = {}
        for _ in range(levels - 1):
            value = {"x": value}
        return value

    assert not is_dropped(version, content=content(199))  # the PDU itself is a level
    assert is_dropped(version, content=content(200))


@every_version
@pytest.mark.parametrize("content", [{"x": [0] * 65536}, {"x": [[]] * 65536}, {"x" * 65536: 0}, {"x": ["y" * 65536]}])
def test_what_cannot_fit_is_too_large(version: str, content: dict[str, Any]) -> None:
    room = message_room(version)
    with pytest.raises(TooLarge):
        event_from_untrusted_pdu({**room.last.pdu, "content": content}, room.rules)


@every_version
def test_at_most_20_servers_sign_20_times_each(version: str) -> None:
    def signatures(servers: int, keys: int) -> dict[str, Any]:
        of_server = {f"ed25519:{number}": "x" for number in range(keys)}
        return {f"s{number}.example": of_server for number in range(servers)}

    assert not is_dropped(version, signatures=signatures(20, 20))
    assert is_dropped(version, signatures=signatures(21, 1))
    assert is_dropped(version, signatures=signatures(1, 21))


TEXT = st.text(st.characters(), max_size=8) | st.just("\udc00")
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda values: st.lists(values, max_size=4) | st.dictionaries(TEXT, values, max_size=4),
    max_leaves=8,
)
KEYS = st.sampled_from(
    [
        "type",
        "sender",
        "content",
        "hashes",
        "signatures",
        "depth",
        "auth_events",
        "prev_events",
        "redacts",
        "state_key",
        "room_id",
        "event_id",
        "origin_server_ts",
        "unheard-of",
    ]
)


@every_version
@given(untrusted=ANY_JSON)
def test_any_json_is_refused_politely(version: str, untrusted: Any) -> None:
    with pytest.raises((BadJson, TooLarge)):
        event_from_untrusted_pdu(untrusted, SPECIFIED_ROOM_VERSIONS[version])


@pytest.mark.slow
@every_version
@given(changes=st.dictionaries(KEYS, ANY_JSON, max_size=3))
def test_whatever_a_pdu_holds_it_passes_or_is_refused_politely(version: str, changes: dict[str, Any]) -> None:
    room = unchanged_room(version)
    try:
        event = event_from_untrusted_pdu({**room.last.pdu, **changes}, room.rules)
    except (BadJson, TooLarge):
        return
    room.verdict(event)
