"""A wave of newcomers: accounts are made as fast as the server makes them, each with a first room and a first sync."""

from __future__ import annotations

from locust import constant, task
from locust.exception import StopUser

from loadtests.locustfiles.matrix_user import MatrixUser
from loadtests.locustfiles.summary import hook

hook("registration_wave")


class Newcomer(MatrixUser):
    wait_time = constant(0)
    holds_long_poll = False

    @task
    def arrive(self) -> None:
        self.initial_sync()
        self.room_ids.append(self.create_room())
        self.send(self.room_ids[0])
        raise StopUser
