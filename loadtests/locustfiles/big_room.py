"""One room that everybody is in: some write, all listen."""

from __future__ import annotations

from locust import between, task

from loadtests.locustfiles.matrix_user import MatrixUser
from loadtests.locustfiles.rooms import Rooms
from loadtests.locustfiles.summary import hook

hook("big_room")
THE_ROOM = Rooms(1)


class Member(MatrixUser):
    wait_time = between(20, 60)

    def enter_rooms(self) -> None:
        THE_ROOM.enter(self, 0)

    @task
    def say_something(self) -> None:
        self.send(self.room_ids[0])
