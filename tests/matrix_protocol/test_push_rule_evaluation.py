"""What push rules say about an event."""

from __future__ import annotations

from typing import Any

import pytest

from matrix_protocol.event_auth.power_levels import DEFAULT_LEVELS, PowerLevels
from matrix_protocol.push_rules import (
    NOTHING,
    Outcome,
    PushEvent,
    Reader,
    compile_rule_set,
    default_push_rules,
    default_rule_set,
    put_rule,
    set_actions,
    set_enabled,
)
from matrix_protocol.push_rules.events import property_path

ALICE, BOB, ROOM = "@alice:a.example", "@bob:b.example", "!room:a.example"
READER = Reader(ALICE, "Alice")
LEVELS = PowerLevels(DEFAULT_LEVELS, {BOB: 50}, {}, {})
REPLACE = {"m.relates_to": {"rel_type": "m.replace"}}


def event(
    event_type: str = "m.room.message", *, members: int = 3, levels: Any = LEVELS, **members_of: Any
) -> PushEvent:
    json = {"type": event_type, "sender": BOB, "content": {"body": "Hello", "msgtype": "m.text"}, **members_of}
    return PushEvent(json, ROOM, members, levels)


def by_default(pushed: PushEvent, reader: Reader = READER) -> Outcome:
    shared = default_rule_set().evaluate(pushed, reader)
    own = compile_rule_set(default_push_rules(reader.user_id), reader.user_id).evaluate(pushed, reader)
    assert shared == own
    return shared


def holds(condition: dict[str, Any], pushed: PushEvent, reader: Reader = READER) -> bool:
    rule = {"rule_id": "r", "enabled": True, "default": False, "conditions": [condition], "actions": ["notify"]}
    return compile_rule_set({"global": {"override": [rule]}}, reader.user_id).evaluate(pushed, reader).notify


@pytest.mark.parametrize(
    ("pushed", "rule_id", "notify", "highlight", "sound"),
    [
        (event(), ".m.rule.message", True, False, None),
        (event(members=2), ".m.rule.room_one_to_one", True, False, "default"),
        (event("m.room.encrypted"), ".m.rule.encrypted", True, False, None),
        (event("m.room.encrypted", members=2), ".m.rule.encrypted_room_one_to_one", True, False, "default"),
        (event("m.call.invite"), ".m.rule.call", True, False, "ring"),
        (event("m.reaction", content={}), ".m.rule.reaction", False, False, None),
        (event("m.room.topic", state_key="", content={}), None, False, False, None),
        (event("m.room.tombstone", state_key="", content={}), ".m.rule.tombstone", True, True, None),
        (event("m.room.tombstone", content={}), None, False, False, None),
        (event("m.room.server_acl", state_key=""), ".m.rule.room.server_acl", False, False, None),
        (event(content={"msgtype": "m.notice"}), ".m.rule.suppress_notices", False, False, None),
        (event(content=REPLACE), ".m.rule.suppress_edits", False, False, None),
        (
            event("m.room.member", state_key=ALICE, content={"membership": "invite"}),
            ".m.rule.invite_for_me",
            True,
            False,
            "default",
        ),
        (
            event("m.room.member", state_key="@c:c.example", content={"membership": "invite"}),
            ".m.rule.member_event",
            False,
            False,
            None,
        ),
        (event(content={"m.mentions": {"user_ids": [ALICE]}}), ".m.rule.is_user_mention", True, True, "default"),
        (event(content={"m.mentions": {"user_ids": ALICE}}), ".m.rule.message", True, False, None),
        (event(content={"m.mentions": {"room": True}}), ".m.rule.is_room_mention", True, True, None),
        (event(content={"m.mentions": {"room": 1}}), ".m.rule.message", True, False, None),
        (event(content={"m.mentions": {"room": True}}, levels=None), ".m.rule.message", True, False, None),
        (
            event(content={"m.mentions": {"room": True}}, sender="@weak:b.example"),
            ".m.rule.message",
            True,
            False,
            None,
        ),
    ],
)
def test_predefined_rules(pushed: PushEvent, rule_id: str | None, notify: bool, highlight: bool, sound: object) -> None:
    outcome = by_default(pushed)
    assert (outcome.rule_id, outcome.notify, outcome.highlight, outcome.sound) == (rule_id, notify, highlight, sound)


def test_own_events_never_notify() -> None:
    assert by_default(event(sender=ALICE, content={"m.mentions": {"user_ids": [ALICE]}})) == NOTHING


def test_one_event_is_judged_for_each_reader_apart() -> None:
    pushed = event(content={"m.mentions": {"user_ids": [ALICE]}, "body": "hi"})
    assert by_default(pushed).highlight
    assert not by_default(pushed, Reader("@carol:a.example")).highlight
    assert by_default(pushed).highlight


def test_master_rule_comes_before_rules_of_the_user() -> None:
    rules = put_rule(default_push_rules(ALICE), "override", "mine", {"actions": ["notify"]})
    assert compile_rule_set(rules, ALICE).evaluate(event(), READER).rule_id == "mine"
    rules = set_enabled(rules, "override", ".m.rule.master", True)
    assert not compile_rule_set(rules, ALICE).evaluate(event(), READER).notify


def test_kinds_are_tried_in_their_order_and_disabled_rules_never_match() -> None:
    rules = default_push_rules(ALICE)
    actions = {"actions": ["notify"]}
    order = [("override", "o"), ("content", "c"), ("room", ROOM), ("sender", BOB), ("underride", "u")]
    for kind, rule_id in reversed(order):
        body = {**actions, "pattern": "hello"} if kind == "content" else actions
        rules = put_rule(rules, kind, rule_id, body)
    for kind, rule_id in order:
        assert compile_rule_set(rules, ALICE).evaluate(event(), READER).rule_id == rule_id
        rules = set_enabled(rules, kind, rule_id, False)
    assert compile_rule_set(rules, ALICE).evaluate(event(), READER).rule_id == ".m.rule.message"


def test_rules_of_the_user_come_before_predefined_ones_however_they_are_stored() -> None:
    rules = default_push_rules(ALICE)
    rules["global"]["underride"].append({"rule_id": "mine", "enabled": True, "conditions": [], "actions": []})
    assert compile_rule_set(rules, ALICE).evaluate(event(), READER).rule_id == "mine"


@pytest.mark.parametrize(
    ("actions", "notify", "highlight", "sound"),
    [
        (["dont_notify"], False, False, None),
        (["coalesce", "notify"], True, False, None),
        (["notify", {"set_tweak": "highlight"}], True, True, None),
        (["notify", {"set_tweak": "highlight", "value": False}], True, False, None),
        (["notify", {"set_tweak": "sound", "value": "x.wav"}], True, False, "x.wav"),
        ([{"set_tweak": "highlight"}], False, False, None),
        ("notify", False, False, None),
        ([1, None, {"set_tweak": 1}], False, False, None),
    ],
)
def test_actions(actions: Any, notify: bool, highlight: bool, sound: str | None) -> None:
    rule = {"rule_id": "r", "enabled": True, "actions": actions}
    outcome = compile_rule_set({"global": {"override": [rule]}}, ALICE).evaluate(event(), READER)
    assert (outcome.notify, outcome.highlight, outcome.sound) == (notify, highlight, sound)


def test_other_tweaks_are_passed_on() -> None:
    rules = set_actions(
        default_push_rules(ALICE), "underride", ".m.rule.message", ["notify", {"set_tweak": "flash", "value": 3}]
    )
    assert dict(compile_rule_set(rules, ALICE).evaluate(event(), READER).tweaks) == {"flash": 3}


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("content.body", ("content", "body")),
        (r"content.m\.relates_to", ("content", "m.relates_to")),
        (r"content.m\\foo", ("content", "m\\foo")),
        (r"content.\x", ("content", "\\x")),
        ("content.end\\", ("content", "end\\")),
        ("", ("",)),
    ],
)
def test_dotted_paths(key: str, path: tuple[str, ...]) -> None:
    assert property_path(key) == path


@pytest.mark.parametrize(
    ("topic", "matches"), [("Lunch plans", True), ("LUNCH", True), (" lunch", False), ("lunc", False), (None, False)]
)
def test_event_match_takes_the_whole_value(topic: object, matches: bool) -> None:
    condition = {"kind": "event_match", "key": "content.topic", "pattern": "lunc?*"}
    assert holds(condition, event("m.room.topic", content={"topic": topic})) is matches


def test_event_match_of_anything_needs_a_string() -> None:
    condition = {"kind": "event_match", "key": "content.x", "pattern": "*"}
    assert not holds(condition, event(content={}))
    assert not holds(condition, event(content={"x": 1}))
    assert holds(condition, event(content={"x": ""}))


def test_event_match_on_the_type_ignores_case_for_common_types_too() -> None:
    condition = {"kind": "event_match", "key": "type", "pattern": "M.ROOM.*"}
    assert holds(condition, event())
    assert holds(condition, event("m.room.name"))
    assert not holds(condition, event("m.reaction"))


@pytest.mark.parametrize("value", ["x", 1, 0, True, False, None, -(2**53) + 1])
def test_values_are_compared_with_their_type(value: object) -> None:
    others: list[Any] = [other for other in ("x", 1, 0, True, False, None, -(2**53) + 1) if other is not value]
    equal = {"kind": "event_property_is", "key": "content.v", "value": value}
    contains = {"kind": "event_property_contains", "key": "content.v", "value": value}
    assert holds(equal, event(content={"v": value}))
    assert holds(contains, event(content={"v": [[], {}, value]}))
    assert not any(holds(equal, event(content={"v": other})) for other in [*others, [value], {}])
    assert not holds(contains, event(content={"v": [*others, [value]]}))
    assert not holds(equal, event(content={}))
    assert not holds(contains, event(content={"v": value}))


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("2", {2}),
        ("==2", {2}),
        ("<2", {1}),
        (">2", {3}),
        ("<=2", {1, 2}),
        (">=2", {2, 3}),
        ("=2", set()),
        ("2 ", set()),
    ],
)
def test_member_counts(text: str, counts: set[int]) -> None:
    condition = {"kind": "room_member_count", "is": text}
    assert {count for count in (1, 2, 3) if holds(condition, event(members=count))} == counts


def test_display_name_is_looked_for_as_words_not_as_a_pattern() -> None:
    condition = {"kind": "contains_display_name"}
    body = event(content={"body": "is ALICE* here?"})
    assert holds(condition, body)
    assert holds(condition, body, Reader(ALICE, "alice*"))
    for name in ("lice", "a*e", "", None):
        assert not holds(condition, body, Reader(ALICE, name))


@pytest.mark.parametrize(
    "condition",
    [
        {"kind": "device"},
        {"kind": 1},
        {},
        None,
        {"kind": "event_match", "key": "type"},
        {"kind": "event_match", "pattern": "*"},
        {"kind": "event_match", "key": "type", "pattern": "*" * 257},
        {"kind": "event_property_is", "key": "content"},
        {"kind": "event_property_is", "key": "content.x", "value": 1.5},
        {"kind": "event_property_contains", "key": "content.x", "value": []},
        {"kind": "room_member_count", "is": 2},
        {"kind": "sender_notification_permission"},
    ],
)
def test_unknown_or_malformed_conditions_never_match(condition: Any) -> None:
    assert not holds(condition, event(content={"x": [1.5, []]}))


@pytest.mark.parametrize("content", [{}, {"global": 1}, {"global": {"override": {}}}, {"global": {"room": [1, {}]}}])
def test_rules_that_are_none_never_match(content: dict[str, Any]) -> None:
    assert compile_rule_set(content, ALICE).evaluate(event(), READER) == NOTHING
