"""What happened in one run: the last entries to read, and a fingerprint of them all."""

from __future__ import annotations

from collections import Counter, deque
from hashlib import blake2b

from tests.simulation.loop import VirtualLoop

ENTRIES_KEPT_MAX = 4000


class Violation(Exception):
    """An invariant does not hold."""


class Trace:
    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self._hash = blake2b(digest_size=16)
        self._last: deque[str] = deque(maxlen=ENTRIES_KEPT_MAX)
        self.counts: Counter[str] = Counter()
        self.violations: list[str] = []

    def add(self, kind: str, text: str) -> None:
        self.counts[kind] += 1
        entry = f"{self._loop.time():9.4f} {kind}: {text}"
        self._hash.update(entry.encode())
        self._last.append(entry)

    def violation(self, invariant: str, detail: str) -> None:
        """To be called wherever one is seen; the run ends soon after the first."""
        self.add("VIOLATION", f"{invariant}: {detail}")
        self.violations.append(f"{invariant}: {detail}")

    @property
    def fingerprint(self) -> str:
        return self._hash.hexdigest()

    def last(self, count: int) -> list[str]:
        return list(self._last)[-count:]
