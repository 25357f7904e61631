"""After an outage: everybody asks for everything, again and again; a few go on writing."""

from __future__ import annotations

import os

from locust import between, task

from loadtests.locustfiles.matrix_user import MatrixUser
from loadtests.locustfiles.rooms import Rooms
from loadtests.locustfiles.summary import hook

hook("sync_storm")
ROOMS = Rooms(int(os.environ.get("LOADTEST_ROOMS", "50")))
ROOMS_A_USER = 10


class Returning(MatrixUser):
    wait_time = between(0.5, 2)
    holds_long_poll = False

    def enter_rooms(self) -> None:
        for index in ROOMS.choose(self.random, ROOMS_A_USER):
            ROOMS.enter(self, index)

    @task(10)
    def sync_anew(self) -> None:
        self.initial_sync()

    @task(1)
    def say_something(self) -> None:
        self.send(self.random.choice(self.room_ids))
