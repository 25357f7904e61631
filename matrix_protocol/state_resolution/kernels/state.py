# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators
"""States as snapshots and deltas: what is in conflict, and which event is at a key."""

from __future__ import annotations

from matrix_protocol.state_resolution.kernels.compiler import kernel
from matrix_protocol.state_resolution.layout import (
    CONFLICTED,
    DIFFERENT,
    NOTHING,
    POWER_LEVELS_KEY,
    REJECTED,
)


@kernel
def value_in(snapshot, key):
    return snapshot[key] if key < len(snapshot) else NOTHING


@kernel
def are_sound(events, snapshot, starts, delta_keys, delta_values, n_events, n_keys):
    """Do all numbers of these states exist, and is each event of a delta at its own key?"""
    if len(snapshot) > 0 and (snapshot.min() < NOTHING or snapshot.max() >= n_events):
        return False
    power_levels = value_in(snapshot, POWER_LEVELS_KEY)
    if power_levels >= 0 and events[power_levels]["key"] != POWER_LEVELS_KEY:
        return False
    for i in range(starts[len(starts) - 1]):
        key, event = delta_keys[i], delta_values[i]
        if key < 0 or key >= n_keys or event < NOTHING or event >= n_events:
            return False
        if event >= 0 and events[event]["key"] != key:
            return False
    return True


@kernel
def unconflicted(keys, snapshot, stamp, key):
    """The event of the unconflicted state map, or NOTHING."""
    if keys[key]["delta_stamp"] == stamp:
        return keys[key]["delta_value"]
    return value_in(snapshot, key)


@kernel
def is_unconflicted(events, keys, snapshot, stamp, event):
    return unconflicted(keys, snapshot, stamp, events[event]["key"]) == event


@kernel
def add_to_full(marks, stamp, full, n_full, event):
    if event >= 0 and marks[event]["full_stamp"] != stamp:
        marks[event]["full_stamp"] = stamp
        full[n_full] = event
        return n_full + 1
    return n_full


@kernel
def split_delta(starts, delta_keys, delta_values, snapshot, keys, stamp, marks, touched, full):
    """Separate the state sets, given as deltas of one snapshot: conflicted events to `full`, keys to `touched`.

    Returns the number of keys in any delta (the conflicted ones come first), of conflicted keys, of conflicted events.
    """
    sets = len(starts) - 1
    n_touched = 0
    for i in range(starts[sets]):
        record = keys[delta_keys[i]]
        if record["delta_stamp"] != stamp:
            record["delta_stamp"] = stamp
            record["delta_value"] = delta_values[i]
            record["delta_count"] = 1
            touched[n_touched] = delta_keys[i]
            n_touched += 1
        else:
            record["delta_count"] += 1
            if record["delta_value"] != delta_values[i]:
                record["delta_value"] = DIFFERENT
    n_conflicted, n_full = 0, 0
    for i in range(n_touched):
        key = touched[i]
        record = keys[key]
        rest = value_in(snapshot, key) if record["delta_count"] < sets else record["delta_value"]
        if record["delta_value"] == DIFFERENT or record["delta_value"] != rest:
            if record["delta_count"] < sets:
                n_full = add_to_full(marks, stamp, full, n_full, rest)
            record["delta_count"] = CONFLICTED
            record["delta_value"] = NOTHING
            touched[i] = touched[n_conflicted]
            touched[n_conflicted] = key
            n_conflicted += 1
    for i in range(starts[sets]):
        if keys[delta_keys[i]]["delta_count"] == CONFLICTED:
            n_full = add_to_full(marks, stamp, full, n_full, delta_values[i])
    return n_touched, n_conflicted, n_full


@kernel
def state_event(events, edges, keys, snapshot, stamp, from_empty, event, key):
    """The event at a key of the state that `event` is checked against, or NOTHING."""
    if key < 0 or key >= len(keys):  # a key that came while this resolution was running
        return NOTHING
    if keys[key]["state_stamp"] == stamp:
        return keys[key]["state_value"]
    if not from_empty:
        found = unconflicted(keys, snapshot, stamp, key)
        if found >= 0:
            return found
    for edge in range(events[event]["auth_end"] - 1, events[event]["auth_start"] - 1, -1):
        record = events[edges[edge, 0]]
        if record["key"] == key and not record["flags"] & REJECTED:
            return edges[edge, 0]
    return NOTHING
