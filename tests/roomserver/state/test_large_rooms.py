"""Sending costs the same in a room of any size."""

from __future__ import annotations

import sys
from collections import Counter
from types import FrameType
from typing import Any

import pytest

from roomserver.state.compact import MEMBER
from tests.roomserver.scene import ALICE, Scene


@pytest.mark.slow
async def test_sending_calls_the_same_functions_whatever_the_number_of_members() -> None:
    scene = await Scene.create()
    room_id = await scene.create_room()
    small = await _calls_of_a_send(scene, room_id)
    room = scene.domain(room_id).owned.rooms.get(room_id)
    assert room is not None
    some_event_id = room.forward_extremity_ids[0]
    for number in range(100_000):
        room.state.load(MEMBER, f"@user{number}:a.example", some_event_id, "join", number)
    large = await _calls_of_a_send(scene, room_id)
    assert large == small
    await scene.close()


async def _calls_of_a_send(scene: Scene, room_id: str) -> Counter[str]:
    """Calls of functions of ours, by name. Iteration inside C would not show, so `joined_users` must not appear."""
    await scene.send(ALICE, room_id)
    calls: Counter[str] = Counter()

    def count(frame: FrameType, event: str, argument: Any) -> None:
        if event == "call" and "/roomserver/" in frame.f_code.co_filename:
            calls[frame.f_code.co_qualname] += 1

    sys.setprofile(count)
    try:
        await scene.send(ALICE, room_id)
    finally:
        sys.setprofile(None)
    assert calls
    assert not any("joined_users" in name for name in calls)
    return calls
