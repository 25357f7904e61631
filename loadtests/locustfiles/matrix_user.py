"""A Matrix user for Locust: an account, rooms, messages with unique texts, a real long poll in a greenlet of its own.

Locust's FastHttpUser (geventhttpclient) does the requests, so that thousands of users fit into one generator. What is
counted beside the requests:

    DELIVERY  message      from the moment it was sent until this user's /sync had it
    CHECK     message      at the user's end: every message that was acknowledged is in its room, once
"""

from __future__ import annotations

import json
import os
import random
import time
from collections import Counter
from itertools import count
from typing import Any, ClassVar
from urllib.parse import quote

import gevent
from locust import FastHttpUser
from locust.exception import StopUser

CLIENT = "/_matrix/client/v3"
RETRIED = (429, 500, 502, 503, 504)
TRIES_MAX = 60
LONG_POLL_MS = 30_000
PAGE_EVENTS = 500
PASSWORD = "a-load-test-password"
_RUN = os.environ.get("LOADTEST_RUN", "") or f"{os.getpid()}{int(time.time())}"
"""Names of this run's users and rooms; the same in all generators of a distributed run if it is given."""
_numbers = count()


class MatrixUser(FastHttpUser):
    """Log in is registration: `on_start` makes an account. Subclasses choose rooms and tasks."""

    abstract = True
    connection_timeout = 30.0
    network_timeout = 60.0
    concurrency = 4
    holds_long_poll: ClassVar[bool] = True

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.random = random.Random(f"{os.environ.get('LOADTEST_SEED', '1')}-{next(_numbers)}")
        self.user_id = ""
        self.token = ""
        self.room_ids: list[str] = []
        self.since = ""
        self.acknowledged: dict[str, dict[str, str]] = {}
        """By room: text -> event ID."""
        self._sent = count()
        self._poller: gevent.Greenlet | None = None

    # --- life

    def on_start(self) -> None:
        self.register()
        self.enter_rooms()
        if self.holds_long_poll:
            self._poller = gevent.spawn(self._poll_for_ever)

    def enter_rooms(self) -> None:
        """Fill `room_ids`."""

    def on_stop(self) -> None:
        if self._poller is not None:
            self._poller.kill()
        for room_id, expected in self.acknowledged.items():
            self._check(room_id, expected)

    # --- requests

    def call(self, method: str, path: str, name: str, body: object = None, *, tries: int = TRIES_MAX) -> Any:
        """The answer; tries again as real clients do. Raises StopUser when nothing helps."""
        for _ in range(tries):
            pause_s = 0.5
            with self.client.request(
                method,
                CLIENT + path,
                name=name,
                headers={"Authorization": f"Bearer {self.token}"} if self.token else {},
                json=body,
                catch_response=True,
            ) as answer:
                if answer.status_code == 200:
                    answer.success()
                    return json.loads(answer.text)
                problem = _problem(answer)
                if answer.status_code == 429:
                    answer.success()  # being told to wait is no failure; Locust counts it with the others
                    pause_s = _retry_after_s(answer)
                else:
                    answer.failure(problem)
                if answer.status_code not in (0, *RETRIED):
                    raise StopUser(f"{name}: {problem}")
            gevent.sleep(pause_s)
        raise StopUser(f"{name}: gave up after {tries} tries")

    def register(self) -> None:
        name = f"load{_RUN}{os.getpid()}x{next(_numbers)}"
        body = {"username": name, "password": PASSWORD, "auth": {"type": "m.login.dummy"}}
        answer = self.call("POST", "/register", "POST /register", body)
        self.user_id, self.token = answer["user_id"], answer["access_token"]

    def create_room(self, alias: str = "") -> str:
        body = {"preset": "public_chat", **({"name": alias} if alias else {})}
        return str(self.call("POST", "/createRoom", "POST /createRoom", body)["room_id"])

    def join(self, room_id: str) -> None:
        self.call("POST", f"/join/{quote(room_id)}", "POST /join/{room}", {})
        self.room_ids.append(room_id)

    def send(self, room_id: str) -> None:
        """A message that no other is like; the same transaction ID until it is acknowledged."""
        text = f"{self.user_id} {next(self._sent)} {time.time():.6f}"
        path = f"/rooms/{quote(room_id)}/send/m.room.message/{quote(text)}"
        answer = self.call("PUT", path, "PUT /send", {"msgtype": "m.text", "body": text})
        self.acknowledged.setdefault(room_id, {})[text] = answer["event_id"]

    def initial_sync(self) -> None:
        answer = self.call("GET", "/sync?timeout=0", "GET /sync (initial)")
        self.since = answer["next_batch"]

    # --- the long poll

    def _poll_for_ever(self) -> None:
        if not self.since:
            self.initial_sync()
        while True:
            path = f"/sync?timeout={LONG_POLL_MS}&since={quote(self.since)}"
            answer = self.call("GET", path, "GET /sync (long poll)", tries=10_000)
            self.since = answer["next_batch"]
            now_s = time.time()
            for room in answer.get("rooms", {}).get("join", {}).values():
                for event in room.get("timeline", {}).get("events", []):
                    self._note_delivery(event, now_s)

    def _note_delivery(self, event: Any, now_s: float) -> None:
        if event.get("type") != "m.room.message" or event.get("sender") == self.user_id:
            return
        sent_at = event.get("content", {}).get("body", "").rpartition(" ")[2]
        try:
            took_ms = max(0.0, (now_s - float(sent_at)) * 1000)
        except ValueError:
            return
        self._count("DELIVERY", "message", took_ms, None)

    # --- the check

    def _check(self, room_id: str, expected: dict[str, str]) -> None:
        """Page back through the room until all messages that were acknowledged have been seen, or it ends."""
        found: Counter[str] = Counter()
        event_ids: dict[str, str] = {}
        start = ""
        while not set(expected) <= set(found):
            path = f"/rooms/{quote(room_id)}/messages?dir=b&limit={PAGE_EVENTS}{start}"
            page = self.call("GET", path, "GET /messages (check)")
            for event in page["chunk"]:
                if event.get("sender") == self.user_id and event.get("type") == "m.room.message":
                    found[event["content"]["body"]] += 1
                    event_ids[event["content"]["body"]] = event["event_id"]
            if not (end := page.get("end")):
                break
            start = f"&from={quote(end)}"
        for text, event_id in expected.items():
            error = None
            if event_ids.get(text) != event_id:
                error = f"lost: {text}"
            elif found[text] > 1:
                error = f"doubled: {text}"
            self._count("CHECK", "message", 0, error)

    def _count(self, request_type: str, name: str, took_ms: float, error: str | None) -> None:
        self.environment.events.request.fire(
            request_type=request_type,
            name=name,
            response_time=took_ms,
            response_length=0,
            exception=None if error is None else AssertionError(error),
            context={},
        )


def _problem(answer: Any) -> str:
    try:
        body = json.loads(answer.text or "{}")
    except ValueError:
        body = {}
    errcode = body.get("errcode", "") if isinstance(body, dict) else ""
    return f"{answer.status_code or 'no answer'} {errcode}".strip()


def _retry_after_s(answer: Any) -> float:
    try:
        return min(float(json.loads(answer.text)["retry_after_ms"]) / 1000, 60.0)
    except (KeyError, ValueError, TypeError):
        return 1.0
