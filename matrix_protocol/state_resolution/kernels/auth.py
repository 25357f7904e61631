# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators
"""The auth rules that depend on the state, over integers; `event_auth` has their words, and the same order."""

from __future__ import annotations

import numpy as np

from matrix_protocol.state_resolution.kernels.compiler import kernel
from matrix_protocol.state_resolution.kernels.state import state_event
from matrix_protocol.state_resolution.layout import (
    ALWAYS_ALLOWED,
    BAN,
    BAN_LEVEL,
    BY_INVITATION,
    BY_KNOCK,
    CANCEL,
    FIRST_JOIN,
    FIRST_PENDING,
    INFINITE_LEVEL,
    INVITE,
    INVITE_LEVEL,
    JOIN,
    JOIN_RULES_KEY,
    KICK_LEVEL,
    KNOCK,
    KNOCK_RESTRICTED,
    LEAVE,
    MEMBER,
    NAMED_LEVELS,
    NEVER_ALLOWED,
    NOBODY,
    NOTHING,
    PENDING_COUNT,
    PENDING_MAX,
    POWER_LEVELS,
    POWER_LEVELS_KEY,
    PUBLIC,
    REDACT_LEVEL,
    REDACTS_ELSEWHERE,
    RESTRICTED,
    STATE_DEFAULT,
    THIRD_PARTY,
    THIRD_PARTY_INVITE,
    USERS_DEFAULT,
    WITHOUT_POWER_LEVELS,
)


@kernel
def membership(events, edges, strings, keys, snapshot, stamp, from_empty, event, user):
    found = state_event(events, edges, keys, snapshot, stamp, from_empty, event, strings[user]["member_key"])
    return events[found]["membership"] if found >= 0 else LEAVE


@kernel
def place_in_table(table, start, end, string):
    """The row of the string in a slice of the table, or NOTHING."""
    slice_end = end
    while start < end:
        middle = (start + end) >> 1
        if table[middle, 0] < string:
            start = middle + 1
        else:
            end = middle
    return start if start < slice_end and table[start, 0] == string else NOTHING


@kernel
def user_level(strings, levels, table, row, user):
    if strings[user]["is_creator"]:
        return INFINITE_LEVEL
    place = place_in_table(table, levels[row]["users_start"], levels[row]["users_end"], user)
    return table[place, 1] if place >= 0 else table[levels[row]["named"] + USERS_DEFAULT, 1]


@kernel
def is_signed(pairs, control, invite, issued):
    """Does a signature of the invite match the `m.room.third_party_invite` event? If unknown: ask, and say no."""
    wanted = (np.int64(invite) << 32) | (np.int64(issued) << 1)
    start, end = 0, len(pairs)
    while start < end:
        middle = (start + end) >> 1
        if pairs[middle] < wanted:
            start = middle + 1
        else:
            end = middle
    if start < len(pairs) and pairs[start] >> 1 == wanted >> 1:
        return pairs[start] & 1 == 1
    if control[PENDING_COUNT] < PENDING_MAX:
        control[FIRST_PENDING + control[PENDING_COUNT]] = wanted
        control[PENDING_COUNT] += 1
    return False


@kernel
def join_is_allowed(events, edges, strings, levels, table, keys, snapshot, stamp, from_empty, event, row):
    record = events[event]
    if record["flags"] & FIRST_JOIN:
        return True
    if record["sender"] != record["target"]:
        return False
    current = membership(events, edges, strings, keys, snapshot, stamp, from_empty, event, record["target"])
    if current == BAN:
        return False
    found = state_event(events, edges, keys, snapshot, stamp, from_empty, event, JOIN_RULES_KEY)
    join_rule = events[found]["join_rule"] if found >= 0 else BY_INVITATION
    if join_rule == PUBLIC:
        return True
    if join_rule == NOBODY:
        return False
    if current in (INVITE, JOIN):
        return True
    if (join_rule != RESTRICTED and join_rule != KNOCK_RESTRICTED) or record["other"] < 0:
        return False
    authorising = record["other"]
    if membership(events, edges, strings, keys, snapshot, stamp, from_empty, event, authorising) != JOIN:
        return False
    invite_level = table[levels[row]["named"] + INVITE_LEVEL, 1]
    return user_level(strings, levels, table, row, authorising) >= invite_level


@kernel
def invite_is_allowed(
    events, edges, strings, levels, table, pairs, control, keys, snapshot, stamp, from_empty, event, row
):
    record = events[event]
    target = membership(events, edges, strings, keys, snapshot, stamp, from_empty, event, record["target"])
    if target == BAN:
        return False
    if record["flags"] & THIRD_PARTY:
        issued = state_event(events, edges, keys, snapshot, stamp, from_empty, event, record["other"])
        if issued < 0 or events[issued]["sender"] != record["sender"]:
            return False
        return is_signed(pairs, control, event, issued)
    sender = membership(events, edges, strings, keys, snapshot, stamp, from_empty, event, record["sender"])
    if sender != JOIN or target == JOIN:
        return False
    invite_level = table[levels[row]["named"] + INVITE_LEVEL, 1]
    return user_level(strings, levels, table, row, record["sender"]) >= invite_level


@kernel
def departure_is_allowed(events, edges, strings, levels, table, keys, snapshot, stamp, from_empty, event, row):
    """Leave, kick, unban and ban."""
    record = events[event]
    is_ban = record["membership"] == BAN
    sender = membership(events, edges, strings, keys, snapshot, stamp, from_empty, event, record["sender"])
    if record["sender"] == record["target"] and not is_ban:
        return sender in (INVITE, JOIN, KNOCK)
    if sender != JOIN:
        return False
    level = user_level(strings, levels, table, row, record["sender"])
    named = levels[row]["named"]
    if not is_ban and level < table[named + BAN_LEVEL, 1]:
        target = membership(events, edges, strings, keys, snapshot, stamp, from_empty, event, record["target"])
        if target == BAN:
            return False
    required = table[named + BAN_LEVEL, 1] if is_ban else table[named + KICK_LEVEL, 1]
    return level >= required and user_level(strings, levels, table, row, record["target"]) < level


@kernel
def knock_is_allowed(events, edges, strings, keys, snapshot, stamp, from_empty, event):
    found = state_event(events, edges, keys, snapshot, stamp, from_empty, event, JOIN_RULES_KEY)
    join_rule = events[found]["join_rule"] if found >= 0 else BY_INVITATION
    if (join_rule != BY_KNOCK and join_rule != KNOCK_RESTRICTED) or events[event]["sender"] != events[event]["target"]:
        return False
    current = membership(events, edges, strings, keys, snapshot, stamp, from_empty, event, events[event]["target"])
    return current != BAN and current != INVITE and current != JOIN


@kernel
def slices_are_allowed(table, old, old_end, new, new_end, level, own_entry, equal_is_too_high):
    """Entries changed or removed (of others: `equal_is_too_high`), added or changed, of two sorted slices."""
    while old < old_end or new < new_end:
        has_old = old < old_end and (new >= new_end or table[old, 0] <= table[new, 0])
        has_new = new < new_end and (old >= old_end or table[new, 0] <= table[old, 0])
        if not (has_old and has_new and table[old, 1] == table[new, 1]):
            if has_old and table[old, 0] != own_entry and table[old, 1] >= level + (0 if equal_is_too_high else 1):
                return False
            if has_new and table[new, 1] > level:
                return False
        old += 1 if has_old else 0
        new += 1 if has_new else 0
    return True


@kernel
def new_levels_are_allowed(levels, table, row, new_row, level, sender):
    old, new = levels[row], levels[new_row]
    for i in range(len(NAMED_LEVELS)):
        x, y = old["named"] + i, new["named"] + i
        is_altered = table[x, 0] != table[y, 0] or (table[x, 0] == 1 and table[x, 1] != table[y, 1])
        is_too_high = (table[x, 0] == 1 and table[x, 1] > level) or (table[y, 0] == 1 and table[y, 1] > level)
        if is_altered and is_too_high:
            return False
    if not slices_are_allowed(
        table, old["events_start"], old["events_end"], new["events_start"], new["events_end"], level, NOTHING, False
    ) or not slices_are_allowed(
        table,
        old["notifications_start"],
        old["notifications_end"],
        new["notifications_start"],
        new["notifications_end"],
        level,
        NOTHING,
        False,
    ):
        return False
    return slices_are_allowed(
        table, old["users_start"], old["users_end"], new["users_start"], new["users_end"], level, sender, True
    )


@kernel
def is_allowed(events, edges, strings, levels, table, pairs, control, keys, snapshot, stamp, from_empty, event):
    """`check_state_dependent_auth_rules`."""
    record = events[event]
    if record["flags"] & (NEVER_ALLOWED | ALWAYS_ALLOWED):
        return record["flags"] & ALWAYS_ALLOWED != 0
    current = state_event(events, edges, keys, snapshot, stamp, from_empty, event, POWER_LEVELS_KEY)
    row = events[current]["levels"] if current >= 0 else WITHOUT_POWER_LEVELS
    if record["kind"] == MEMBER:
        if record["membership"] == JOIN:
            return join_is_allowed(events, edges, strings, levels, table, keys, snapshot, stamp, from_empty, event, row)
        if record["membership"] == INVITE:
            return invite_is_allowed(
                events, edges, strings, levels, table, pairs, control, keys, snapshot, stamp, from_empty, event, row
            )
        if record["membership"] == KNOCK:
            return knock_is_allowed(events, edges, strings, keys, snapshot, stamp, from_empty, event)
        return departure_is_allowed(
            events, edges, strings, levels, table, keys, snapshot, stamp, from_empty, event, row
        )
    sender = record["sender"]
    if membership(events, edges, strings, keys, snapshot, stamp, from_empty, event, sender) != JOIN:
        return False
    level = user_level(strings, levels, table, row, sender)
    named = levels[row]["named"]
    if record["kind"] == THIRD_PARTY_INVITE:
        return level >= table[named + INVITE_LEVEL, 1]
    place = place_in_table(table, levels[row]["events_start"], levels[row]["events_end"], record["type"])
    if level < (table[place, 1] if place >= 0 else table[named + STATE_DEFAULT, 1]):
        return False
    if record["kind"] == POWER_LEVELS and current >= 0:
        return new_levels_are_allowed(levels, table, row, record["levels"], level, sender)
    return not record["flags"] & REDACTS_ELSEWHERE or level >= table[named + REDACT_LEVEL, 1]


@kernel
def iter_auth(
    events,
    edges,
    strings,
    levels,
    table,
    pairs,
    control,
    keys,
    snapshot,
    stamp,
    from_empty,
    order,
    n,
    changed,
    n_changed,
):
    """The iterative auth checks; keys that get an event for the first time are added to `changed`."""
    for i in range(n):
        if control[CANCEL]:
            break
        if is_allowed(
            events, edges, strings, levels, table, pairs, control, keys, snapshot, stamp, from_empty, order[i]
        ):
            key = events[order[i]]["key"]
            if keys[key]["state_stamp"] != stamp:
                keys[key]["state_stamp"] = stamp
                changed[n_changed] = key
                n_changed += 1
            keys[key]["state_value"] = order[i]
    return n_changed
