"""Random choices that follow the fuzzer's bytes: a changed byte is a changed choice."""

from __future__ import annotations

from random import Random


class BytesRandom(Random):
    """`random.Random` over given bytes; when they are used up, over a generator with a fixed seed."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._rest = Random(0)
        super().__init__(0)

    def random(self) -> float:
        return self.getrandbits(16) / 2**16

    def getrandbits(self, k: int) -> int:
        size = (k + 7) // 8
        if self._at + size > len(self._data):
            return self._rest.getrandbits(k)
        taken = self._data[self._at : self._at + size]
        self._at += size
        return int.from_bytes(taken, "little") & ((1 << k) - 1)
