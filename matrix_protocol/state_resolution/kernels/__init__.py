# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators
"""State resolution v2 and v2.1 over the arrays of `layout`: the steps of `v2.py`, in integers.

The words of the rules are quoted in `v2.py` and `event_auth`, where the same steps have the same names. Importing this
imports numba: leave it to `resolver`.
"""

from __future__ import annotations

from matrix_protocol.state_resolution.kernels.auth import iter_auth
from matrix_protocol.state_resolution.kernels.compiler import IS_COMPILED, entry
from matrix_protocol.state_resolution.kernels.conflict import full_conflicted_set
from matrix_protocol.state_resolution.kernels.order import main_sort, power_events_with_chains, power_sort
from matrix_protocol.state_resolution.kernels.state import are_sound, split_delta, unconflicted, value_in
from matrix_protocol.state_resolution.layout import (
    CANCEL,
    EVENT_COUNT,
    KEY_COUNT,
    NOTHING,
    POWER_LEVELS_KEY,
    STAMP,
    STARTS_FROM_EMPTY,
    WAS_CANCELLED,
    WAS_UNSOUND,
)

__all__ = ["IS_COMPILED", "resolve"]


# fmt: off
@entry
def resolve(checksum):
    def resolve(events, edges, ids, strings, levels, table, pairs, marks, keys, full, order, heap, stack, touched,
                changed, snapshot, starts, delta_keys, delta_values, parameters, control, result):
        """The five steps. Into `result`: (key, event) where the resolved state differs from the snapshot.

        Returns how many, WAS_CANCELLED, or WAS_UNSOUND for states of another room. If `control` then has pending pairs,
        find them out and resolve again.
        """
        if checksum < 0:  # never; but so it is in the closure, and numba's cache looks at it
            return 0
        if not are_sound(
                events, snapshot, starts, delta_keys, delta_values, parameters[EVENT_COUNT], parameters[KEY_COUNT]):
            return WAS_UNSOUND
        stamp, from_empty = parameters[STAMP], parameters[STARTS_FROM_EMPTY] != 0
        n_touched, n_conflicted, n_full = split_delta(
            starts, delta_keys, delta_values, snapshot, keys, stamp, marks, touched, full)
        n_changed = 0
        if n_conflicted > 0:
            n_full = full_conflicted_set(
                events, edges, marks, keys, snapshot, parameters, starts, delta_keys, delta_values, touched,
                n_conflicted, full, n_full, heap, stack)
            n_power = power_events_with_chains(events, edges, marks, stamp, full, n_full, order)
            power_sort(events, edges, ids, marks, stamp, order, n_power, heap, stack[:, 1])
            n_changed = iter_auth(events, edges, strings, levels, table, pairs, control, keys, snapshot, stamp,
                                  from_empty, stack[:, 1], n_power, changed, 0)
            power_levels = keys[POWER_LEVELS_KEY]["state_value"]
            if keys[POWER_LEVELS_KEY]["state_stamp"] != stamp:
                power_levels = NOTHING if from_empty else unconflicted(keys, snapshot, stamp, POWER_LEVELS_KEY)
            n_others = main_sort(events, ids, marks, stamp, power_levels, full, n_full, stack[:, 1], order)
            n_changed = iter_auth(events, edges, strings, levels, table, pairs, control, keys, snapshot, stamp,
                                  from_empty, stack[:, 1], n_others, changed, n_changed)
        if control[CANCEL]:
            return WAS_CANCELLED
        n_rows = 0
        for i in range(n_touched + n_changed):
            key = touched[i] if i < n_touched else changed[i - n_touched]
            if i >= n_touched and keys[key]["delta_stamp"] == stamp:
                continue
            value = unconflicted(keys, snapshot, stamp, key)
            if value < 0 and keys[key]["state_stamp"] == stamp:
                value = keys[key]["state_value"]
            if value != value_in(snapshot, key):
                result[n_rows, 0], result[n_rows, 1] = key, value
                n_rows += 1
        return n_rows

    return resolve
# fmt: on
