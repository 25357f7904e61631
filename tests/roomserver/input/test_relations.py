"""Events that relate to events: what the owner of their room records, at once, across failovers and in quantity."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import roomserver.input.event_fact
import roomserver.input.relations
import roomserver.input.rows
import roomserver.queries.related
from matrix_protocol.errors import DuplicateAnnotation, NotFound, NotRelatable
from roomserver.state import parents
from roomserver.tables import AGGREGATES_BY_ROOM, RELATIONS_BY_EVENT, THREADS_BY_ROOM
from service_kit.rpc.pb.facts_pb2 import Aggregate
from service_kit.rpc.pb.room_queries_pb2 import RelationsRequest, ThreadsRequest, TimestampRequest
from service_kit.rpc.queries import GET_EVENT_BY_TIMESTAMP, GET_RELATIONS, GET_THREADS
from tests.roomserver.scene import ALICE, BOB, CAROL, Scene, gather


def relating(rel_type: str, event_id: str, **more: str) -> dict[str, Any]:
    content: dict[str, Any] = {"body": "text", "m.relates_to": {"rel_type": rel_type, "event_id": event_id, **more}}
    return content | ({"m.new_content": {"body": "new"}} if rel_type == "m.replace" else {})


async def related(scene: Scene, room_id: str, event_id: str, user_id: str = ALICE, **more: Any) -> list[str]:
    request = RelationsRequest(room_id=room_id, event_id=event_id, as_user_id=user_id, limit=100, **more)
    return [entry.event_id async for chunk in scene.asker.stream(GET_RELATIONS, request) for entry in chunk.entries]


async def aggregate(scene: Scene, room_id: str, event_id: str) -> Aggregate:
    row = await scene.event(room_id, event_id)
    found = await scene.store.get(AGGREGATES_BY_ROOM, (room_id, row.bucket, row.position))
    return Aggregate() if found is None else Aggregate.FromString(found.aggregate)


async def threads(scene: Scene, room_id: str, **more: Any) -> list[str]:
    request = ThreadsRequest(room_id=room_id, as_user_id=ALICE, **{"limit": 100, **more})
    return [entry.event_id async for chunk in scene.asker.stream(GET_THREADS, request) for entry in chunk.entries]


@pytest.fixture
async def room_id(scene: Scene) -> str:
    room_id = await scene.create_room(preset="public_chat")
    for user_id in (BOB, CAROL):
        await scene.join(user_id, room_id)
    return room_id


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (roomserver.input.relations, roomserver.queries.related):
        monkeypatch.setattr(module, "RELATIONS_CHUNK", 3)


@pytest.fixture
def small_buckets(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (roomserver.input.event_fact, roomserver.input.rows):
        monkeypatch.setattr(module, "BUCKET_EVENTS_MAX", 5)


async def test_of_equal_reactions_sent_at_once_one_is_accepted(scene: Scene, room_id: str) -> None:
    parent = await scene.send(ALICE, room_id)
    reaction = relating("m.annotation", parent, key="+1")
    results = await gather(*(scene.send(BOB, room_id, reaction, event_type="m.reaction") for _ in range(5)))
    accepted = [result for result in results if isinstance(result, str)]
    assert len(accepted) == 1
    assert {type(result) for result in results} == {str, DuplicateAnnotation}
    assert await related(scene, room_id, parent) == accepted


async def test_replies_sent_at_once_are_all_counted(scene: Scene, room_id: str) -> None:
    root = await scene.send(ALICE, room_id)
    senders = [BOB, CAROL, BOB, ALICE, BOB] * 3
    sent = await gather(*(scene.send(sender, room_id, relating("m.thread", root)) for sender in senders))
    found = await aggregate(scene, room_id, root)
    assert (found.replies, found.participants) == (15, 3)
    assert sorted(await related(scene, room_id, root)) == sorted(sent)
    assert found.latest_reply.event_id == (await related(scene, room_id, root))[-1]
    redacted = await gather(*(scene.redact(ALICE, room_id, event_id) for event_id in sent[4:]))
    assert {type(result) for result in redacted} == {str}
    found = await aggregate(scene, room_id, root)
    left = await related(scene, room_id, root)
    assert sorted(left) == sorted(sent[:4])
    assert (found.replies, found.participants, found.latest_reply.event_id) == (4, 3, left[-1])


async def test_reply_redacted_twice_at_once_is_taken_away_once(scene: Scene, room_id: str) -> None:
    root = await scene.send(ALICE, room_id)
    kept, gone = [await scene.send(BOB, room_id, relating("m.thread", root)) for _ in range(2)]
    await gather(*(scene.redact(user_id, room_id, gone) for user_id in (ALICE, BOB)))
    found = await aggregate(scene, room_id, root)
    assert (found.replies, found.latest_reply.event_id) == (1, kept)


async def test_another_owner_goes_on_where_the_last_one_was(scene: Scene, room_id: str) -> None:
    root = await scene.send(ALICE, room_id)
    await scene.send(BOB, room_id, relating("m.annotation", root, key="+1"))
    replies = [await scene.send(BOB, room_id, relating("m.thread", root)) for _ in range(3)]
    edit = await scene.send(ALICE, room_id, relating("m.replace", root))
    await scene.fail_over()
    with pytest.raises(DuplicateAnnotation):
        await scene.send(BOB, room_id, relating("m.annotation", root, key="+1"))
    with pytest.raises(NotRelatable):
        await scene.send(BOB, room_id, relating("m.thread", replies[0]))
    replies.append(await scene.send(CAROL, room_id, relating("m.thread", root)))
    await scene.redact(ALICE, room_id, edit)
    found = await aggregate(scene, room_id, root)
    assert (found.replies, found.participants, found.HasField("edit")) == (4, 2, False)
    assert await related(scene, room_id, root, rel_type="m.thread", backwards=True) == list(reversed(replies))


async def test_most_recent_edit_is_the_one_with_the_latest_time(scene: Scene, room_id: str) -> None:
    parent = await scene.send(ALICE, room_id)
    edits = [await scene.send(ALICE, room_id, relating("m.replace", parent)) for _ in range(4)]
    # The clock stands still: "the event with the lexicographically largest `event_id` is treated as more recent".
    found = await aggregate(scene, room_id, parent)
    assert found.edit.event_id == max(edits)
    await scene.redact(ALICE, room_id, max(edits))
    edits.remove(max(edits))
    assert (await aggregate(scene, room_id, parent)).edit.event_id == max(edits)


@pytest.mark.usefixtures("small_chunks")
async def test_children_of_a_popular_event_are_spread_over_chunks(scene: Scene, room_id: str) -> None:
    parent = await scene.send(ALICE, room_id)
    reactions = [
        await scene.send(BOB, room_id, relating("m.annotation", parent, key=str(number)), event_type="m.reaction")
        for number in range(10)
    ]
    await scene.settle()
    partitions = scene.store._tables[RELATIONS_BY_EVENT.name]
    assert max(len(partition.rows) for partition in partitions.values()) == 3
    assert await related(scene, room_id, parent) == reactions
    for index in range(10):
        position = (await scene.event(room_id, reactions[index])).position
        assert await related(scene, room_id, parent, from_position=position) == reactions[index + 1 :]
        older = await related(scene, room_id, parent, from_position=position, backwards=True)
        assert older == list(reversed(reactions[: index + 1]))
    for event_id in (reactions[4], reactions[9], reactions[0]):
        await scene.redact(BOB, room_id, event_id)
        reactions.remove(event_id)
        assert await related(scene, room_id, parent) == reactions


@pytest.mark.usefixtures("small_chunks")
async def test_latest_reply_is_found_behind_chunks_of_redacted_ones(scene: Scene, room_id: str) -> None:
    root = await scene.send(ALICE, room_id)
    replies = [await scene.send(BOB, room_id, relating("m.thread", root)) for _ in range(11)]
    for count in range(10, 0, -1):
        await scene.redact(BOB, room_id, replies[count])
        found = await aggregate(scene, room_id, root)
        assert (found.replies, found.latest_reply.event_id) == (count, replies[count - 1])
    await scene.redact(BOB, room_id, replies[0])
    found = await aggregate(scene, room_id, root)
    assert (found.replies, found.participants, found.HasField("latest_reply")) == (0, 0, False)


async def test_owner_remembers_few_parents_and_reads_the_others_again(
    scene: Scene, room_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parents, "PARENTS_MAX", 2)
    roots = [await scene.send(ALICE, room_id) for _ in range(6)]
    for _ in range(3):
        for root in roots:
            await scene.send(BOB, room_id, relating("m.thread", root))
            await scene.settle()
    known = scene.domain(room_id).owned.parents
    assert sum(known.get(room_id, root) is not None for root in roots) <= 3
    assert [(await aggregate(scene, room_id, root)).replies for root in roots] == [3] * 6


@pytest.mark.usefixtures("small_buckets")
async def test_threads_move_through_the_buckets_of_the_timeline(scene: Scene, room_id: str) -> None:
    roots = [await scene.send(ALICE, room_id) for _ in range(7)]
    for root in roots:
        await scene.send(BOB, room_id, relating("m.thread", root))
    latest = list(reversed(roots))
    assert await threads(scene, room_id) == latest
    for root in (roots[2], roots[0], roots[2]):
        await scene.send(BOB, room_id, relating("m.thread", root))
        latest.remove(root)
        latest.insert(0, root)
        assert await threads(scene, room_id) == latest
    partitions = scene.store._tables[THREADS_BY_ROOM.name]
    assert sum(len(partition.rows) for partition in partitions.values()) == 7
    request = ThreadsRequest(room_id=room_id, as_user_id=ALICE, limit=2)
    found: list[str] = []
    more = True
    while more:
        async for chunk in scene.asker.stream(GET_THREADS, request):
            found += [entry.event_id for entry in chunk.entries]
            more, request.from_position = chunk.more, chunk.next_position
    assert found == latest


@pytest.mark.usefixtures("small_buckets")
async def test_closest_event_is_found_although_times_come_in_no_order(scene: Scene, room_id: str) -> None:
    times: dict[int, str] = {}
    start_ms = scene.clock._start_ms
    for offset_s in (50, 10, 70, 20, 60, 30, 90, 40, 80, 15, 75, 35):
        scene.clock._start_ms = start_ms + offset_s * 1000
        times[offset_s] = await scene.send(ALICE, room_id)

    start_ms = scene.clock.now_ms() - offset_s * 1000

    async def closest(offset_s: float, *, backwards: bool) -> str:
        ts_ms = start_ms + int(offset_s * 1000)
        request = TimestampRequest(room_id=room_id, as_user_id=ALICE, ts_ms=ts_ms, backwards=backwards)
        return (await scene.asker.single(GET_EVENT_BY_TIMESTAMP, request)).event_id

    for offset_s, event_id in times.items():
        later = min((other for other in times if other > offset_s), default=None)
        assert await closest(offset_s, backwards=False) == await closest(offset_s, backwards=True) == event_id
        if later is not None:
            assert await closest(offset_s + 0.5, backwards=False) == times[later]
            assert await closest(later - 0.5, backwards=True) == event_id
    with pytest.raises(NotFound):
        await closest(91, backwards=False)


async def test_the_latest_reply_is_one_that_stands_although_two_are_redacted_at_once(
    scene: Scene, room_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = await scene.send(ALICE, room_id)
    first, second, third = [await scene.send(BOB, room_id, relating("m.thread", root)) for _ in range(3)]
    await scene.settle()
    get, scan, write = scene.store.get, scene.store.scan, scene.store.write
    is_redacted, may_write = asyncio.Event(), asyncio.Event()

    async def write_later(writes: Any, *, as_of: int | None = None) -> None:
        await may_write.wait()
        await write(writes, as_of=as_of)

    async def redact_another_meanwhile(table: Any, key: Any) -> Any:
        if table is RELATIONS_BY_EVENT and not is_redacted.is_set():
            is_redacted.set()
            await scene.redact(BOB, room_id, second)
        return await get(table, key)

    async def scan_before_it_is_written(table: Any, *args: Any, **more: Any) -> Any:
        rows = await scan(table, *args, **more)
        if table is RELATIONS_BY_EVENT and is_redacted.is_set():
            may_write.set()
        return rows

    monkeypatch.setattr(scene.store, "write", write_later)
    monkeypatch.setattr(scene.store, "get", redact_another_meanwhile)
    monkeypatch.setattr(scene.store, "scan", scan_before_it_is_written)
    await scene.redact(BOB, room_id, third)
    monkeypatch.undo()
    assert (await aggregate(scene, room_id, root)).latest_reply.event_id == first
