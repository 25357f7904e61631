"""The unread notifications of one reader in one room, thread by thread."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from matrix_protocol.push_rules import Reader
from sync_api.push_events import MAIN

NOTIFICATIONS_MAX = 1000
"""Of one reader in one room. NOTSPEC: counts go no further; clients show "99+" long before."""

EVERYWHERE = ""
"""Where a receipt without a thread stands among the threads: it counts for all of them."""


class Notification(NamedTuple):
    """An event that the reader's push rules notify about."""

    position: int
    event_id: str
    highlight: bool


class Counts(NamedTuple):
    notifications: int
    highlights: int


class UnreadCounter:
    __slots__ = ("_held", "_highlights", "_unread", "read", "reader", "receipts_seen", "through")

    def __init__(self, reader: Reader) -> None:
        self.through = 0
        """Position of the last event that was looked at."""
        self.reader = reader
        """under their name in this room"""
        self.receipts_seen = -1
        """Position of the room's last receipt when the reader's were looked up."""
        self.read: dict[str, int] = {}
        """Through which position the reader has read: by thread, and `EVERYWHERE`."""
        self._unread: dict[str, list[Notification]] = {}
        """By thread, the oldest first."""
        self._held = 0
        self._highlights = 0

    # --- what happens ---

    def notify(self, thread_id: str, notification: Notification) -> None:
        """Events may come after the receipts that are about them: tables were read at different moments."""
        position = notification.position
        if position <= self.read.get(EVERYWHERE, 0) or position <= self.read.get(thread_id, 0):
            return
        if self._held >= NOTIFICATIONS_MAX:
            self._drop_oldest()
        self._unread.setdefault(thread_id, []).append(notification)
        self._held += 1
        self._highlights += notification.highlight

    def read_through(self, thread_id: str, position: int) -> None:
        """A receipt (`EVERYWHERE`: without a thread), or an event that the reader has sent."""
        if position <= self.read.get(thread_id, 0):
            return
        self.read[thread_id] = position
        for read_thread in [thread_id] if thread_id != EVERYWHERE else list(self._unread):
            unread = self._unread.get(read_thread)
            if unread is not None and unread[0].position <= position:
                self._keep(read_thread, [one for one in unread if one.position > position])

    def redact(self, event_id: str) -> None:
        """There is nothing left to notify about."""
        for thread_id, unread in self._unread.items():
            if any(one.event_id == event_id for one in unread):
                self._keep(thread_id, [one for one in unread if one.event_id != event_id])
                return

    def join(self, position: int) -> None:
        """The reader has come, or come back: whatever was before is not theirs to catch up with."""
        self._unread.clear()
        self._held = self._highlights = 0
        self.read = {EVERYWHERE: position}

    # --- what is told ---

    def is_unread(self, position: int) -> bool:
        return any(one.position == position for unread in self._unread.values() for one in unread)

    def has_threads(self) -> bool:
        """Whether anything is unread outside of the main timeline."""
        return len(self._unread) > (MAIN in self._unread)

    def unread_threads(self) -> Iterable[str]:
        return list(self._unread)

    def counts(self) -> Counts:
        """Of the whole room."""
        return Counts(self._held, self._highlights)

    def counts_of_main(self) -> Counts:
        return _counts(self._unread.get(MAIN, ()))

    def counts_of_threads(self) -> Mapping[str, Counts]:
        """By thread root, those with unread notifications."""
        return {thread_id: _counts(unread) for thread_id, unread in self._unread.items() if thread_id != MAIN}

    # --- holding ---

    def _keep(self, thread_id: str, kept: list[Notification]) -> None:
        before = self._unread[thread_id]
        self._held += len(kept) - len(before)
        self._highlights += sum(one.highlight for one in kept) - sum(one.highlight for one in before)
        if kept:
            self._unread[thread_id] = kept
        else:
            del self._unread[thread_id]

    def _drop_oldest(self) -> None:
        thread_id = min(self._unread, key=lambda thread: self._unread[thread][0].position)
        self._keep(thread_id, self._unread[thread_id][1:])


NONE = Counts(0, 0)


def _counts(unread: list[Notification] | tuple[()]) -> Counts:
    return Counts(len(unread), sum(one.highlight for one in unread)) if unread else NONE
