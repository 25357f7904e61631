"""The predefined push rules."""

from __future__ import annotations

import orjson

from matrix_protocol.push_rules import KINDS, default_push_rules

ALICE = "@alice:a.example"


def test_rules_are_those_of_the_specification_in_its_order() -> None:
    rules = default_push_rules(ALICE)["global"]
    assert tuple(rules) == KINDS
    assert [rule["rule_id"] for rule in rules["override"]] == [
        ".m.rule.master",
        ".m.rule.suppress_notices",
        ".m.rule.invite_for_me",
        ".m.rule.member_event",
        ".m.rule.is_user_mention",
        ".m.rule.is_room_mention",
        ".m.rule.tombstone",
        ".m.rule.reaction",
        ".m.rule.room.server_acl",
        ".m.rule.suppress_edits",
    ]
    assert [rule["rule_id"] for rule in rules["underride"]] == [
        ".m.rule.call",
        ".m.rule.encrypted_room_one_to_one",
        ".m.rule.room_one_to_one",
        ".m.rule.message",
        ".m.rule.encrypted",
    ]


def test_only_the_master_rule_is_off() -> None:
    rules = default_push_rules(ALICE)["global"]
    assert [rule["rule_id"] for kind in KINDS for rule in rules[kind] if not rule["enabled"]] == [".m.rule.master"]
    assert all(rule["default"] for kind in KINDS for rule in rules[kind])


def test_rules_about_the_user_name_them_and_paths_are_escaped() -> None:
    override = {rule["rule_id"]: rule for rule in default_push_rules(ALICE)["global"]["override"]}
    assert override[".m.rule.invite_for_me"]["conditions"][2]["pattern"] == ALICE
    mention = override[".m.rule.is_user_mention"]["conditions"][0]
    assert mention == {
        "kind": "event_property_contains",
        "key": "content.m\\.mentions.user_ids",
        "value": ALICE,
    }


def test_one_users_rules_are_not_anothers() -> None:
    rules = default_push_rules(ALICE)
    rules["global"]["underride"][0]["actions"].clear()
    assert ALICE not in orjson.dumps(default_push_rules("@bob:a.example")).decode()
    assert default_push_rules(ALICE)["global"]["underride"][0]["actions"]
