"""Inputs that are kept: seeds, and what was found and mended. And pseudo-random ones, the same each time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

FOLDER = Path(__file__).parent
INPUT_BYTES_MAX = 2048


def kept(name: str) -> list[bytes]:
    folders = (FOLDER / "seeds" / name, FOLDER / "found" / name)
    return [path.read_bytes() for folder in folders for path in sorted(folder.glob("*"))]


def pseudo_random(name: str, count: int) -> Iterator[bytes]:
    """Half of them are bytes, half are seeds with a few changes."""
    random, seeds = Random(name), kept(name)
    for number in range(count):
        if number % 2 and seeds:
            yield _changed(random, bytearray(random.choice(seeds)))
        else:
            yield random.randbytes(random.randrange(400))


def _changed(random: Random, data: bytearray) -> bytes:
    for _ in range(random.randrange(1, 6)):
        at = random.randrange(len(data) + 1)
        data[at : at + random.randrange(3)] = random.randbytes(random.randrange(4))
    return bytes(data[:INPUT_BYTES_MAX])
