"""Unread notifications: how many events the reader's push rules notify about since they last read.

    reading.py             how far somebody has read: receipts, public and private, of a thread and of all
    threads.py             which thread an event is in
    counter.py             of one reader in one room: the notifications that are still unread
    counters.py            all counters of a worker; the least used are forgotten
    response/counting.py   brings a counter up to the end of the timeline
    push_events.py         the events of a room, prepared for push rules: once for all its readers

Counted by who reads: a send does nothing here, and a worker looks at an event
for the users that it serves alone, when it answers them (1 or 2 µs each).

    timeline     … e41 e42 e43 e44 e45 e46
    counter                 ^ through        e45, e46 are looked at with the next answer, e1 … e44 never again
    receipt             ^                    what is at or before it falls out of the counter

A counter that is new begins where the user has read to, or joined (`EVENTS_MAX`
events back at the most: NOTSPEC, what is further back is not counted). It stays
when the user goes idle, so that only a worker that has never served somebody, or
was restarted, looks back.

Spec: https://spec.matrix.org/v1.19/client-server-api/#receiving-notifications
"""
