"""A user's push rules, compiled: which one of them decides about an event.

    override   master, the user's, predefined    a list, tried in this order
    content    the user's
    room       by room ID                        at most one applies
    sender     by user ID                        at most one applies
    underride  the user's, predefined            a list

"Only `actions` for highest priority rule will be sent": the first that matches
ends the search. For the commonest event types the lists are made beforehand,
without the rules that ask for another type.

Spec: https://spec.matrix.org/v1.19/client-server-api/#push-rules
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

from matrix_protocol.globs import fold
from matrix_protocol.push_rules.actions import NOTHING, Outcome, outcome_of
from matrix_protocol.push_rules.conditions import (
    TYPE,
    Condition,
    PersonalCondition,
    PropertyMatches,
    SharedCondition,
    compile_conditions,
)
from matrix_protocol.push_rules.defaults import MASTER, default_push_rules
from matrix_protocol.push_rules.events import PushEvent, Reader

COMMON_TYPES: Final = ("m.room.message", "m.room.encrypted", "m.room.member", "m.reaction")


class _Rule(NamedTuple):
    shared: tuple[SharedCondition, ...]
    personal: tuple[PersonalCondition, ...]
    outcome: Outcome


_Rules = tuple[_Rule, ...]


class RuleSet:
    """Made by `compile_rule_set`; `default_rule_set` serves everybody who has changed nothing."""

    __slots__ = ("_by_type", "_rooms", "_rules", "_senders")

    def __init__(
        self,
        over: Iterable[_Rule],
        rooms: Mapping[str, Outcome],
        senders: Mapping[str, Outcome],
        under: Iterable[_Rule],
    ) -> None:
        self._rules = (tuple(over), tuple(under))
        self._rooms = rooms
        self._senders = senders
        self._by_type = {
            event_type: (_rules_for(event_type, self._rules[0]), _rules_for(event_type, self._rules[1]))
            for event_type in COMMON_TYPES
        }

    def evaluate(self, event: PushEvent, reader: Reader) -> Outcome:
        """What happens to this event for this reader."""
        # "Homeservers MUST NOT notify the Push Gateway for events that the user has sent themselves."
        if event.sender == reader.user_id:
            return NOTHING
        over, under = self._by_type.get(event.type, self._rules)
        # "If no rules match an event, the homeserver MUST NOT notify the Push Gateway for that event."
        return (
            _first_match(over, event, reader)
            or self._rooms.get(event.room_id)
            or self._senders.get(event.sender)
            or _first_match(under, event, reader)
            or NOTHING
        )


def compile_rule_set(content: Mapping[str, Any], owner: str) -> RuleSet:
    """The rules in the content of `m.push_rules`, of this user. What is malformed in it never matches."""
    kinds = content.get("global")
    kinds = kinds if isinstance(kinds, Mapping) else {}
    override = [*_compiled(_conditional_rules(kinds, "override"), owner)]
    return RuleSet(
        [*override, *_compiled(_content_rules(kinds), owner)],
        {rule["rule_id"]: outcome_of(rule["rule_id"], rule.get("actions")) for rule in _enabled(kinds, "room")},
        {rule["rule_id"]: outcome_of(rule["rule_id"], rule.get("actions")) for rule in _enabled(kinds, "sender")},
        _compiled(_conditional_rules(kinds, "underride"), owner),
    )


@lru_cache(maxsize=1)
def default_rule_set() -> RuleSet:
    """The predefined rules, for any user: one object, whose conditions ask for the reader's ID."""
    anybody = "@anybody:example.org"
    return compile_rule_set(default_push_rules(anybody), anybody)


def _first_match(rules: _Rules, event: PushEvent, reader: Reader) -> Outcome | None:
    known = event.known
    for shared, personal, outcome in rules:
        for condition in shared:
            holds = known.get(condition)
            if holds is None:
                holds = known[condition] = condition.holds(event)
            if not holds:
                break
        else:
            if not personal or all(condition.holds_for(event, reader) for condition in personal):
                return outcome
    return None


def _enabled(kinds: Mapping[str, Any], kind: str) -> list[Mapping[str, Any]]:
    """The rules of a kind that can match, in the order of their priority. "Disabled rules never match.\""""
    rules = kinds.get(kind)
    usable = [
        rule
        for rule in (rules if isinstance(rules, list) else [])
        if isinstance(rule, Mapping) and isinstance(rule.get("rule_id"), str) and rule.get("enabled", True) is True
    ]
    return sorted(usable, key=_priority)


def _priority(rule: Mapping[str, Any]) -> int:
    """ "[Server-default rules] operate at a lower priority than "user-defined rules", except for the `.m.rule.master`
    rule which has always a higher priority than any other rule." """
    rule_id = rule["rule_id"]
    return 0 if rule_id == MASTER else 2 if rule_id.startswith(".") else 1


def _conditional_rules(kinds: Mapping[str, Any], kind: str) -> Iterator[tuple[Mapping[str, Any], object]]:
    for rule in _enabled(kinds, kind):
        yield rule, rule.get("conditions", [])


def _content_rules(kinds: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], object]]:
    for rule in _enabled(kinds, "content"):
        yield rule, [{"kind": "event_match", "key": "content.body", "pattern": rule.get("pattern")}]


def _compiled(rules: Iterable[tuple[Mapping[str, Any], object]], owner: str) -> Iterator[_Rule]:
    for rule, json_conditions in rules:
        conditions = compile_conditions(json_conditions, owner)
        if conditions is not None:
            yield _rule(conditions, outcome_of(rule["rule_id"], rule.get("actions")))


def _rule(conditions: Iterable[Condition], outcome: Outcome) -> _Rule:
    shared: list[SharedCondition] = []
    personal: list[PersonalCondition] = []
    for condition in conditions:
        if isinstance(condition, PersonalCondition):
            personal.append(condition)
        else:
            shared.append(condition)
    return _Rule(tuple(shared), tuple(personal), outcome)


def _rules_for(event_type: str, rules: _Rules) -> _Rules:
    """The rules that can match an event of this type, without the conditions about the type."""
    folded = fold(event_type)
    kept: list[_Rule] = []
    for rule in rules:
        about_type = {
            condition for condition in rule.shared if isinstance(condition, PropertyMatches) and condition.path == TYPE
        }
        if all(condition.pattern.matches(folded) for condition in about_type):
            kept.append(rule._replace(shared=tuple(one for one in rule.shared if one not in about_type)))
    return tuple(kept)
