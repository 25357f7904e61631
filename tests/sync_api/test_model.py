"""Random users act in random rooms, and sync when they like, at whichever worker: what each client saw is the truth.

Real owners of rooms and users, two sync workers; facts get lost, doubled and late on the bus, owners and workers die.
Each client checks every answer as it comes (nothing twice, nothing out of order, nothing that it may not see) and is
compared at the end with what the ledgers hold: no event skipped, the state equal, unread notifications right.

    PLEXUS_MODEL_EXAMPLES=2000 PLEXUS_MODEL_STEPS=80 pytest --timeout=0 tests/sync_api/test_model.py

A failure prints the acts that led to it, as short as hypothesis can make them (which may take minutes:
PLEXUS_MODEL_SHRINK=no prints them as they were).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from matrix_protocol.errors import MatrixError
from service_kit.bus.memory import SeededFaults
from sync_api.response import counting
from tests.roomserver.scene import ALICE, BOB, CAROL, Action
from tests.sync_api.client import Client
from tests.sync_api.cluster import Cluster
from tests.sync_api.truth import RoomTruth

pytestmark = pytest.mark.slow

EXAMPLES = int(os.environ.get("PLEXUS_MODEL_EXAMPLES", "30"))
STEPS = int(os.environ.get("PLEXUS_MODEL_STEPS", "40"))
SHRINKS = os.environ.get("PLEXUS_MODEL_SHRINK") != "no"
ROOMS_MAX = 3
USERS = (ALICE, BOB, CAROL)
T = TypeVar("T")

ANY_USER = st.sampled_from(USERS)
ANY_NUMBER = st.integers(0, 1000)
VISIBILITIES = ("shared", "joined", "invited", "world_readable")
PRESETS = ("public_chat", "public_chat", "private_chat", "trusted_private_chat")


def of_room(**parts: Any) -> dict[str, Any]:
    return {"filter": {"room": parts}}


LAZY = {"lazy_load_members": True}
OPTIONS: tuple[dict[str, Any], ...] = (
    {},
    {"state_after": True},
    of_room(timeline={"limit": 1}),
    of_room(timeline={"limit": 3}, include_leave=True),
    of_room(timeline={"limit": 100}),
    of_room(timeline={"limit": 0}),
    of_room(timeline={"limit": 4, "unread_thread_notifications": True}),
    of_room(timeline={"limit": 3}, state=LAZY),
    of_room(timeline={"limit": 50}, state={**LAZY, "include_redundant_members": True}),
    of_room(timeline={"limit": 3, "types": ["m.room.message", "m.room.m*"]}),
    of_room(timeline={"limit": 5, "not_types": ["m.room.topic"], "not_senders": [BOB]}),
    of_room(timeline={"limit": 5, "senders": [ALICE, CAROL]}, state=LAZY),
    of_room(timeline={"limit": 5, "contains_url": True}),
    of_room(timeline={"limit": 5, "contains_url": False}, ephemeral={"types": []}),
    of_room(state={"not_types": ["m.room.topic"]}, timeline={"limit": 2}),
    of_room(timeline={"limit": 5}, rooms=[]),
    {**of_room(timeline={"limit": 2}, state=LAZY), "state_after": True},
    {**of_room(timeline={"limit": 2, "types": ["m.room.message"]}), "state_after": True},
)
MEMBERSHIP_CHANGES = {
    "invite": Action.INVITE,
    "kick": Action.KICK,
    "ban": Action.BAN,
    "unban": Action.UNBAN,
}


class SyncMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        # How far back is looked has tests of its own.
        for name in ("EVENTS_MAX", "THREAD_EVENTS_MAX"):
            self.patch.setattr(counting, name, 1000)
        self.runner = asyncio.Runner()
        self.cluster = self.run(Cluster.start())
        self.scene = self.cluster.scene
        self.room_ids: list[str] = []
        self.sent: list[tuple[str, str, str]] = []
        """(room ID, sender, event ID) of messages in the main timeline"""
        self.clients: list[Client] = []
        self.polls: dict[Client, asyncio.Task[bool]] = {}

    def run(self, act: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(act)

    def attempt(self, act: Coroutine[Any, Any, object]) -> None:
        """What a user may not do is refused."""
        with suppress(MatrixError):
            self.run(act)

    def room_id(self, number: int) -> str:
        return self.room_ids[number % len(self.room_ids)]

    # --- who is there ---

    @initialize(options=st.lists(st.sampled_from(OPTIONS), min_size=6, max_size=6), preset=st.sampled_from(PRESETS))
    def begin(self, options: list[dict[str, Any]], preset: str) -> None:
        self.clients = [Client(self.cluster, USERS[n % 3], **one, device=f"D{n}") for n, one in enumerate(options)]
        self.create_room(ALICE, preset, "shared")

    @rule(creator=ANY_USER, preset=st.sampled_from(PRESETS), visibility=st.sampled_from(VISIBILITIES))
    @precondition(lambda self: len(self.room_ids) < ROOMS_MAX)
    def create_room(self, creator: str, preset: str, visibility: str) -> None:
        first = {"type": "m.room.history_visibility", "state_key": "", "content": {"history_visibility": visibility}}
        create = self.scene.create_room(creator, preset=preset, initial_state=[first])
        self.room_ids.append(self.run(create))

    # --- what users do in rooms ---

    @rule(number=ANY_NUMBER, user=ANY_USER)
    def join(self, number: int, user: str) -> None:
        self.attempt(self.scene.join(user, self.room_id(number), displayname=f"name {number}"))

    @rule(number=ANY_NUMBER, user=ANY_USER)
    def leave(self, number: int, user: str) -> None:
        self.attempt(self.scene.leave(user, self.room_id(number)))

    @rule(number=ANY_NUMBER, user=ANY_USER)
    def knock(self, number: int, user: str) -> None:
        self.attempt(self.scene.change(Action.KNOCK, user, user, self.room_id(number)))

    @rule(number=ANY_NUMBER, user=ANY_USER, of=ANY_USER, change=st.sampled_from(sorted(MEMBERSHIP_CHANGES)))
    def change_membership(self, number: int, user: str, of: str, change: str) -> None:
        self.attempt(self.scene.change(MEMBERSHIP_CHANGES[change], user, of, self.room_id(number)))

    @rule(number=ANY_NUMBER, user=ANY_USER)
    def forget(self, number: int, user: str) -> None:
        self.attempt(self.scene.forget(user, self.room_id(number)))

    @rule(number=ANY_NUMBER, user=ANY_USER, messages=st.sampled_from((1, 1, 1, 2, 7, 40)), url=st.booleans())
    def send(self, number: int, user: str, messages: int, url: bool) -> None:
        content = {"body": "hello", "msgtype": "m.text", **({"url": "mxc://a/b"} if url else {})}
        room_id = self.room_id(number)
        with suppress(MatrixError):
            for _ in range(messages):
                self.sent.append((room_id, user, self.run(self.scene.send(user, room_id, content))))

    @rule(number=ANY_NUMBER, user=ANY_USER)
    @precondition(lambda self: self.sent)
    def reply_in_thread(self, number: int, user: str) -> None:
        room_id, _, root = self.sent[number % len(self.sent)]
        relation = {"m.relates_to": {"rel_type": "m.thread", "event_id": root}}
        self.attempt(self.scene.send(user, room_id, {"body": "hello", "msgtype": "m.text", **relation}))

    @rule(number=ANY_NUMBER)
    @precondition(lambda self: self.sent)
    def redact(self, number: int) -> None:
        room_id, sender, event_id = self.sent[number % len(self.sent)]
        self.attempt(self.scene.redact(sender, room_id, event_id))

    @rule(number=ANY_NUMBER, user=ANY_USER, event_type=st.sampled_from(("m.room.name", "m.room.topic")))
    def set_state(self, number: int, user: str, event_type: str) -> None:
        content = {event_type.rpartition(".")[2]: f"{number}"}
        self.attempt(self.scene.set_state(user, self.room_id(number), event_type, content))

    @rule(number=ANY_NUMBER, user=ANY_USER, visibility=st.sampled_from(VISIBILITIES))
    def set_visibility(self, number: int, user: str, visibility: str) -> None:
        content = {"history_visibility": visibility}
        self.attempt(self.scene.set_state(user, self.room_id(number), "m.room.history_visibility", content))

    @rule(number=ANY_NUMBER, user=ANY_USER, join_rule=st.sampled_from(("public", "invite", "knock")))
    def set_join_rule(self, number: int, user: str, join_rule: str) -> None:
        self.attempt(self.scene.set_state(user, self.room_id(number), "m.room.join_rules", {"join_rule": join_rule}))

    @rule(
        number=ANY_NUMBER,
        user=ANY_USER,
        kind=st.sampled_from(("m.read", "m.read.private")),
        thread=st.sampled_from(("", "main", "root")),
    )
    @precondition(lambda self: self.sent)
    def receipt(self, number: int, user: str, kind: str, thread: str) -> None:
        room_id, _, event_id = self.sent[number % len(self.sent)]
        thread_id = event_id if thread == "root" else thread
        self.attempt(self.scene.receipt(user, room_id, event_id, receipt_type=kind, thread_id=thread_id))

    @rule(number=ANY_NUMBER, user=ANY_USER, typing=st.booleans())
    def typing(self, number: int, user: str, typing: bool) -> None:
        self.attempt(self.scene.typing(user, self.room_id(number), typing))

    @rule(number=ANY_NUMBER, user=ANY_USER)
    def set_tag(self, number: int, user: str) -> None:
        self.run(self.cluster.set_account_data(user, "m.tag", {"tags": {f"u.{number}": {}}}, self.room_id(number)))

    # --- who looks, and where ---

    @rule(
        client=ANY_NUMBER,
        worker=st.integers(0, 1),
        timeout_ms=st.sampled_from((0, 0, 30_000)),
        full_state=st.sampled_from((False, False, False, True)),
    )
    def sync(self, client: int, worker: int, timeout_ms: int, full_state: bool) -> None:
        self.run(self._sync(self.clients[client % len(self.clients)], worker, timeout_ms, full_state))

    async def _sync(self, client: Client, worker: int, timeout_ms: int, full_state: bool) -> None:
        poll = self.polls.get(client)
        if poll is not None and not poll.done():
            return
        if poll is not None:
            await poll
        request = client.sync(self.cluster.workers[worker], timeout_ms=timeout_ms, full_state=full_state)
        poll = self.polls[client] = asyncio.create_task(request)
        for _ in range(1000 if timeout_ms == 0 else 30):
            if poll.done():
                await poll
                return
            await asyncio.sleep(0)

    @rule(worker=st.integers(0, 1))
    def replace_worker(self, worker: int) -> None:
        self.run(self.cluster.replace_worker(worker))

    @rule(worker=st.integers(0, 1))
    def lose_facts(self, worker: int) -> None:
        self.run(self.cluster.lose_facts(worker))

    @rule()
    def move_shards(self) -> None:
        """The owner of all rooms dies, and another worker takes over."""
        self.run(self.scene.fail_over())

    @rule(seed=ANY_NUMBER, bad=st.booleans())
    def change_weather(self, seed: int, bad: bool) -> None:
        faults = SeededFaults(seed, drop=0.3, duplicate=0.2, delay=0.3, pattern="fact.>")
        self.scene.hub.faults = faults if bad else None

    @rule(seconds=st.sampled_from((0.1, 1.0, 5.0, 40.0)))
    def wait(self, seconds: float) -> None:
        self.run(self.cluster.clock.advance(seconds))

    # --- the end ---

    def teardown(self) -> None:
        try:
            self.run(self._end())
        finally:
            self.run(self.cluster.close())
            self.runner.close()
            self.patch.undo()

    async def _end(self) -> None:
        """Everything arrives; everybody asks until there is nothing new."""
        self.scene.hub.faults = None
        for _ in range(3):
            await self.cluster.clock.advance(40.0)
        await asyncio.gather(*self.polls.values())
        for client in self.clients:
            # A first answer does not look into threads beyond what is in memory.
            await client.sync(self.cluster.workers[0])
        last = await self._last_messages()
        await self.cluster.clock.advance(5.0)
        await self.cluster.read_ledgers()
        for number, client in enumerate(self.clients):
            for turn in range(10):
                if not await client.sync(self.cluster.workers[(number + turn) % 2]):
                    break
            for room in self.cluster.rooms.values():
                check(client, room, last.get(room.id, ""))

    async def _last_messages(self) -> dict[str, str]:
        """One into each room, so that the last answer about it has the last count. By room ID."""
        last = {}
        await self.cluster.read_ledgers()
        for room in self.cluster.rooms.values():
            head = self.cluster.head(room.shard)
            sender = next((user for user in USERS if room.membership_at(user, head) == "join"), None)
            if sender is not None:
                with suppress(MatrixError):
                    last[room.id] = await self.scene.send(sender, room.id, {"body": "the end", "msgtype": "m.text"})
        return last


def check(client: Client, room: RoomTruth, last_event_id: str) -> None:
    if client.rooms_wish is not None and room.id not in client.rooms_wish:
        return
    known = client.rooms.get(room.id)
    membership = client.membership(room)
    if membership == "join":
        client.check(room)
        last = next((event for _, event in room.events() if event.event_id == last_event_id), None)
        if last is not None and client.timeline_wish.allows(room, last, at_any_time=False):
            client.check_unread(room)
    elif membership in ("invite", "knock"):
        assert known is not None, f"{client.name} was not told of an {membership}"
        assert known.pending == membership
    elif known is not None:
        assert known.section != "join"
        assert not known.pending
        if known.section == "leave":
            client.check_left(room)


SyncMachine.TestCase.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
    phases=[Phase.explicit, Phase.reuse, Phase.generate, *([Phase.shrink] if SHRINKS else [])],
)
TestSync = SyncMachine.TestCase
