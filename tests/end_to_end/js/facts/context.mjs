// Into the middle of a room's past: permalinks and dates.

import assert from "node:assert/strict";
import { Direction, EventTimeline, TimelineWindow } from "matrix-js-sdk";

import { user, users } from "../client.mjs";
import { fact, until } from "../fact.mjs";
import { bodies, numbered, roomOf, talk } from "../rooms.mjs";

fact("a permalink opens a timeline window that goes both ways", async () => {
    const [alice, bob] = await users("alice", "bob");
    const roomId = await roomOf(alice, bob);
    await talk(alice, roomId, numbered(20));
    const { event_id: linked } = await alice.sendTextMessage(roomId, "look here");
    await talk(alice, roomId, numbered(40));
    const late = await user("late");
    await late.joinRoom(roomId);
    const room = await until("the room is there", () => late.getRoom(roomId));
    const window = new TimelineWindow(late, room.getUnfilteredTimelineSet());
    await window.load(linked, 6);
    const seen = () => bodies(window.getEvents());
    assert.ok(seen().includes("look here"), String(seen()));
    while (window.canPaginate(Direction.Backward)) await window.paginate(Direction.Backward, 15);
    while (window.canPaginate(Direction.Forward)) await window.paginate(Direction.Forward, 15);
    assert.deepEqual(seen(), [...numbered(20), "look here", ...numbered(40)]);
});

fact("a date leads to the first message of that day", async () => {
    const [alice] = await users("alice");
    const roomId = await roomOf(alice);
    const { event_id: first } = await alice.sendTextMessage(roomId, "the first");
    const { origin_server_ts: at } = await alice.fetchRoomEvent(roomId, first);
    await until("the clock has moved on", () => Date.now() > at + 1);
    await alice.sendTextMessage(roomId, "the second");
    const found = await alice.timestampToEvent(roomId, at, Direction.Forward);
    assert.equal(found.event_id, first);
    const timeline = await alice.getEventTimeline(alice.getRoom(roomId).getUnfilteredTimelineSet(), found.event_id);
    assert.ok(timeline instanceof EventTimeline);
});
