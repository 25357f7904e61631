"""All counters of a worker, by reader. They outlive the reader's view: what was counted once is not looked at again."""

from __future__ import annotations

from collections import OrderedDict

import orjson

from matrix_protocol.push_rules import PUSH_RULES, RuleSet, compile_rule_set, default_push_rules, default_rule_set
from sync_api.unread.counter import UnreadCounter
from sync_api.user_view import IGNORED_USERS_TYPE, UserView

COUNTERS_MAX = 100_000
"""Of all readers of a worker; an idle one takes half a KiB."""


class ReaderUnread:
    """The counters of one reader, and the rules by which they count."""

    __slots__ = ("counters", "made_of", "rules")

    def __init__(self, made_of: tuple[int, int], rules: RuleSet) -> None:
        self.made_of = made_of
        """positions of their push rules and of the list of whom they ignore"""
        self.rules = rules
        self.counters: dict[str, UnreadCounter] = {}
        """by room"""


class UnreadCounters:
    def __init__(self, counters_max: int = COUNTERS_MAX) -> None:
        self._counters_max = counters_max
        self._readers: OrderedDict[str, ReaderUnread] = OrderedDict()
        self._held = 0

    def of(self, user: UserView) -> ReaderUnread:
        """With other rules, or after ignoring somebody, everything is counted anew."""
        made_of = (_position(user, PUSH_RULES), _position(user, IGNORED_USERS_TYPE))
        known = self._readers.get(user.user_id)
        if known is None or known.made_of != made_of:
            if known is not None:
                self._held -= len(known.counters)
            known = self._readers[user.user_id] = ReaderUnread(made_of, _rule_set(user))
        self._readers.move_to_end(user.user_id)
        return known

    def add(self, reader: ReaderUnread, room_id: str, counter: UnreadCounter) -> None:
        self._held += room_id not in reader.counters
        reader.counters[room_id] = counter
        while self._held > self._counters_max and len(self._readers) > 1:
            _, forgotten = self._readers.popitem(last=False)
            self._held -= len(forgotten.counters)

    def __len__(self) -> int:
        return self._held


def _position(user: UserView, event_type: str) -> int:
    entry = user.account_data.get(("", event_type))
    return entry.position if entry is not None else 0


def _rule_set(user: UserView) -> RuleSet:
    entry = user.account_data.get(("", PUSH_RULES))
    if entry is None or entry.content_json == orjson.dumps(default_push_rules(user.user_id)):
        return default_rule_set()
    try:
        content = orjson.loads(entry.content_json)
    except ValueError:
        return default_rule_set()
    return compile_rule_set(content, user.user_id) if isinstance(content, dict) else default_rule_set()
