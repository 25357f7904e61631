// Threads: their own timeline, summary, list, receipts.

import assert from "node:assert/strict";
import { Direction, ThreadFilterType, TimelineWindow } from "matrix-js-sdk";

import { user, users } from "../client.mjs";
import { fact, until } from "../fact.mjs";
import { bodies, numbered, reply, roomOf, texts } from "../rooms.mjs";

/** A room with a thread in it: [roomId, ID of the thread's root]. */
async function threadOf(alice, replies, ...others) {
    const roomId = await roomOf(alice, ...others);
    const { event_id: rootId } = await alice.sendTextMessage(roomId, "root");
    for (const body of replies) await reply(alice, roomId, rootId, body);
    return [roomId, rootId];
}

const threadTexts = (client, roomId, rootId) =>
    bodies(client.getRoom(roomId)?.getThread(rootId)?.liveTimeline.getEvents() ?? []);

fact("a message in a thread stays out of the room's timeline", async () => {
    const [alice, bob] = await users("alice", "bob");
    const [roomId, rootId] = await threadOf(alice, ["in the thread"], bob);
    await bob.sendTextMessage(roomId, "in the room");
    for (const client of [alice, bob]) {
        await until("the thread has it", () => threadTexts(client, roomId, rootId).includes("in the thread"));
        await until("the room goes on", () => texts(client, roomId).includes("in the room"));
        assert.deepEqual(texts(client, roomId), ["root", "in the room"]);
    }
});

fact("a thread's summary counts its messages and says whether one took part", async () => {
    const [alice, bob] = await users("alice", "bob");
    const [roomId, rootId] = await threadOf(alice, ["one", "two"], bob);
    const summary = async (client) => (await client.fetchRoomEvent(roomId, rootId)).unsigned["m.relations"]["m.thread"];
    assert.deepEqual([(await summary(bob)).count, (await summary(bob)).current_user_participated], [2, false]);
    await reply(bob, roomId, rootId, "three");
    assert.deepEqual([(await summary(bob)).count, (await summary(bob)).current_user_participated], [3, true]);
    assert.equal((await summary(alice)).latest_event.content.body, "three");
    const late = await user("late");
    await late.joinRoom(roomId);
    const thread = await until("late has the thread", () => late.getRoom(roomId)?.getThread(rootId));
    await until("it is loaded", () => thread.initialEventsFetched);
    assert.equal(thread.length, 3);
    assert.equal(thread.hasCurrentUserParticipated, false);
});

fact("who syncs later sees the thread at its root and can read it whole", async () => {
    const [alice] = await users("alice");
    const [roomId, rootId] = await threadOf(alice, numbered(35));
    await alice.sendTextMessage(roomId, "in the room");
    const late = await user("late");
    await late.joinRoom(roomId);
    const room = await until("the room is there", () => late.getRoom(roomId));
    await until("its last message too", () => texts(late, roomId).includes("in the room"));
    const thread = await until("the thread too", () => room.getThread(rootId));
    await until("it is loaded", () => thread.initialEventsFetched); // not while scrolling back: the SDK would mix them
    while (!texts(late, roomId).includes("root")) await late.scrollback(room, 30);
    assert.equal(thread.length, 35);
    const window = new TimelineWindow(late, thread.timelineSet);
    await window.load(undefined, 10);
    while (window.canPaginate(Direction.Backward)) await window.paginate(Direction.Backward, 10);
    assert.deepEqual(bodies(window.getEvents()), ["root", ...numbered(35)]);
});

fact("the list of threads has all of them, the one with the latest message first", async () => {
    const [alice, bob] = await users("alice", "bob");
    const [roomId, first] = await threadOf(alice, ["a"], bob);
    const roots = [first];
    for (const name of ["second", "third"]) {
        const { event_id: rootId } = await alice.sendTextMessage(roomId, name);
        await reply(bob, roomId, rootId, "b");
        roots.push(rootId);
    }
    await reply(alice, roomId, first, "again");
    const listed = async (include) => {
        const page = await alice.createThreadListMessagesRequest(roomId, null, 10, Direction.Backward, include);
        return page.chunk.map((event) => event.event_id); // the SDK turns it round: the latest last
    };
    assert.deepEqual(await listed(ThreadFilterType.All), [roots[1], roots[2], roots[0]]);
    const late = await user("late");
    await late.joinRoom(roomId);
    const room = await until("the room is there", () => late.getRoom(roomId));
    await room.createThreadsTimelineSets();
    await room.fetchRoomThreads();
    const [all, mine] = room.threadsTimelineSets;
    assert.deepEqual(all.getLiveTimeline().getEvents().map((event) => event.getId()), await listed(ThreadFilterType.All));
    assert.deepEqual(mine.getLiveTimeline().getEvents(), []);
});

fact("an edit and a reaction in a thread find their message", async () => {
    const [alice, bob] = await users("alice", "bob");
    const [roomId, rootId] = await threadOf(alice, [], bob);
    const { event_id: replyId } = await reply(alice, roomId, rootId, "teh");
    await until("bob has it", () => threadTexts(bob, roomId, rootId).includes("teh"));
    await alice.sendMessage(roomId, {
        msgtype: "m.text",
        body: "* the",
        "m.new_content": { msgtype: "m.text", body: "the" },
        "m.relates_to": { rel_type: "m.replace", event_id: replyId },
    });
    await bob.sendEvent(roomId, "m.reaction", {
        "m.relates_to": { rel_type: "m.annotation", event_id: replyId, key: "👍" },
    });
    await until("it reads right", () => threadTexts(bob, roomId, rootId).includes("the"));
    const { relations } = alice.getRoom(roomId).getThread(rootId).timelineSet;
    const reacted = () => relations.getChildEventsForEvent(replyId, "m.annotation", "m.reaction")?.getRelations() ?? [];
    await until("alice sees the reaction", () => reacted().length === 1);
});

fact("a redacted message goes from its thread's count", async () => {
    const [alice, bob] = await users("alice", "bob");
    const [roomId, rootId] = await threadOf(alice, ["one"], bob);
    const { event_id: second } = await reply(alice, roomId, rootId, "two");
    await alice.redactEvent(roomId, second);
    await until("the summary has one", async () => {
        const { unsigned } = await bob.fetchRoomEvent(roomId, rootId);
        return unsigned["m.relations"]["m.thread"].count === 1;
    });
});
