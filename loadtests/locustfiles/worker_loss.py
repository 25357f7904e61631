"""Workers die while people chat: kill -9 of one process after the other, of every component in turn.

Only processes of the server under test, which `loadtests.locustfiles.run` started: it gives their data directory in
LOADTEST_DATA_DIR. Without it nobody is killed, and the run says so.
"""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import gevent
from locust import between, events, task
from locust.runners import WorkerRunner

from loadtests.locustfiles.matrix_user import MatrixUser
from loadtests.locustfiles.rooms import Rooms
from loadtests.locustfiles.summary import hook

hook("worker_loss")
ROOMS = Rooms(int(os.environ.get("LOADTEST_ROOMS", "20")))
ROOMS_A_USER = 4
KILL_EVERY_S = float(os.environ.get("LOADTEST_KILL_EVERY_S", "10"))
COMPONENTS = ("roomserver", "sync_api", "userserver", "api_gateway")


class Chatter(MatrixUser):
    wait_time = between(0.2, 1)

    def enter_rooms(self) -> None:
        for index in ROOMS.choose(self.random, ROOMS_A_USER):
            ROOMS.enter(self, index)

    @task
    def say_something(self) -> None:
        self.send(self.random.choice(self.room_ids))


@events.test_start.add_listener
def kill_now_and_then(environment: Any, **_: Any) -> None:
    directory = os.environ.get("LOADTEST_DATA_DIR", "")
    if isinstance(environment.runner, WorkerRunner):
        return
    if not directory:
        print("nobody is killed: LOADTEST_DATA_DIR is not set")
        return
    killer = gevent.spawn(_kill_for_ever, Path(directory))
    environment.events.test_stopping.add_listener(lambda **_: killer.kill())


def _kill_for_ever(data_dir: Path) -> None:
    turn = 0
    while True:
        gevent.sleep(KILL_EVERY_S)
        component = COMPONENTS[turn % len(COMPONENTS)]
        turn += 1
        processes = [json.loads(path.read_text()) for path in sorted((data_dir / "run").glob("*.json"))]
        victims = [process for process in processes if process.get("component") == component]
        if len(victims) > 1:  # the last of its kind is not killed here
            print(f"kill -9 {victims[0]['name']}")
            os.kill(victims[0]["pid"], signal.SIGKILL)
