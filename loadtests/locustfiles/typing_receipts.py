"""What clients send beside messages: they type, they read."""

from __future__ import annotations

import os
from urllib.parse import quote

from locust import between, task

from loadtests.locustfiles.matrix_user import MatrixUser
from loadtests.locustfiles.rooms import Rooms
from loadtests.locustfiles.summary import hook

hook("typing_receipts")
ROOMS = Rooms(int(os.environ.get("LOADTEST_ROOMS", "20")))
ROOMS_A_USER = 3


class Busy(MatrixUser):
    wait_time = between(0.5, 3)

    def enter_rooms(self) -> None:
        for index in ROOMS.choose(self.random, ROOMS_A_USER):
            ROOMS.enter(self, index)

    @task(4)
    def type_and_send(self) -> None:
        room_id = self.random.choice(self.room_ids)
        path = f"/rooms/{quote(room_id)}/typing/{quote(self.user_id)}"
        self.call("PUT", path, "PUT /typing", {"typing": True, "timeout": 20_000})
        self.send(room_id)
        self.call("PUT", path, "PUT /typing", {"typing": False})

    @task(6)
    def read(self) -> None:
        sent = [event_id for texts in self.acknowledged.values() for event_id in texts.values()]
        rooms = list(self.acknowledged)
        if sent:
            room_id = self.random.choice(rooms)
            event_id = self.random.choice(list(self.acknowledged[room_id].values()))
            path = f"/rooms/{quote(room_id)}/receipt/m.read/{quote(event_id)}"
            self.call("POST", path, "POST /receipt", {})
