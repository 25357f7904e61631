# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators
"""Reverse topological power ordering, and mainline ordering."""

from __future__ import annotations

import numpy as np

from matrix_protocol.state_resolution.kernels.compiler import kernel
from matrix_protocol.state_resolution.layout import (
    POWER_EVENT,
)

_NO_POSITION = 2**30


@kernel
def earlier(events, ids, x, y):
    if events[x]["timestamp"] != events[y]["timestamp"]:
        return events[x]["timestamp"] < events[y]["timestamp"]
    for i in range(ids.shape[1]):
        if ids[x, i] != ids[y, i]:
            return ids[x, i] < ids[y, i]
    return False


@kernel
def power_before(events, ids, x, y):
    """Reverse topological power ordering: greater level of the sender, then earlier, then lesser event ID."""
    if events[x]["sender_level"] != events[y]["sender_level"]:
        return events[x]["sender_level"] > events[y]["sender_level"]
    return earlier(events, ids, x, y)


@kernel
def push_least(heap, size, event, events, ids):
    child = size
    while child > 0:
        parent = (child - 1) >> 1
        if not power_before(events, ids, event, heap[parent]):
            break
        heap[child] = heap[parent]
        child = parent
    heap[child] = event
    return size + 1


@kernel
def pop_least(heap, size, events, ids):
    least = heap[0]
    size -= 1
    event = heap[size]
    parent = 0
    while True:
        child = 2 * parent + 1
        if child >= size:
            break
        if child + 1 < size and power_before(events, ids, heap[child + 1], heap[child]):
            child += 1
        if not power_before(events, ids, heap[child], event):
            break
        heap[parent] = heap[child]
        parent = child
    heap[parent] = event
    return least


@kernel
def power_events_with_chains(events, edges, marks, stamp, full, n_full, found):
    """X: the power events of the full conflicted set, and what of it their auth chains reach within it."""
    n_found = 0
    for i in range(n_full):
        if events[full[i]]["flags"] & POWER_EVENT:
            marks[full[i]]["power_stamp"] = stamp
            marks[full[i]]["local"] = n_found
            found[n_found] = full[i]
            n_found += 1
    i = 0
    while i < n_found:
        for edge in range(events[found[i]]["auth_start"], events[found[i]]["auth_end"]):
            record = marks[edges[edge, 0]]
            if record["full_stamp"] == stamp and record["power_stamp"] != stamp:
                record["power_stamp"] = stamp
                record["local"] = n_found
                found[n_found] = edges[edge, 0]
                n_found += 1
        i += 1
    return n_found


@kernel
def power_sort(events, edges, ids, marks, stamp, found, n_found, heap, order):
    """Kahn's algorithm over X; into `order`."""
    waits_for = np.zeros(n_found, np.int32)
    starts = np.zeros(n_found + 2, np.int32)
    for i in range(n_found):
        for edge in range(events[found[i]]["auth_start"], events[found[i]]["auth_end"]):
            if marks[edges[edge, 0]]["power_stamp"] == stamp:
                waits_for[i] += 1
                starts[marks[edges[edge, 0]]["local"] + 2] += 1
    for i in range(2, n_found + 2):
        starts[i] += starts[i - 1]
    citing = np.empty(starts[n_found + 1], np.int32)
    size = 0
    for i in range(n_found):
        for edge in range(events[found[i]]["auth_start"], events[found[i]]["auth_end"]):
            record = marks[edges[edge, 0]]
            if record["power_stamp"] == stamp:
                citing[starts[record["local"] + 1]] = i
                starts[record["local"] + 1] += 1
        if waits_for[i] == 0:
            size = push_least(heap, size, found[i], events, ids)
    for i in range(n_found):  # auth edges point to lower numbers: there is no circle, and always a candidate
        order[i] = pop_least(heap, size, events, ids)
        size -= 1
        local = marks[order[i]]["local"]
        for j in range(starts[local], starts[local + 1]):
            waits_for[citing[j]] -= 1
            if waits_for[citing[j]] == 0:
                size = push_least(heap, size, found[citing[j]], events, ids)


@kernel
def mark_mainline_positions(events, marks, stamp, power_levels, order, n):
    position = 0
    while power_levels >= 0:
        marks[power_levels]["mainline_stamp"] = stamp
        marks[power_levels]["mainline"] = position
        position += 1
        power_levels = events[power_levels]["power_levels"]
    for i in range(n):
        first = events[order[i]]["power_levels"]
        found = first
        while found >= 0 and marks[found]["mainline_stamp"] != stamp:
            found = events[found]["power_levels"]
        position = marks[found]["mainline"] if found >= 0 else _NO_POSITION
        while first != found:
            marks[first]["mainline_stamp"] = stamp
            marks[first]["mainline"] = position
            first = events[first]["power_levels"]
        marks[order[i]]["local"] = position


@kernel
def mainline_before(events, ids, positions, times, listed, x, y):
    """For places x and y of a list: greater mainline position, then earlier, then lesser event ID."""
    if positions[x] != positions[y]:
        return positions[x] > positions[y]
    if times[x] != times[y]:
        return times[x] < times[y]
    return earlier(events, ids, listed[x], listed[y])


@kernel
def main_sort(events, ids, marks, stamp, power_levels, full, n_full, order, listed):
    """Put what is not in X into `order`, by the mainline ordering from these levels: a merge sort of places."""
    n = 0
    for i in range(n_full):
        if marks[full[i]]["power_stamp"] != stamp:
            listed[n] = full[i]
            n += 1
    mark_mainline_positions(events, marks, stamp, power_levels, listed, n)
    positions, times = np.empty(n, np.int32), np.empty(n, np.int64)
    places, merged = np.empty(n, np.int32), np.empty(n, np.int32)
    for i in range(n):
        positions[i], times[i], places[i] = marks[listed[i]]["local"], events[listed[i]]["timestamp"], i
    width = 1
    while width < n:
        for low in range(0, n, 2 * width):
            middle, high = min(low + width, n), min(low + 2 * width, n)
            i, j = low, middle
            for k in range(low, high):
                takes_left = i < middle and (
                    j >= high or not mainline_before(events, ids, positions, times, listed, places[j], places[i])
                )
                merged[k] = places[i] if takes_left else places[j]
                if takes_left:
                    i += 1
                else:
                    j += 1
        places, merged = merged, places
        width *= 2
    for i in range(n):
        order[i] = listed[places[i]]
    return n
