// Going back and forth in a room's past.

import assert from "node:assert/strict";
import { Direction, TimelineWindow } from "matrix-js-sdk";

import { Line, user, users } from "../client.mjs";
import { fact, until } from "../fact.mjs";
import { bodies, numbered, roomOf, talk, texts } from "../rooms.mjs";

fact("scrollback leads to the room's creation without a gap or a double", async () => {
    const [alice] = await users("alice");
    const roomId = await roomOf(alice);
    await talk(alice, roomId, numbered(45));
    const late = await user("late");
    await late.joinRoom(roomId);
    const room = await until("the room is there", () => late.getRoom(roomId));
    await until("its last message too", () => texts(late, roomId).includes("message 44"));
    assert.ok(room.getLiveTimeline().getEvents().length < 45);
    let pages = 0;
    while (room.oldState.paginationToken !== null) {
        await late.scrollback(room, 20);
        assert.ok((pages += 1) < 20);
    }
    assert.deepEqual(texts(late, roomId), numbered(45));
    assert.equal(room.getLiveTimeline().getEvents()[0].getType(), "m.room.create");
});

fact("lazily loaded members of old messages have their names", async () => {
    const [alice, bob] = await users("alice", "bob");
    const roomId = await roomOf(alice, bob);
    await bob.setDisplayName("Bob the First");
    const nameInRoom = () => alice.getRoom(roomId)?.getMember(bob.getUserId())?.rawDisplayName;
    await until("the room is told his name", () => nameInRoom() === "Bob the First");
    await bob.sendTextMessage(roomId, "long ago");
    await talk(alice, roomId, numbered(25));
    const late = await user("late");
    await late.joinRoom(roomId);
    const room = await until("the room is there", () => late.getRoom(roomId));
    await until("its last message too", () => texts(late, roomId).includes("message 24"));
    while (!texts(late, roomId).includes("long ago")) await late.scrollback(room, 10);
    const old = room.getLiveTimeline().getEvents().find((event) => event.getContent().body === "long ago");
    assert.equal(old.sender.name, "Bob the First");
    await room.loadMembersIfNeeded();
    assert.equal(room.getJoinedMembers().length, 3);
});

fact("a client that was away for long gets a limited timeline and fills the gap", async () => {
    const [alice] = await users("alice");
    const line = new Line();
    const away = await user("away", {}, { fetchFn: line.fetch });
    const roomId = await roomOf(alice, away);
    await alice.sendTextMessage(roomId, "before");
    await until("it is there", () => texts(away, roomId).includes("before"));
    line.cut();
    await talk(alice, roomId, numbered(50));
    line.mend();
    const room = away.getRoom(roomId);
    await until("it is back", () => texts(away, roomId).includes("message 49"));
    assert.ok(!texts(away, roomId).includes("message 0"));
    const window = new TimelineWindow(away, room.getUnfilteredTimelineSet());
    await window.load(undefined, 10);
    while (window.canPaginate(Direction.Backward)) await window.paginate(Direction.Backward, 20);
    assert.deepEqual(bodies(window.getEvents()), ["before", ...numbered(50)]);
});

fact("the state after the timeline is told under the name that the SDK knows", async () => {
    const [alice] = await users("alice");
    const roomId = await roomOf(alice);
    await alice.setRoomName(roomId, "now");
    const filter = JSON.stringify({ room: { rooms: [roomId], timeline: { limit: 1 } } });
    const query = { filter, timeout: 0, "org.matrix.msc4222.use_state_after": true };
    const room = (await alice.http.authedRequest("GET", "/sync", query)).rooms.join[roomId];
    assert.equal(room.state, undefined);
    const names = room["org.matrix.msc4222.state_after"].events.filter((event) => event.type === "m.room.name");
    assert.deepEqual(names.map((event) => event.content.name), ["now"]);
});
