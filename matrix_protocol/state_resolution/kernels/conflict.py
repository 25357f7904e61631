# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators
"""The full conflicted set: auth difference and conflicted state subgraph."""

from __future__ import annotations

from matrix_protocol.state_resolution.kernels.compiler import kernel
from matrix_protocol.state_resolution.kernels.state import add_to_full, is_unconflicted, value_in
from matrix_protocol.state_resolution.layout import (
    ADDS_SUBGRAPH,
    CHAINS_INCLUDE_EVENT,
    CONFLICTED,
    DIFFERENCE,
    DIFFERENCE_AUTO,
    DIFFERENCE_SWEEP,
    EVENT_COUNT,
    SETS_A_PASS_MAX,
    STAMP,
)

# The sweep visits each event of the room; the local walk costs about so many times more for each conflicted one.
_SWEEP_FACTOR = 16


@kernel
def push_newest(heap, size, event):
    """`heap` gives the highest number first."""
    child = size
    while child > 0:
        parent = (child - 1) >> 1
        if heap[parent] >= event:
            break
        heap[child] = heap[parent]
        child = parent
    heap[child] = event
    return size + 1


@kernel
def sift_down(heap, size, parent, event):
    """Put `event` at `parent`, or below it where it belongs."""
    while True:
        child = 2 * parent + 1
        if child >= size:
            break
        if child + 1 < size and heap[child + 1] > heap[child]:
            child += 1
        if heap[child] <= event:
            break
        heap[parent] = heap[child]
        parent = child
    heap[parent] = event


@kernel
def pop_newest(heap, size):
    newest = heap[0]
    sift_down(heap, size - 1, 0, heap[size - 1])
    return newest


@kernel
def add_sets(marks, event, bits, pass_stamp, heap, size):
    """`bits` more state sets have the event in their chains. New ones come to the end of `heap`, not in its order."""
    record = marks[event]
    if record["mask_stamp"] != pass_stamp:
        record["mask_stamp"] = pass_stamp
        record["mask"] = bits
        heap[size] = event
        return size + 1
    record["mask"] = record["mask"] | bits
    return size


@kernel
def add_sets_of_state_event(events, edges, marks, event, bits, pass_stamp, is_inclusive, heap, size):
    if event < 0:
        return size
    if is_inclusive:
        return add_sets(marks, event, bits, pass_stamp, heap, size)
    for edge in range(events[event]["auth_start"], events[event]["auth_end"]):
        size = add_sets(marks, edges[edge, 0], bits, pass_stamp, heap, size)
    return size


@kernel
def mark_conflicted(
    starts,
    delta_keys,
    delta_values,
    first,
    last,
    snapshot,
    marks,
    keys,
    pass_stamp,
    everything,
    touched,
    n_conflicted,
    events,
    edges,
    is_inclusive,
    heap,
):
    """Mark the conflicted events of set 0 (bit 0) and of the sets from `first` to before `last` (the bits after it)."""
    size = 0
    for bit in range(last - first + 1):
        one_set = 0 if bit == 0 else first + bit - 1
        for i in range(starts[one_set], starts[one_set + 1]):
            record = keys[delta_keys[i]]
            if record["delta_count"] == CONFLICTED:
                if record["mask_stamp"] != pass_stamp:
                    record["mask_stamp"] = pass_stamp
                    record["mask"] = 0
                record["mask"] = record["mask"] | (1 << bit)
                size = add_sets_of_state_event(
                    events, edges, marks, delta_values[i], 1 << bit, pass_stamp, is_inclusive, heap, size
                )
    for i in range(n_conflicted):
        record = keys[touched[i]]
        bits = everything & ~record["mask"] if record["mask_stamp"] == pass_stamp else everything
        if bits != 0:
            size = add_sets_of_state_event(
                events, edges, marks, value_in(snapshot, touched[i]), bits, pass_stamp, is_inclusive, heap, size
            )
    return size


@kernel
def mark_below(marks, event, bits, everything, pass_stamp, heap, size, partial):
    """As `add_sets`, in the order of the heap. `partial` counts events of the heap that some set lacks."""
    record = marks[event]
    if record["mask_stamp"] != pass_stamp:
        record["mask_stamp"] = pass_stamp
        record["mask"] = bits
        size = push_newest(heap, size, event)
        if bits != everything:
            partial += 1
    elif record["mask"] != everything:
        record["mask"] = record["mask"] | bits
        if record["mask"] == everything:
            partial -= 1
    return size, partial


@kernel
def is_covered(events, edges, marks, keys, snapshot, stamp, n_events, start, stack):
    """Is the event in the auth chain of an event of the unconflicted state, and so in every set's? Looks upwards.

    Each event is looked at once in a resolution, whatever the room looks like.
    """
    if marks[start]["covered"] >> 1 == stamp:
        return marks[start]["covered"] & 1
    depth = 0
    stack[0, 0], stack[0, 1] = start, events[start]["citing"]
    found = 1 if is_unconflicted(events, keys, snapshot, stamp, start) else 0
    while found == 0 and depth >= 0:
        edge = stack[depth, 1]
        if edge < 0:
            marks[stack[depth, 0]]["covered"] = 2 * stamp
            depth -= 1
            continue
        stack[depth, 1] = edges[edge, 2]
        citing = edges[edge, 1]
        if citing >= n_events:
            continue
        known = marks[citing]["covered"]
        if known >> 1 == stamp:
            found = known & 1
        elif is_unconflicted(events, keys, snapshot, stamp, citing):
            found = 1
        else:
            depth += 1
            stack[depth, 0], stack[depth, 1] = citing, events[citing]["citing"]
    for i in range(depth + 1):
        marks[stack[i, 0]]["covered"] = 2 * stamp + 1
    return found


@kernel
def diff_local(
    events, edges, marks, keys, snapshot, stamp, n_events, pass_stamp, everything, heap, size, stack, full, n_full
):
    """The auth difference, from the conflicted events downwards, newest first: an event's mask is complete when its
    turn comes. Below an event that is in every chain, every event is: so it ends when no event of the heap lacks a set.
    """
    partial = 0
    for i in range(size - 1, -1, -1):
        partial += 1 if marks[heap[i]]["mask"] != everything else 0
        sift_down(heap, size, i, heap[i])
    while partial > 0:
        event = pop_newest(heap, size)
        size -= 1
        bits = marks[event]["mask"]
        if bits != everything:
            partial -= 1
            if is_covered(events, edges, marks, keys, snapshot, stamp, n_events, event, stack):
                continue
            n_full = add_to_full(marks, stamp, full, n_full, event)
        elif is_unconflicted(events, keys, snapshot, stamp, event):
            continue
        for edge in range(events[event]["auth_start"], events[event]["auth_end"]):
            size, partial = mark_below(marks, edges[edge, 0], bits, everything, pass_stamp, heap, size, partial)
    return n_full


@kernel
def diff_sweep(
    events, edges, marks, keys, snapshot, stamp, n_events, pass_stamp, everything, is_inclusive, full, n_full
):
    """The auth difference, from the newest event of the room to the oldest. The conflicted events have their marks."""
    for event in range(n_events - 1, -1, -1):
        bits = marks[event]["mask"] if marks[event]["mask_stamp"] == pass_stamp else 0
        below = bits
        if is_unconflicted(events, keys, snapshot, stamp, event):
            below = everything
            bits = everything if is_inclusive else bits
        if bits != 0 and bits != everything:
            n_full = add_to_full(marks, stamp, full, n_full, event)
        if below != 0:
            for edge in range(events[event]["auth_start"], events[event]["auth_end"]):
                record = marks[edges[edge, 0]]
                known = record["mask"] if record["mask_stamp"] == pass_stamp else 0
                record["mask_stamp"] = pass_stamp
                record["mask"] = known | below
    return n_full


@kernel
def subgraph(events, edges, marks, stamp, pass_stamp, heap, visited, full, n_conflicted_events, n_full):
    """v2.1: add the events on a path between conflicted events, which are the first of `full`."""
    oldest, size = full[0], 0
    for i in range(n_conflicted_events):
        oldest = min(oldest, full[i])
        size = add_sets(marks, full[i], 1, pass_stamp, heap, size)
    for i in range(size - 1, -1, -1):
        sift_down(heap, size, i, heap[i])
    n_visited = 0
    while size > 0:
        event = pop_newest(heap, size)
        size -= 1
        visited[n_visited] = event
        n_visited += 1
        for edge in range(events[event]["auth_start"], events[event]["auth_end"]):
            below = edges[edge, 0]
            if below >= oldest and marks[below]["mask_stamp"] != pass_stamp:
                marks[below]["mask_stamp"] = pass_stamp
                marks[below]["mask"] = 0
                size = push_newest(heap, size, below)
    for i in range(n_visited - 1, -1, -1):  # oldest first: does it lead to a conflicted event?
        event = visited[i]
        for edge in range(events[event]["auth_start"], events[event]["auth_end"]):
            below = marks[edges[edge, 0]]
            if below["mask_stamp"] == pass_stamp and below["mask"] == 1:
                marks[event]["mask"] = 1
                break
        if marks[event]["mask"] == 1:
            n_full = add_to_full(marks, stamp, full, n_full, event)
    return n_full


# fmt: off
@kernel
def full_conflicted_set(events, edges, marks, keys, snapshot, parameters, starts, delta_keys, delta_values, touched,
                        n_conflicted, full, n_full, heap, stack):
    """The auth difference, some sets at a time. What two sets differ in, one of them and set 0 differ in: so set 0 is
    in each pass, and the passes' differences make up the whole."""
    n_events, stamp, is_inclusive = parameters[EVENT_COUNT], parameters[STAMP], parameters[CHAINS_INCLUDE_EVENT] != 0
    sweeps = parameters[DIFFERENCE] == DIFFERENCE_SWEEP or not is_inclusive
    if parameters[DIFFERENCE] == DIFFERENCE_AUTO:
        sweeps = sweeps or n_events < _SWEEP_FACTOR * n_full
    n_conflicted_events = n_full
    pass_stamp, first, sets = stamp, 1, len(starts) - 1
    while first < sets:
        last = min(first + SETS_A_PASS_MAX - 1, sets)
        everything = (1 << (last - first + 1)) - 1
        size = mark_conflicted(starts, delta_keys, delta_values, first, last, snapshot, marks, keys, pass_stamp,
                               everything, touched, n_conflicted, events, edges, is_inclusive, heap)
        if sweeps:
            n_full = diff_sweep(events, edges, marks, keys, snapshot, stamp, n_events, pass_stamp, everything,
                                is_inclusive, full, n_full)
        else:
            n_full = diff_local(events, edges, marks, keys, snapshot, stamp, n_events, pass_stamp, everything, heap,
                                size, stack, full, n_full)
        first = last
        pass_stamp += 1
    if parameters[ADDS_SUBGRAPH] and n_conflicted_events > 0:
        n_full = subgraph(events, edges, marks, stamp, pass_stamp, heap, stack[:, 0], full, n_conflicted_events, n_full)
    return n_full
# fmt: on
