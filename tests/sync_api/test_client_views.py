"""Whatever happens, in whatever order facts, questions and requests meet, on whichever worker: each client's view
of its rooms is the truth, with no event skipped, doubled or out of order."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

import pytest

from tests.sync_api.client import Client
from tests.sync_api.world import Room, Worker, World, lazy, limit, user_id

NAMES = ("alice", "bob", "carol")


class Story:
    """Random acts in a world with three users, from a seed."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.world = World(room_shards=2)
        self.world.slow_questions = self.random.choice((0, 1, 4))
        visibilities = ("shared", "joined", "invited", "world_readable")
        self.rooms = [self.world.room("alice", visibility=self.random.choice(visibilities)) for _ in range(3)]
        self.workers = [self.new_worker(), self.new_worker()]
        filters = (limit(2), limit(100), lazy(limit=3), lazy(limit=50))
        options: tuple[dict[str, Any], ...] = ({}, {"state_after": True}, *({"filter": given} for given in filters))
        self.clients = [Client(self.world, name, **self.random.choice(options)) for name in NAMES for _ in range(2)]
        self.polls: dict[Client, asyncio.Task[bool]] = {}

    def new_worker(self) -> Worker:
        small = self.random.random() < 0.3
        return self.world.worker(lag=True, bytes_max=2000 if small else 2**30)

    def act(self) -> None:
        chance, room, name = self.random.random(), self.random.choice(self.rooms), self.random.choice(NAMES)
        membership = room.membership_at(name, self.world.head(room.shard))
        if chance < 0.15:
            self.change_membership(room, name, membership)
        elif chance < 0.25:
            room.state("alice", self.random.choice(("m.room.name", "m.room.topic")), "", {"n": room.count})
        elif chance < 0.3:
            room.receipt(name, room.events()[-1][1].event_id, self.random.choice(("m.read", "m.read.private")))
        elif chance < 0.35:
            self.world.set_account_data(name, "m.tag", {"n": self.random.random()}, room.id)
        elif chance < 0.38:
            room.typing(name)
        else:
            for _ in range(self.random.choice((1, 1, 1, 2, 15, 70))):
                room.send(name)

    def change_membership(self, room: Room, name: str, membership: str) -> None:
        if membership == "join":
            # Alice stays, so that every room has somebody.
            changes: tuple[str, ...] = ("join",) if name == "alice" else ("join", "leave", "ban")
        else:
            changes = {"invite": ("join", "leave"), "ban": ("leave",)}.get(membership, ("join", "invite"))
        change = self.random.choice(changes)
        room.member("alice" if change in ("invite", "ban") else name, name, change, n=room.count)

    def deliver_some(self) -> None:
        worker = self.random.choice(self.workers)
        for shard in self.world.ledgers:
            behind = self.world.head(shard) - worker.position(shard)
            if behind and self.random.random() < 0.7:
                worker.deliver(shard, through=worker.position(shard) + self.random.randint(1, behind))

    async def request(self) -> None:
        client = self.random.choice(self.clients)
        poll = self.polls.get(client)
        if poll is not None and poll.done():
            await poll
        if poll is None or poll.done():
            timeout_ms = self.random.choice((0, 0, 30_000))
            worker = self.random.choice(self.workers)
            full_state = self.random.random() < 0.05
            request = client.sync(worker, timeout_ms=timeout_ms, full_state=full_state)
            self.polls[client] = asyncio.create_task(request)

    async def run(self, steps: int) -> None:
        for _ in range(steps):
            self.act()
            self.deliver_some()
            if self.random.random() < 0.05:
                # One dies, and a new one knows nothing.
                self.workers[self.random.randrange(2)] = self.new_worker()
            if self.random.random() < 0.6:
                await self.request()
            for _ in range(self.random.randint(0, 10)):
                await asyncio.sleep(0)
        await self.end()

    async def end(self) -> None:
        """Everything arrives; everybody asks until there is nothing new."""
        for worker in self.workers:
            worker.deliver_all()
        await self.world.clock.advance(40)
        await asyncio.gather(*self.polls.values())
        for client in self.clients:
            for _ in range(10):
                if not await client.sync(self.random.choice(self.workers)):
                    break


@pytest.mark.parametrize("seed", range(30))
async def test_every_clients_view_is_the_truth(seed: int) -> None:
    story = Story(seed)
    await story.run(60)
    for client in story.clients:
        for room in story.rooms:
            if client.is_joined(room):
                client.check(room)
            elif room.id in client.rooms:
                assert client.rooms[room.id].section != "join"


async def test_token_is_taken_over_by_another_worker() -> None:
    world = World()
    room = world.room("alice", "bob")
    client = Client(world, "bob", filter=limit(100))
    for worker in (world.worker(), world.worker(lag=True), world.worker()):
        room.send("alice")
        await client.sync(worker)
        room.send("alice")
        await client.sync(worker)
    await client.sync(world.worker())
    client.check(room)


async def test_worker_that_is_behind_does_not_turn_a_token_back() -> None:
    world = World()
    room = world.room("alice", "bob")
    late, early = world.worker(lag=True), world.worker()
    client = Client(world, "bob", filter=limit(100))
    await client.sync(late)
    sent = room.send("alice")
    await client.sync(early)
    assert not await client.sync(late)
    late.deliver_all()
    assert not await client.sync(late)
    room.send("alice")
    late.deliver_all()
    assert await client.sync(late)
    client.check(room)
    assert sent in {event.event_id for position, event in room.events() if position in client.rooms[room.id].timeline}


async def test_idle_users_and_rooms_are_dropped_and_come_back() -> None:
    world = World()
    room = world.room("alice", "bob")
    worker = world.worker(idle_s=60)
    client = Client(world, "bob", filter=limit(100))
    await client.sync(worker)
    await worker.users.sweep()
    assert len(worker.users) == 1
    await world.clock.advance(100)
    await worker.users.sweep()
    assert (len(worker.users), len(worker.rooms), worker.since) == (0, 0, {})
    room.send("alice")
    await client.sync(worker)
    client.check(room)


async def test_rooms_stay_within_their_memory_budget() -> None:
    world = World()
    rooms = [world.room("alice", "bob") for _ in range(20)]
    for room in rooms:
        for _ in range(20):
            room.send("alice", "x" * 500)
    worker = world.worker(bytes_max=100_000)
    client = Client(world, "bob", filter=limit(100))
    await client.sync(worker)
    held: list[Any] = [view.contents for room in rooms if (view := worker.rooms.get(room.id)) and view.contents]
    assert sum(contents.weight() for contents in held) <= 100_000
    for room in rooms:
        room.send("alice")
    await client.sync(worker)
    for room in rooms:
        client.check(room)


async def test_lost_facts_are_made_up_for_from_the_tables() -> None:
    world = World()
    room, other = world.room("alice", "bob"), world.room("alice")
    worker = world.worker(lag=True)
    client = Client(world, "bob", filter=limit(100))
    await client.sync(worker)
    poll = asyncio.create_task(client.sync(worker, timeout_ms=30_000))
    await world.clock.advance(1)
    room.send("alice")
    other.member("bob", "bob", "join")
    world.set_account_data("bob", "m.direct", {})
    for shard in world.ledgers:
        worker.consumer.on_lost(shard)
        worker.positions[shard] = world.head(shard)
    await poll
    await client.sync(worker)
    for joined in (room, other):
        client.check(joined)
    assert client.account_data == {"m.direct": {}}
    assert user_id("bob") in {key for _, key in client.rooms[other.id].state}
