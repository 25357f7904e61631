"""get_timeline and get_event: pages, directions, filters, and who sees what."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from matrix_protocol.errors import BadJson, Forbidden, InvalidParam, NotFound
from service_kit.config import SyncSettings
from service_kit.rpc.pb.room_queries_pb2 import EventRequest, TimelineChunk, TimelineEntry, TimelineRequest
from tests.roomserver.scene import ALICE, BOB, CAROL, Scene

VISIBILITY = "m.room.history_visibility"


async def page_of(
    scene: Scene, room_id: str, as_user_id: str = ALICE, **request: Any
) -> tuple[list[TimelineEntry], TimelineChunk]:
    """The entries, and the last chunk."""
    request.setdefault("limit", 1000)
    request.setdefault("backwards", True)
    if "filter" in request:
        request["filter_json"] = orjson.dumps(request.pop("filter"))
    asked = TimelineRequest(room_id=room_id, as_user_id=as_user_id, **request)
    chunks = [chunk async for chunk in scene.queries.get_timeline(asked)]
    return [entry for chunk in chunks for entry in chunk.entries], chunks[-1]


async def seen_by(scene: Scene, room_id: str, user_id: str, event_ids: list[str]) -> list[bool]:
    """Which of these events the user sees: on a page, and one by one (which must agree)."""
    entries, _ = await page_of(scene, room_id, user_id)
    on_page = {entry.event_id for entry in entries}
    found = []
    for event_id in event_ids:
        try:
            request = EventRequest(room_id=room_id, event_id=event_id, as_user_id=user_id)
            found.append((await scene.queries.get_event(request)).event_id == event_id)
        except NotFound:
            found.append(False)
    assert found == [event_id in on_page for event_id in event_ids]
    return found


@pytest.mark.parametrize("backwards", [True, False])
async def test_pages_fit_together(scene: Scene, backwards: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("roomserver.input.event_fact.BUCKET_EVENTS_MAX", 4)
    monkeypatch.setattr("roomserver.input.rows.BUCKET_EVENTS_MAX", 4)
    room_id = await scene.create_room()
    for _ in range(20):
        await scene.send(ALICE, room_id)
    await scene.receipt(ALICE, room_id, await scene.send(ALICE, room_id))
    everything, last = await page_of(scene, room_id, backwards=backwards)
    assert len(everything) == 27
    assert not last.more
    positions = [entry.position for entry in everything]
    assert positions == sorted(positions, reverse=backwards)
    for limit in (1, 3, 4, 5, 26, 27, 28):
        collected: list[int] = []
        position, more = 0, True
        while more:
            entries, last = await page_of(scene, room_id, backwards=backwards, limit=limit, from_position=position)
            assert len(entries) <= limit
            collected.extend(entry.position for entry in entries)
            position, more = last.next_position, last.more
        assert collected == positions


async def test_a_span_ends_where_it_is_told(scene: Scene) -> None:
    room_id = await scene.create_room()
    event_ids = [await scene.send(ALICE, room_id) for _ in range(5)]
    at = [(await scene.event(room_id, event_id)).position for event_id in event_ids]
    entries, last = await page_of(scene, room_id, from_position=at[3], to_position=at[1])
    assert [entry.event_id for entry in entries] == [event_ids[3], event_ids[2]]
    assert not last.more
    entries, _ = await page_of(scene, room_id, backwards=False, from_position=at[1], to_position=at[3])
    assert [entry.event_id for entry in entries] == [event_ids[2], event_ids[3]]


async def test_an_entry_says_what_clients_and_sync_need(scene: Scene) -> None:
    room_id = await scene.create_room()
    event_id = await scene.send(ALICE, room_id, txn_id="t1")
    (entry,), last = await page_of(scene, room_id, limit=1)
    assert (entry.event_id, entry.type, entry.sender) == (event_id, "m.room.message", ALICE)
    assert (entry.device_id, entry.client_txn_id, entry.room_id) == ("DEVICE", "t1", room_id)
    assert not entry.HasField("state_key")
    assert orjson.loads(entry.client_json)["event_id"] == event_id
    assert last.more
    entries, _ = await page_of(scene, room_id)
    assert entries[-1].HasField("state_key")


FILTERS: list[tuple[dict[str, Any], set[str]]] = [
    ({"types": ["m.room.message"]}, {"message", "picture", "bob"}),
    ({"types": ["m.room.*"], "not_types": ["m.room.[cjhgpn]*", "m.*.member"]}, {"message", "picture", "bob"} | {"*"}),
    ({"types": ["*sticker"]}, {"sticker"}),
    ({"types": ["m.**er"], "not_types": ["m.room.member"]}, {"sticker"}),
    ({"senders": [BOB], "not_types": ["m.room.member"]}, {"bob"}),
    ({"senders": []}, set()),
    ({"not_senders": [ALICE], "types": ["m.room.message"]}, {"bob"}),
    ({"contains_url": True}, {"picture"}),
    ({"contains_url": False, "types": ["m.room.message"]}, {"message", "bob"}),
    ({"rooms": []}, set()),
    ({"types": ["m.room.message"], "lazy_load_members": True, "limit": 1}, {"message", "picture", "bob"}),
]


@pytest.mark.parametrize(("event_filter", "expected"), FILTERS)
async def test_filters(scene: Scene, event_filter: dict[str, Any], expected: set[str]) -> None:
    room_id = await scene.create_room(preset="public_chat")
    await scene.join(BOB, room_id)
    names = {
        await scene.send(ALICE, room_id, {"body": 'an "url"'}): "message",
        await scene.send(ALICE, room_id, {"url": "mxc://a/b"}): "picture",
        await scene.send(ALICE, room_id, event_type="m.sticker"): "sticker",
        await scene.send(BOB, room_id): "bob",
    }
    entries, last = await page_of(scene, room_id, filter=event_filter)
    found = {names.get(entry.event_id, "*") for entry in entries}
    assert found == expected
    assert not last.more


async def test_filters_of_rooms_and_bad_ones(scene: Scene) -> None:
    room_id = await scene.create_room()
    entries, _ = await page_of(scene, room_id, filter={"not_rooms": [room_id]})
    assert entries == []
    entries, _ = await page_of(scene, room_id, filter={"rooms": [room_id]})
    assert len(entries) == 6
    bad: Any
    for bad in ([], {"types": "m.room.message"}, {"senders": [1]}):
        with pytest.raises(BadJson):
            await page_of(scene, room_id, filter=bad)
    for limit in (0, 1002, -1):
        with pytest.raises(InvalidParam):
            await page_of(scene, room_id, limit=limit)


async def test_a_sync_with_the_largest_limit_may_ask_for_one_more(scene: Scene) -> None:
    room_id = await scene.create_room()
    largest = SyncSettings(timeline_limit_max=1000).timeline_limit_max
    with pytest.raises(ValueError, match="timeline_limit_max"):
        SyncSettings(timeline_limit_max=largest + 1)
    entries, chunk = await page_of(scene, room_id, limit=largest + 1)
    assert len(entries) == 6
    assert not chunk.more


async def test_a_page_looks_at_a_bounded_number_of_rows(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("roomserver.queries.timeline.ROWS_PER_PAGE_MAX", 5)
    room_id = await scene.create_room()
    for _ in range(12):
        await scene.send(ALICE, room_id)
    position, more, pages = 0, True, 0
    found: list[TimelineEntry] = []
    while more:
        entries, last = await page_of(scene, room_id, filter={"types": ["m.room.create"]}, from_position=position)
        found.extend(entries)
        position, more, pages = last.next_position, last.more, pages + 1
    assert [entry.type for entry in found] == ["m.room.create"]
    assert pages == 4


# What BOB sees: of an event before his invitation, after it, after his join, after his leaving, for each setting.
SEEN = {
    "world_readable": [True, True, True, True],
    "shared": [True, True, True, False],
    "invited": [False, True, True, False],
    "joined": [False, False, True, False],
}


@pytest.mark.parametrize("visibility", SEEN)
async def test_what_members_and_former_members_see(scene: Scene, visibility: str) -> None:
    setting = {"type": VISIBILITY, "content": {"history_visibility": visibility}}
    room_id = await scene.create_room(initial_state=[setting])
    before = await scene.send(ALICE, room_id)
    await scene.invite(ALICE, BOB, room_id)
    invited = await scene.send(ALICE, room_id)
    joined_by = await scene.join(BOB, room_id)
    joined = await scene.send(ALICE, room_id)
    everything = [before, invited, joined]
    assert await seen_by(scene, room_id, BOB, [*everything, joined_by]) == [*SEEN[visibility][:3], True]
    left_by = await scene.leave(BOB, room_id)
    left = await scene.send(ALICE, room_id)
    assert await seen_by(scene, room_id, BOB, [*everything, left]) == SEEN[visibility]
    assert await seen_by(scene, room_id, BOB, [joined_by, left_by]) == [True, True]
    # Whoever comes back sees what "shared" shows of the time between.
    await scene.invite(ALICE, BOB, room_id)
    await scene.join(BOB, room_id)
    assert await seen_by(scene, room_id, BOB, [left]) == [visibility in ("world_readable", "shared")]


async def test_strangers_see_nothing_but_world_readable_events(scene: Scene) -> None:
    room_id = await scene.create_room()
    closed = await scene.send(ALICE, room_id)
    with pytest.raises(Forbidden):
        await page_of(scene, room_id, CAROL)
    with pytest.raises(NotFound):
        await scene.queries.get_event(EventRequest(room_id=room_id, event_id=closed, as_user_id=CAROL))
    opened = await scene.set_state(ALICE, room_id, VISIBILITY, {"history_visibility": "world_readable"})
    public = await scene.send(ALICE, room_id)
    assert await seen_by(scene, room_id, CAROL, [closed, opened, public]) == [False, True, True]
    shut = await scene.set_state(ALICE, room_id, VISIBILITY, {"history_visibility": "shared"})
    assert (await scene.event(room_id, shut)).history_visibility == 1  # the more open of before and after
    with pytest.raises(Forbidden):
        await page_of(scene, room_id, CAROL)


async def test_invited_users_may_not_look_in(scene: Scene) -> None:
    room_id = await scene.create_room()
    await scene.invite(ALICE, BOB, room_id)
    with pytest.raises(Forbidden):
        await page_of(scene, room_id, BOB)


async def test_the_server_itself_sees_everything(scene: Scene) -> None:
    room_id = await scene.create_room()
    event_id = await scene.send(ALICE, room_id)
    assert (await scene.queries.get_event(EventRequest(room_id=room_id, event_id=event_id))).event_id == event_id
    entries, _ = await page_of(scene, room_id, "")
    assert len(entries) == 7
    entries, last = await page_of(scene, "!nowhere:a.example", "")
    assert (entries, last.more) == ([], False)


async def test_events_are_found_in_their_own_room_only(scene: Scene) -> None:
    room_id, other_room_id = await scene.create_room(), await scene.create_room()
    event_id = await scene.send(ALICE, room_id)
    for room, event in ((other_room_id, event_id), (room_id, "$nothing")):
        with pytest.raises(NotFound):
            await scene.queries.get_event(EventRequest(room_id=room, event_id=event, as_user_id=ALICE))


async def test_large_pages_come_in_chunks(scene: Scene) -> None:
    room_id = await scene.create_room()
    for _ in range(25):
        await scene.send(ALICE, room_id, {"body": "x" * 50_000})
    asked = TimelineRequest(room_id=room_id, as_user_id=ALICE, backwards=True, limit=100)
    sizes = [len(chunk.entries) async for chunk in scene.queries.get_timeline(asked)]
    assert sizes == [21, 10]
