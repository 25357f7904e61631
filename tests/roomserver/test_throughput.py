"""One owner of one shard, and a store whose every write takes 5 ms: micro-batches make up for the wait.

`python -m tests.roomserver.test_throughput` prints what a machine reaches.
"""

from __future__ import annotations

import asyncio
import time
from itertools import count
from typing import NamedTuple

import pytest

from tests.roomserver.scene import ALICE, SHARDS, Scene

WRITE_S = 0.005
SENDERS = 64
SENDS = 4000
SENDS_AN_APPEND_MIN = 20


class Throughput(NamedTuple):
    sends_a_second: float
    sends_an_append: float
    cpu_us_a_send: float


async def measured(sends: int) -> Throughput:
    """Senders in rooms of one shard; each sends its next message when the last one is acknowledged."""
    scene = await Scene.create(atomic_tables=False)
    rooms = [await room_of_the_first_shard(scene) for _ in range(8)]

    async def wait(call: str) -> None:
        if call in ("insert_all_if_absent", "write"):
            await asyncio.sleep(WRITE_S)

    scene.store.before_call = wait
    appends_before, numbers = scene.store.calls["insert_all_if_absent"], count()

    async def send_for_ever(sender: int) -> None:
        while (number := next(numbers)) < sends:
            await scene.send(ALICE, rooms[(sender + number) % len(rooms)])

    began_s, cpu_s = time.perf_counter(), time.process_time()
    await asyncio.gather(*map(send_for_ever, range(SENDERS)))
    seconds, cpu_s = time.perf_counter() - began_s, time.process_time() - cpu_s
    appends = scene.store.calls["insert_all_if_absent"] - appends_before
    await scene.close()
    return Throughput(sends / seconds, sends / appends, cpu_s / sends * 1e6)


async def room_of_the_first_shard(scene: Scene) -> str:
    while True:
        room_id = await scene.create_room(preset="public_chat")
        if SHARDS.of_room(room_id).number == 0:
            return room_id


@pytest.mark.slow
async def test_an_append_carries_what_came_while_the_one_before_was_written() -> None:
    reached = await measured(600)
    # Time says little on a busy machine. 20 an append of 5 ms is 4,000 a second, if there is CPU for them.
    assert reached.sends_an_append >= SENDS_AN_APPEND_MIN


if __name__ == "__main__":
    print(asyncio.run(measured(SENDS)))
