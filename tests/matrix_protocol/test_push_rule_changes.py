"""Adding, moving, changing and deleting push rules."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matrix_protocol.errors import InvalidParam, MatrixError, MissingParam, NotFound, TooLarge
from matrix_protocol.push_rules import (
    compile_rule_set,
    default_push_rules,
    delete_rule,
    find_rule,
    put_rule,
    set_actions,
    set_enabled,
    with_predefined_rules,
)
from matrix_protocol.push_rules.changes import ACTIONS_MAX, CONDITIONS_MAX, RULES_BYTES_MAX, USER_RULES_MAX

ALICE = "@alice:a.example"
DEFAULTS = default_push_rules(ALICE)
NOTIFY: dict[str, Any] = {"actions": ["notify"]}


def ids(content: dict[str, Any], kind: str = "override") -> list[str]:
    return [rule["rule_id"] for rule in content["global"][kind] if not rule["default"]]


def scene() -> dict[str, Any]:
    content = DEFAULTS
    for rule_id in ("c", "b", "a"):
        content = put_rule(content, "override", rule_id, NOTIFY)
    return content


def test_new_rule_is_the_most_important_of_the_users_behind_the_master_rule() -> None:
    content = scene()
    assert ids(content) == ["a", "b", "c"]
    assert [rule["rule_id"] for rule in content["global"]["override"]][:2] == [".m.rule.master", "a"]


def test_before_is_the_next_more_important_and_after_the_next_less() -> None:
    assert ids(put_rule(scene(), "override", "x", NOTIFY, before="b")) == ["a", "x", "b", "c"]
    assert ids(put_rule(scene(), "override", "x", NOTIFY, after="b")) == ["a", "b", "x", "c"]
    assert ids(put_rule(scene(), "override", "x", NOTIFY, before="c", after="a")) == ["a", "b", "x", "c"]
    assert ids(put_rule(scene(), "override", "a", NOTIFY, after="b")) == ["b", "a", "c"]


def test_replaced_rule_stays_where_it_is_and_off_if_it_was() -> None:
    content = set_enabled(scene(), "override", "b", False)
    content = put_rule(content, "override", "b", {"actions": []})
    assert ids(content) == ["a", "b", "c"]
    assert find_rule(content, "override", "b") == {
        "rule_id": "b",
        "default": False,
        "enabled": False,
        "conditions": [],
        "actions": [],
    }


def test_rules_have_the_members_of_their_kind() -> None:
    body = {"actions": ["dont_notify", "notify"], "pattern": "cake", "conditions": [], "more": 1}
    content = put_rule(DEFAULTS, "content", "x", body)
    plain = {"default": False, "enabled": True, "actions": ["dont_notify", "notify"]}
    assert find_rule(content, "content", "x") == {**plain, "rule_id": "x", "pattern": "cake"}
    content = put_rule(content, "room", "!r:a.example", body)
    assert find_rule(content, "room", "!r:a.example") == {**plain, "rule_id": "!r:a.example"}


def test_neighbour_must_be_a_rule_of_the_user() -> None:
    with pytest.raises(InvalidParam):
        put_rule(scene(), "override", "x", NOTIFY, before=".m.rule.reaction")
    with pytest.raises(MatrixError) as missing:
        put_rule(scene(), "override", "x", NOTIFY, after="nobody")
    assert (missing.value.errcode, missing.value.http_status) == ("M_UNKNOWN", 400)


@pytest.mark.parametrize(
    ("kind", "rule_id", "body", "error"),
    [
        ("override", ".x", NOTIFY, InvalidParam),
        ("override", "a/b", NOTIFY, InvalidParam),
        ("override", "a\\b", NOTIFY, InvalidParam),
        ("override", "", NOTIFY, InvalidParam),
        ("override", "x" * 256, NOTIFY, InvalidParam),
        ("device", "x", NOTIFY, InvalidParam),
        ("room", "x", NOTIFY, InvalidParam),
        ("sender", "x", NOTIFY, InvalidParam),
        ("override", "x", {}, MissingParam),
        ("content", "x", NOTIFY, MissingParam),
        ("content", "x", {**NOTIFY, "pattern": 1}, InvalidParam),
        ("content", "x", {**NOTIFY, "pattern": "x" * 257}, InvalidParam),
        ("override", "x", {"actions": ["shout"]}, InvalidParam),
        ("override", "x", {"actions": [{}]}, InvalidParam),
        ("override", "x", {"actions": "notify"}, InvalidParam),
        ("override", "x", {"actions": ["notify"] * (ACTIONS_MAX + 1)}, InvalidParam),
        ("override", "x", {**NOTIFY, "conditions": {}}, InvalidParam),
        ("override", "x", {**NOTIFY, "conditions": [{}]}, InvalidParam),
        ("override", "x", {**NOTIFY, "conditions": [{"kind": "event_match"}]}, InvalidParam),
        ("override", "x", {**NOTIFY, "conditions": [{"kind": "new"}] * (CONDITIONS_MAX + 1)}, InvalidParam),
        ("override", "x", {**NOTIFY, "conditions": [{"kind": "new", "x": "y" * 5000}]}, TooLarge),
    ],
)
def test_rules_that_cannot_be(kind: str, rule_id: str, body: dict[str, Any], error: type[MatrixError]) -> None:
    with pytest.raises(error):
        put_rule(DEFAULTS, kind, rule_id, body)


def test_conditions_of_unknown_kinds_are_kept_for_clients() -> None:
    content = put_rule(DEFAULTS, "underride", "x", {**NOTIFY, "conditions": [{"kind": "org.example.new"}]})
    assert find_rule(content, "underride", "x")["conditions"] == [{"kind": "org.example.new"}]


def test_number_of_rules_is_limited_but_replacing_goes_on() -> None:
    content = deepcopy(DEFAULTS)
    content["global"]["sender"] = [
        {"rule_id": f"@u{number}:a.example", "default": False, "enabled": True, "actions": []}
        for number in range(USER_RULES_MAX)
    ]
    with pytest.raises(TooLarge):
        put_rule(content, "override", "x", NOTIFY)
    assert find_rule(put_rule(content, "sender", "@u7:a.example", NOTIFY), "sender", "@u7:a.example")["actions"]


def test_size_of_all_rules_is_limited_but_they_can_be_deleted() -> None:
    content = deepcopy(DEFAULTS)
    content["global"]["content"] = [
        {"rule_id": f"{number}", "default": False, "enabled": True, "pattern": "x" * 200, "actions": []}
        for number in range(RULES_BYTES_MAX // 270)
    ]
    with pytest.raises(TooLarge):
        put_rule(content, "room", "!r:a.example", NOTIFY)
    for number in range(50):
        content = delete_rule(content, "content", f"{number}")
    put_rule(content, "room", "!r:a.example", NOTIFY)


def test_predefined_rules_can_be_changed_but_not_deleted() -> None:
    content = set_actions(DEFAULTS, "underride", ".m.rule.message", [])
    assert find_rule(content, "underride", ".m.rule.message")["actions"] == []
    with pytest.raises(InvalidParam):
        delete_rule(DEFAULTS, "underride", ".m.rule.message")


def test_historical_actions_are_given_back_as_they_came() -> None:
    content = set_actions(DEFAULTS, "underride", ".m.rule.message", ["dont_notify"])
    assert find_rule(content, "underride", ".m.rule.message")["actions"] == ["dont_notify"]


def test_rule_that_is_not_there_is_not_found() -> None:
    with pytest.raises(NotFound):
        find_rule(DEFAULTS, "room", "!x:a.example")
    with pytest.raises(NotFound):
        delete_rule(DEFAULTS, "override", ".m.rule.contains_display_name")
    with pytest.raises(NotFound):
        set_enabled(DEFAULTS, "override", "x", True)
    with pytest.raises(InvalidParam):
        set_enabled(scene(), "override", "a", "true")


def test_stored_rules_get_the_predefined_ones_of_today_and_keep_what_the_user_decided() -> None:
    stored = set_enabled(scene(), "override", ".m.rule.suppress_edits", False)
    override = stored["global"]["override"]
    override[:] = [rule for rule in override if rule["rule_id"] != ".m.rule.reaction"]
    override.append({"rule_id": ".m.rule.contains_display_name", "default": True, "enabled": True, "actions": []})
    expected = set_enabled(scene(), "override", ".m.rule.suppress_edits", False)
    assert with_predefined_rules(stored, ALICE) == expected
    assert with_predefined_rules({}, ALICE) == DEFAULTS


RULE = st.tuples(
    st.sampled_from("abcd"),
    st.fixed_dictionaries(
        {
            "actions": st.lists(st.sampled_from(["notify", {"set_tweak": "highlight"}]), max_size=3),
            "conditions": st.lists(
                st.sampled_from([{"kind": "room_member_count", "is": ">1"}, {"kind": "new"}]), max_size=2
            ),
        }
    ),
)


@given(st.lists(RULE, max_size=8))
def test_rules_survive_json_and_are_gone_once_deleted(rules: list[tuple[str, dict[str, Any]]]) -> None:
    content = DEFAULTS
    for rule_id, body in rules:
        content = put_rule(content, "override", rule_id, body)
        found = find_rule(content, "override", rule_id)
        assert (found["conditions"], found["actions"]) == (body["conditions"], body["actions"])
    assert with_predefined_rules(orjson.loads(orjson.dumps(content)), ALICE) == content
    compile_rule_set(content, ALICE)
    for rule_id in ids(content):
        content = delete_rule(content, "override", rule_id)
    assert content == DEFAULTS == default_push_rules(ALICE)
