"""The push rules that every user begins with, as data.

Spec: https://spec.matrix.org/v1.19/client-server-api/#predefined-rules
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any, Final

from matrix_protocol.json_types import JsonObject
from matrix_protocol.push_rules.actions import NOTIFY

PUSH_RULES: Final = "m.push_rules"
"""The type of the account data in which a user's rules are told."""

KINDS: Final = ("override", "content", "room", "sender", "underride")

MASTER: Final = ".m.rule.master"
"""It "has always a higher priority than any other rule"."""

HIGHLIGHT: Final = {"set_tweak": "highlight"}


def _sound(name: str) -> dict[str, str]:
    return {"set_tweak": "sound", "value": name}


def _match(key: str, pattern: str) -> dict[str, str]:
    return {"kind": "event_match", "key": key, "pattern": pattern}


_TWO_MEMBERS: Final = {"kind": "room_member_count", "is": "2"}


def _rule(
    rule_id: str, conditions: Sequence[Mapping[str, Any]], actions: Sequence[Any] = (), *, enabled: bool = True
) -> JsonObject:
    return {
        "rule_id": rule_id,
        "default": True,
        "enabled": enabled,
        "conditions": list(conditions),
        "actions": list(actions),
    }


def default_push_rules(user_id: str) -> JsonObject:
    """The content of `m.push_rules` of somebody who has changed nothing. The caller's own: nothing in it is shared."""
    rulesets: dict[str, list[JsonObject]] = {kind: [] for kind in KINDS}
    rulesets["override"] = _override_rules(user_id)
    rulesets["underride"] = _underride_rules()
    return {"global": deepcopy(rulesets)}


def _override_rules(user_id: str) -> list[JsonObject]:
    """In the order of their priority, the highest first."""
    return [
        _rule(MASTER, [], enabled=False),
        _rule(".m.rule.suppress_notices", [_match("content.msgtype", "m.notice")]),
        _rule(
            ".m.rule.invite_for_me",
            [_match("type", "m.room.member"), _match("content.membership", "invite"), _match("state_key", user_id)],
            [NOTIFY, _sound("default")],
        ),
        _rule(".m.rule.member_event", [_match("type", "m.room.member")]),
        _rule(
            ".m.rule.is_user_mention",
            [{"kind": "event_property_contains", "key": r"content.m\.mentions.user_ids", "value": user_id}],
            [NOTIFY, _sound("default"), HIGHLIGHT],
        ),
        _rule(
            ".m.rule.is_room_mention",
            [
                {"kind": "event_property_is", "key": r"content.m\.mentions.room", "value": True},
                {"kind": "sender_notification_permission", "key": "room"},
            ],
            [NOTIFY, HIGHLIGHT],
        ),
        _rule(".m.rule.tombstone", [_match("type", "m.room.tombstone"), _match("state_key", "")], [NOTIFY, HIGHLIGHT]),
        _rule(".m.rule.reaction", [_match("type", "m.reaction")]),
        _rule(".m.rule.room.server_acl", [_match("type", "m.room.server_acl"), _match("state_key", "")]),
        _rule(
            ".m.rule.suppress_edits",
            [{"kind": "event_property_is", "key": r"content.m\.relates_to.rel_type", "value": "m.replace"}],
        ),
    ]


def _underride_rules() -> list[JsonObject]:
    """In the order of their priority, the highest first."""
    message, encrypted = _match("type", "m.room.message"), _match("type", "m.room.encrypted")
    return [
        _rule(".m.rule.call", [_match("type", "m.call.invite")], [NOTIFY, _sound("ring")]),
        _rule(".m.rule.encrypted_room_one_to_one", [_TWO_MEMBERS, encrypted], [NOTIFY, _sound("default")]),
        _rule(".m.rule.room_one_to_one", [_TWO_MEMBERS, message], [NOTIFY, _sound("default")]),
        _rule(".m.rule.message", [message], [NOTIFY]),
        _rule(".m.rule.encrypted", [encrypted], [NOTIFY]),
    ]
