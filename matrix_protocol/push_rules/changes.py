"""Changes of a user's push rules: from the content of `m.push_rules` to a new one; the given one stays as it is.

Where the specification calls for an answer 400, these raise InvalidParam,
MissingParam or TooLarge; where there is no such rule, NotFound.

Spec: https://spec.matrix.org/v1.19/client-server-api/#push-rules-api
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from matrix_protocol.errors import (
    InvalidParam,
    MatrixError,
    MissingParam,
    NotFound,
    TooLarge,
    error_from,
)
from matrix_protocol.identifiers import IDENTIFIER_BYTES_MAX, exceeds_bytes, is_valid_room_id, is_valid_user_id
from matrix_protocol.json_types import JsonObject
from matrix_protocol.push_rules.actions import HISTORICAL_ACTIONS, NOTIFY, SET_TWEAK
from matrix_protocol.push_rules.conditions import CONDITION_KINDS, compile_condition, is_pattern
from matrix_protocol.push_rules.defaults import KINDS, MASTER, default_push_rules

USER_RULES_MAX: Final = 1000
"""Of one user, all kinds together. The specification names no limits; each rule may be tried on every message."""
CONDITIONS_MAX: Final = 32
ACTIONS_MAX: Final = 16
RULE_BYTES_MAX: Final = 4096
"""Of one rule's JSON."""
RULES_BYTES_MAX: Final = 262_144
"""Of all the user's rules as JSON; clients get the whole of it with each change, and it is kept compiled."""


def find_rule(content: Mapping[str, Any], kind: str, rule_id: str) -> JsonObject:
    """Raises NotFound."""
    rules = _rules(content, kind)
    return rules[_index(rules, rule_id)]


def put_rule(
    content: Mapping[str, Any],
    kind: str,
    rule_id: str,
    body: Mapping[str, Any],
    before: str | None = None,
    after: str | None = None,
) -> JsonObject:
    """Adds a rule of the user's, or replaces it: its place and whether it is enabled stay unless told otherwise.

    `before`: the new rule is to be the next more important than this one; `after`: the next less important.
    """
    _check_rule_id(kind, rule_id)
    rule = _new_rule(kind, rule_id, body)
    rules = _rules(content, kind)
    at = next((at for at, other in enumerate(rules) if other.get("rule_id") == rule_id), None)
    if at is not None:
        rule["enabled"] = rules.pop(at).get("enabled", True)
    elif _user_rules(content) >= USER_RULES_MAX:
        raise TooLarge(f"A user may have {USER_RULES_MAX} push rules of their own")
    # "If both `after` and `before` are provided, the new or updated rule must be the next most important rule with
    #  respect to the rule identified by `before`."
    if before is not None:
        at = _neighbour(rules, before)
    elif after is not None:
        at = _neighbour(rules, after) + 1
    elif at is None:
        # "it should be added as the most important user defined rule among rules of the same kind."
        at = 1 if rules and rules[0].get("rule_id") == MASTER else 0
    rules.insert(at, rule)
    return _checked_size(_with_rules(content, kind, rules), rule)


def delete_rule(content: Mapping[str, Any], kind: str, rule_id: str) -> JsonObject:
    """Raises NotFound, or InvalidParam for a predefined rule."""
    rules = _rules(content, kind)
    at = _index(rules, rule_id)
    if rule_id.startswith("."):
        raise InvalidParam("The server's own push rules can be disabled, but not deleted")
    return _with_rules(content, kind, rules[:at] + rules[at + 1 :])


def set_enabled(content: Mapping[str, Any], kind: str, rule_id: str, enabled: object) -> JsonObject:
    """Of predefined rules too."""
    if not isinstance(enabled, bool):
        raise InvalidParam("`enabled` must be true or false")
    return _with_changed_rule(content, kind, rule_id, {"enabled": enabled})


def set_actions(content: Mapping[str, Any], kind: str, rule_id: str, actions: object) -> JsonObject:
    """ "This can be used to change the actions of builtin rules." """
    return _with_changed_rule(content, kind, rule_id, {"actions": _checked_actions(actions)})


def with_predefined_rules(content: Mapping[str, Any], user_id: str) -> JsonObject:
    """A user's stored rules, with the predefined ones as the specification has them now.

    What the user decided about those (`enabled`, `actions`) stays; predefined rules that are no longer in the
    specification are left out. So stored rules survive a new version of it.
    """
    completed: dict[str, list[JsonObject]] = {}
    for kind, predefined in default_push_rules(user_id)["global"].items():
        stored = _rules(content, kind)
        decided = {rule["rule_id"]: rule for rule in stored if isinstance(rule.get("rule_id"), str)}
        for rule in predefined:
            former = decided.get(rule["rule_id"], {})
            rule.update({name: former[name] for name in ("enabled", "actions") if name in former})
        own = [rule for rule_id, rule in decided.items() if not rule_id.startswith(".")]
        first = [rule for rule in predefined if rule["rule_id"] == MASTER]
        completed[kind] = [*first, *own, *(rule for rule in predefined if rule["rule_id"] != MASTER)]
    return {**content, "global": completed}


def _check_rule_id(kind: str, rule_id: str) -> None:
    # "If the string starts with a dot ("."), the request MUST be rejected as this is reserved for server-default rules.
    #  Slashes ("/") and backslashes ("\\") are also not allowed."
    if not rule_id or rule_id.startswith(".") or "/" in rule_id or "\\" in rule_id:
        raise InvalidParam("A rule ID must not start with a dot, nor hold a slash or a backslash")
    if exceeds_bytes(rule_id, IDENTIFIER_BYTES_MAX):
        raise InvalidParam(f"A rule ID may have {IDENTIFIER_BYTES_MAX} bytes")
    if kind == "room" and not is_valid_room_id(rule_id):
        raise InvalidParam("The ID of a room rule is the ID of the room")
    if kind == "sender" and not is_valid_user_id(rule_id):
        raise InvalidParam("The ID of a sender rule is the ID of the user")


def _new_rule(kind: str, rule_id: str, body: Mapping[str, Any]) -> JsonObject:
    if "actions" not in body:
        raise MissingParam("A push rule needs `actions`")
    # "When creating push rules, they MUST be enabled by default."
    rule: JsonObject = {"rule_id": rule_id, "default": False, "enabled": True}
    if kind == "content":
        if "pattern" not in body:
            raise MissingParam("A content rule needs a `pattern`")
        if not is_pattern(body["pattern"]):
            raise InvalidParam("`pattern` is no string, or too long")
        rule["pattern"] = body["pattern"]
    elif kind in ("override", "underride"):
        rule["conditions"] = _checked_conditions(body.get("conditions", []))
    rule["actions"] = _checked_actions(body["actions"])
    return rule


def _checked_conditions(conditions: object) -> list[Any]:
    if not isinstance(conditions, list) or len(conditions) > CONDITIONS_MAX:
        raise InvalidParam(f"`conditions` must be a list of at most {CONDITIONS_MAX}")
    for condition in conditions:
        if not isinstance(condition, Mapping) or not isinstance(condition.get("kind"), str):
            raise InvalidParam("A condition must be an object with a `kind`")
        # Kinds that we don't know are kept: clients evaluate rules too, and may know them.
        if condition["kind"] in CONDITION_KINDS and compile_condition(condition, "") is None:
            raise InvalidParam(f"A condition `{condition['kind']}` is malformed")
    return conditions


def _checked_actions(actions: object) -> list[Any]:
    if not isinstance(actions, list) or len(actions) > ACTIONS_MAX:
        raise InvalidParam(f"`actions` must be a list of at most {ACTIONS_MAX}")
    for action in actions:
        is_tweak = isinstance(action, Mapping) and isinstance(action.get(SET_TWEAK), str)
        if not is_tweak and action != NOTIFY and not (isinstance(action, str) and action in HISTORICAL_ACTIONS):
            raise InvalidParam("An action must be `notify`, or an object with `set_tweak`")
    return actions


def _rules(content: Mapping[str, Any], kind: str) -> list[JsonObject]:
    """A new list of the same rules."""
    if kind not in KINDS:
        raise InvalidParam("There is no such kind of push rule")
    rulesets = content.get("global")
    rules = rulesets.get(kind) if isinstance(rulesets, Mapping) else None
    return [rule for rule in rules if isinstance(rule, dict)] if isinstance(rules, list) else []


def _index(rules: Sequence[JsonObject], rule_id: str) -> int:
    for at, rule in enumerate(rules):
        if rule.get("rule_id") == rule_id:
            return at
    raise NotFound("There is no such push rule")


def _neighbour(rules: Sequence[JsonObject], rule_id: str) -> int:
    # "It is not possible to add a rule relative to a predefined server rule."
    if rule_id.startswith("."):
        raise InvalidParam("A rule cannot be placed beside one of the server's own")
    try:
        return _index(rules, rule_id)
    except NotFound:
        raise _no_neighbour(rule_id) from None


def _no_neighbour(rule_id: str) -> MatrixError:
    """The example of the specification for this is M_UNKNOWN, with the status 400."""
    return error_from("M_UNKNOWN", f"before/after rule not found: {rule_id[:IDENTIFIER_BYTES_MAX]}", 400)


def _user_rules(content: Mapping[str, Any]) -> int:
    return sum(not str(rule.get("rule_id", ".")).startswith(".") for kind in KINDS for rule in _rules(content, kind))


def _with_changed_rule(content: Mapping[str, Any], kind: str, rule_id: str, change: JsonObject) -> JsonObject:
    rules = _rules(content, kind)
    at = _index(rules, rule_id)
    rules[at] = {**rules[at], **change}
    return _checked_size(_with_rules(content, kind, rules), rules[at])


def _checked_size(content: JsonObject, changed_rule: JsonObject) -> JsonObject:
    if len(orjson.dumps(changed_rule)) > RULE_BYTES_MAX:
        raise TooLarge(f"A push rule may have {RULE_BYTES_MAX} bytes")
    if len(orjson.dumps(content)) > RULES_BYTES_MAX:
        raise TooLarge(f"The push rules of a user may have {RULES_BYTES_MAX} bytes")
    return content


def _with_rules(content: Mapping[str, Any], kind: str, rules: list[JsonObject]) -> JsonObject:
    former = content.get("global")
    return {**content, "global": {**(former if isinstance(former, Mapping) else {}), kind: rules}}
