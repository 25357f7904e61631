"""Push rules: which events a user is to be notified of, and how.

    defaults.py    the rules that every user begins with, as data
    changes.py     what the endpoints change in a user's rules
    rule_set.py    a user's rules, compiled        \\
    events.py      an event, prepared for rules     } evaluation
    conditions.py  what rules ask about an event   /
    actions.py     what they answer

An event is prepared once, and evaluated for all readers of the room:

    event = PushEvent(client_event, room_id, member_count, levels)
    for reader in readers:
        outcome = rule_sets.get(reader.user_id, default_rule_set()).evaluate(event, reader)

Spec: https://spec.matrix.org/v1.19/client-server-api/#push-rules
"""

from matrix_protocol.push_rules.actions import NOTHING, Outcome
from matrix_protocol.push_rules.changes import (
    delete_rule,
    find_rule,
    put_rule,
    set_actions,
    set_enabled,
    with_predefined_rules,
)
from matrix_protocol.push_rules.defaults import KINDS, PUSH_RULES, default_push_rules
from matrix_protocol.push_rules.events import PushEvent, Reader
from matrix_protocol.push_rules.rule_set import RuleSet, compile_rule_set, default_rule_set

__all__ = [
    "KINDS",
    "NOTHING",
    "PUSH_RULES",
    "Outcome",
    "PushEvent",
    "Reader",
    "RuleSet",
    "compile_rule_set",
    "default_push_rules",
    "default_rule_set",
    "delete_rule",
    "find_rule",
    "put_rule",
    "set_actions",
    "set_enabled",
    "with_predefined_rules",
]
