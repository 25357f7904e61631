"""People chat: rooms with sizes by a power law, messages at a human pace, everybody holds a long poll."""

from __future__ import annotations

import os

from locust import between, task

from loadtests.locustfiles.matrix_user import MatrixUser
from loadtests.locustfiles.rooms import Rooms
from loadtests.locustfiles.summary import hook

hook("steady_chat")
ROOMS = Rooms(int(os.environ.get("LOADTEST_ROOMS", "50")))
ROOMS_A_USER = 5


class Chatter(MatrixUser):
    wait_time = between(1, 5)

    def enter_rooms(self) -> None:
        for index in ROOMS.choose(self.random, ROOMS_A_USER):
            ROOMS.enter(self, index)

    @task(10)
    def say_something(self) -> None:
        self.send(self.random.choice(self.room_ids))

    @task(2)
    def read_back(self) -> None:
        room_id = self.random.choice(self.room_ids)
        self.call("GET", f"/rooms/{room_id}/messages?dir=b&limit=50", "GET /messages")
