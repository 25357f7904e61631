"""The predefined push rules."""

from __future__ import annotations

from typing import Any

import orjson

from matrix_protocol.push_rules import KINDS, default_push_rules

ALICE = "@alice:a.example"

# As the specification defines them: (rule ID, enabled, conditions, actions).
OVERRIDE: list[tuple[str, bool, list[dict[str, Any]], list[Any]]] = [
    (".m.rule.master", False, [], []),
    (".m.rule.suppress_notices", True, [{"kind": "event_match", "key": "content.msgtype", "pattern": "m.notice"}], []),
    (
        ".m.rule.invite_for_me",
        True,
        [
            {"key": "type", "kind": "event_match", "pattern": "m.room.member"},
            {"key": "content.membership", "kind": "event_match", "pattern": "invite"},
            {"key": "state_key", "kind": "event_match", "pattern": ALICE},
        ],
        ["notify", {"set_tweak": "sound", "value": "default"}],
    ),
    (".m.rule.member_event", True, [{"key": "type", "kind": "event_match", "pattern": "m.room.member"}], []),
    (
        ".m.rule.is_user_mention",
        True,
        [{"kind": "event_property_contains", "key": "content.m\\.mentions.user_ids", "value": ALICE}],
        ["notify", {"set_tweak": "sound", "value": "default"}, {"set_tweak": "highlight"}],
    ),
    (
        ".m.rule.is_room_mention",
        True,
        [
            {"kind": "event_property_is", "key": "content.m\\.mentions.room", "value": True},
            {"kind": "sender_notification_permission", "key": "room"},
        ],
        ["notify", {"set_tweak": "highlight"}],
    ),
    (
        ".m.rule.tombstone",
        True,
        [
            {"kind": "event_match", "key": "type", "pattern": "m.room.tombstone"},
            {"kind": "event_match", "key": "state_key", "pattern": ""},
        ],
        ["notify", {"set_tweak": "highlight"}],
    ),
    (".m.rule.reaction", True, [{"kind": "event_match", "key": "type", "pattern": "m.reaction"}], []),
    (
        ".m.rule.room.server_acl",
        True,
        [
            {"kind": "event_match", "key": "type", "pattern": "m.room.server_acl"},
            {"kind": "event_match", "key": "state_key", "pattern": ""},
        ],
        [],
    ),
    (
        ".m.rule.suppress_edits",
        True,
        [{"kind": "event_property_is", "key": "content.m\\.relates_to.rel_type", "value": "m.replace"}],
        [],
    ),
]
UNDERRIDE: list[tuple[str, bool, list[dict[str, Any]], list[Any]]] = [
    (
        ".m.rule.call",
        True,
        [{"key": "type", "kind": "event_match", "pattern": "m.call.invite"}],
        ["notify", {"set_tweak": "sound", "value": "ring"}],
    ),
    (
        ".m.rule.encrypted_room_one_to_one",
        True,
        [
            {"kind": "room_member_count", "is": "2"},
            {"kind": "event_match", "key": "type", "pattern": "m.room.encrypted"},
        ],
        ["notify", {"set_tweak": "sound", "value": "default"}],
    ),
    (
        ".m.rule.room_one_to_one",
        True,
        [{"kind": "room_member_count", "is": "2"}, {"kind": "event_match", "key": "type", "pattern": "m.room.message"}],
        ["notify", {"set_tweak": "sound", "value": "default"}],
    ),
    (".m.rule.message", True, [{"kind": "event_match", "key": "type", "pattern": "m.room.message"}], ["notify"]),
    (".m.rule.encrypted", True, [{"kind": "event_match", "key": "type", "pattern": "m.room.encrypted"}], ["notify"]),
]


def test_rules_are_those_of_the_specification_in_its_order() -> None:
    rules = default_push_rules(ALICE)["global"]
    assert tuple(rules) == KINDS
    assert rules["content"] == rules["room"] == rules["sender"] == []
    for kind, expected in (("override", OVERRIDE), ("underride", UNDERRIDE)):
        assert rules[kind] == [
            {"rule_id": rule_id, "default": True, "enabled": enabled, "conditions": conditions, "actions": actions}
            for rule_id, enabled, conditions, actions in expected
        ]


def test_one_users_rules_are_not_anothers() -> None:
    rules = default_push_rules(ALICE)
    rules["global"]["underride"][0]["actions"].clear()
    assert ALICE not in orjson.dumps(default_push_rules("@bob:a.example")).decode()
    assert default_push_rules(ALICE)["global"]["underride"][0]["actions"]
