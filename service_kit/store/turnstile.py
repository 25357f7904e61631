"""Whose turn it is to write, among the processes that share one database file.

SQLite's own lock keeps the file right, but waits by polling (with pauses up to
100 ms) and lets whoever asks at the right moment go first. Here processes wait
in the kernel instead, and a waiting one comes before the last one's next turn:

    to enter:   take NEXT, take WRITE, let NEXT go          to leave:   let WRITE go

Whoever waits for WRITE holds NEXT, so the process that leaves must queue at
NEXT behind it. A killed process lets go of both.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


class Turnstile:
    def __init__(self, path: Path) -> None:
        self._next = _open(path.with_name(f"{path.name}-next"))
        self._write = _open(path.with_name(f"{path.name}-write"))

    def try_enter(self) -> bool:
        """Enter if nobody writes or waits."""
        if not _try_lock(self._next):
            return False
        entered = _try_lock(self._write)
        fcntl.flock(self._next, fcntl.LOCK_UN)
        return entered

    def enter(self) -> None:
        """Wait for the turn; for a thread."""
        fcntl.flock(self._next, fcntl.LOCK_EX)
        fcntl.flock(self._write, fcntl.LOCK_EX)
        fcntl.flock(self._next, fcntl.LOCK_UN)

    def leave(self) -> None:
        fcntl.flock(self._write, fcntl.LOCK_UN)

    def close(self) -> None:
        os.close(self._next)
        os.close(self._write)


def _open(path: Path) -> int:
    return os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)


def _try_lock(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
