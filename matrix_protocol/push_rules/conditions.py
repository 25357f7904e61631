"""The conditions of push rules, compiled.

Conditions that are the same for every reader are made once each
(`compile_condition` remembers them), so that an event has to be asked about
each of them only once (`PushEvent.known`).

Spec: https://spec.matrix.org/v1.19/client-server-api/#conditions-1
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final, Protocol, TypeGuard, runtime_checkable

from matrix_protocol.canonical_json import INTEGER_MAX
from matrix_protocol.globs import Glob, contains_words, fold, glob
from matrix_protocol.push_rules.events import PropertyPath, PushEvent, Reader, property_path

PATTERN_CHARACTERS_MAX: Final = 256
"""Of globs, and of display names that are looked for. The specification names no limit.

The slowest glob of this length takes 15 ms on a body of 64 KiB (`Glob("?" * 250 + "b").matches_words("a " * 32768)`).
"""
KEY_CHARACTERS_MAX: Final = 512

BODY: Final = ("content", "body")
TYPE: Final = ("type",)

_COUNT: Final = re.compile(r"(==|<=|>=|<|>)?([0-9]{1,15})", re.ASCII)
_COMPARISONS: Final[Mapping[str, Callable[[int, int], bool]]] = {
    "": operator.eq,
    "==": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}


class SharedCondition(Protocol):
    """One that asks about the event and its room alone."""

    def holds(self, event: PushEvent) -> bool: ...


@runtime_checkable
class PersonalCondition(Protocol):
    """One that asks about the reader too."""

    def holds_for(self, event: PushEvent, reader: Reader) -> bool: ...


Condition = SharedCondition | PersonalCondition


class PropertyMatches:
    """`event_match`."""

    __slots__ = ("path", "pattern")

    def __init__(self, path: PropertyPath, pattern: Glob) -> None:
        self.path = path
        self.pattern = pattern

    def holds(self, event: PushEvent) -> bool:
        # "If the property specified by `key` is completely absent from the event, or does not have a string value, then
        #  the condition will not match, even if `pattern` is `*`."
        text = event.folded(self.path)
        if text is None:
            return False
        # "As a special case, if `key` is `content.body`, then `pattern` must instead match any substring of the value
        #  of the property which starts and ends at a word boundary."
        return self.pattern.matches_words(text) if self.path == BODY else self.pattern.matches(text)


class PropertyIs:
    """`event_property_is`: "an exact value match"."""

    __slots__ = ("path", "value")

    def __init__(self, path: PropertyPath, value: str | int | bool | None) -> None:
        self.path = path
        self.value = value

    def holds(self, event: PushEvent) -> bool:
        return _is_same(event.value(self.path), self.value)


class PropertyContains:
    """`event_property_contains`: "an array property of an event exactly contains a value"."""

    __slots__ = ("path", "value")

    def __init__(self, path: PropertyPath, value: str | int | bool | None) -> None:
        self.path = path
        self.value = value

    def holds(self, event: PushEvent) -> bool:
        found = event.value(self.path)
        return isinstance(found, list) and any(_is_same(item, self.value) for item in found)


class MemberCount:
    """`room_member_count`."""

    __slots__ = ("_compare", "_number")

    def __init__(self, compare: Callable[[int, int], bool], number: int) -> None:
        self._compare = compare
        self._number = number

    def holds(self, event: PushEvent) -> bool:
        return self._compare(event.member_count, self._number)


class SenderMayNotify:
    """`sender_notification_permission`: "ensuring the sender of the event has high enough power"."""

    __slots__ = ("_key",)

    def __init__(self, key: str) -> None:
        self._key = key

    def holds(self, event: PushEvent) -> bool:
        levels = event.levels
        return levels is not None and levels.user_level(event.sender) >= levels.notification_level(self._key)


class NamesReader:
    """A value is the reader's user ID, as three of the predefined rules have it: the same for all readers."""

    __slots__ = ("_in_list", "_path")

    def __init__(self, path: PropertyPath, *, in_list: bool) -> None:
        self._path = path
        self._in_list = in_list

    def holds_for(self, event: PushEvent, reader: Reader) -> bool:
        found = event.value(self._path)
        if self._in_list:
            return isinstance(found, list) and reader.user_id in found
        return found == reader.user_id


class ContainsDisplayName:
    """`contains_display_name`: "`content.body` contains the owner's display name in that room"."""

    __slots__ = ()

    def holds_for(self, event: PushEvent, reader: Reader) -> bool:
        name, body = reader.display_name, event.folded(BODY)
        if not name or body is None or len(name) > PATTERN_CHARACTERS_MAX:
            return False
        return contains_words(body, fold(name))


def compile_conditions(conditions: object, owner: str) -> list[Condition] | None:
    """All the conditions of a rule of this user; None if one of them can never hold.

    "Unrecognised conditions MUST NOT match any events, effectively making the push rule disabled."
    """
    if not isinstance(conditions, list):
        return None
    compiled: list[Condition] = []
    for condition in conditions:
        found = compile_condition(condition, owner)
        if found is None:
            return None
        compiled.append(found)
    return compiled


def compile_condition(condition: object, owner: str) -> Condition | None:
    """None: it is malformed or of an unknown kind, and never holds."""
    if not isinstance(condition, Mapping):
        return None
    kind = condition.get("kind")
    compiler = _COMPILERS.get(kind) if isinstance(kind, str) else None
    return None if compiler is None else compiler(condition, owner)


def _event_match(condition: Mapping[str, Any], owner: str) -> Condition | None:
    key, pattern = condition.get("key"), condition.get("pattern")
    if not is_key(key) or not is_pattern(pattern):
        return None
    # `.m.rule.invite_for_me`. User IDs that differ in case alone are different users: this match is exact.
    if pattern == owner and key == "state_key" and not {"*", "?"} & set(owner):
        return _names_reader(key, False)
    return property_matches(key, pattern)


def _event_property_is(condition: Mapping[str, Any], owner: str) -> Condition | None:
    key, value = condition.get("key"), condition.get("value", [])
    if not is_key(key) or not is_simple_value(value):
        return None
    return _names_reader(key, False) if value == owner else _property_is(key, value)


def _event_property_contains(condition: Mapping[str, Any], owner: str) -> Condition | None:
    key, value = condition.get("key"), condition.get("value", [])
    if not is_key(key) or not is_simple_value(value):
        return None
    return _names_reader(key, True) if value == owner else _property_contains(key, value)


def _room_member_count(condition: Mapping[str, Any], _owner: str) -> Condition | None:
    text = condition.get("is")
    return _member_count(text) if isinstance(text, str) else None


def _sender_notification_permission(condition: Mapping[str, Any], _owner: str) -> Condition | None:
    key = condition.get("key")
    return _sender_may_notify(key) if is_key(key) else None


def _contains_display_name(_condition: Mapping[str, Any], _owner: str) -> Condition | None:
    return _CONTAINS_DISPLAY_NAME


_CONTAINS_DISPLAY_NAME: Final = ContainsDisplayName()
_COMPILERS: Final[Mapping[str, Callable[[Mapping[str, Any], str], Condition | None]]] = {
    "event_match": _event_match,
    "event_property_is": _event_property_is,
    "event_property_contains": _event_property_contains,
    "contains_display_name": _contains_display_name,
    "room_member_count": _room_member_count,
    "sender_notification_permission": _sender_notification_permission,
}
CONDITION_KINDS: Final = frozenset(_COMPILERS)


@lru_cache(maxsize=4096)
def property_matches(key: str, pattern: str) -> PropertyMatches:
    return PropertyMatches(property_path(key), glob(pattern))


@lru_cache(maxsize=1024, typed=True)  # 1 is not True
def _property_is(key: str, value: str | int | bool | None) -> PropertyIs:
    return PropertyIs(property_path(key), value)


@lru_cache(maxsize=1024, typed=True)  # 1 is not True
def _property_contains(key: str, value: str | int | bool | None) -> PropertyContains:
    return PropertyContains(property_path(key), value)


@lru_cache(maxsize=64)
def _names_reader(key: str, in_list: bool) -> NamesReader:
    return NamesReader(property_path(key), in_list=in_list)


@lru_cache(maxsize=64)
def _sender_may_notify(key: str) -> SenderMayNotify:
    return SenderMayNotify(key)


@lru_cache(maxsize=256)
def _member_count(text: str) -> MemberCount | None:
    # "A decimal integer optionally prefixed by one of, `==`, `<`, `>`, `>=` or `<=`."
    match = _COUNT.fullmatch(text)
    return None if match is None else MemberCount(_COMPARISONS[match[1] or ""], int(match[2]))


def is_key(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and len(value) <= KEY_CHARACTERS_MAX


def is_pattern(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and len(value) <= PATTERN_CHARACTERS_MAX


def is_simple_value(value: object) -> TypeGuard[str | int | bool | None]:
    """Non-compound canonical JSON: "strings, integers in the range of `[-(2**53)+1, (2**53)-1]`, booleans, `null`"."""
    if type(value) is int:
        return -INTEGER_MAX <= value <= INTEGER_MAX
    return value is None or isinstance(value, str | bool)


def _is_same(found: object, wanted: object) -> bool:
    return type(found) is type(wanted) and found == wanted
