// Searching messages.

import assert from "node:assert/strict";

import { user, users } from "../client.mjs";
import { fact, until } from "../fact.mjs";
import { roomOf, roomWith, talk } from "../rooms.mjs";

let count = 0;
const unique = (word) => `${word}${process.pid}x${(count += 1)}`;

/** Searches until the index has caught up: it follows the rooms. */
const searched = (client, term, expected, filter) =>
    until(`${expected} results for ${term}`, async () => {
        const found = await client.searchRoomEvents({ term, filter });
        return found.count === expected && found;
    });

fact("a word finds the messages of one's rooms, the latest first, with what stands around them", async () => {
    const [alice, bob] = await users("alice", "bob");
    const word = unique("marmalade");
    const roomId = await roomOf(alice, bob);
    const closed = await roomWith({ preset: "private_chat" }, alice);
    await talk(alice, roomId, ["before", `one ${word}`, "between", `${word.toUpperCase()} two`, "after"]);
    await alice.sendTextMessage(closed, `secret ${word}`);
    const ofAlice = await searched(alice, word, 3);
    const found = await searched(bob, word, 2);
    const seen = found.results.map((result) => result.context.getEvent().getContent().body);
    assert.deepEqual(seen, [`${word.toUpperCase()} two`, `one ${word}`]);
    const around = found.results[1].context.getTimeline().map((event) => event.getContent().body);
    assert.deepEqual(around, ["before", `one ${word}`, "between"]);
    assert.ok(found.highlights.map((each) => each.toLowerCase()).includes(word.toLowerCase()));
    assert.equal(ofAlice.results[0].context.getEvent().getRoomId(), closed);
    await searched(alice, word, 1, { rooms: [closed] });
});

fact("results are paged", async () => {
    const [alice] = await users("alice");
    const word = unique("quince");
    const roomId = await roomOf(alice);
    await talk(alice, roomId, Array.from({ length: 14 }, (_, index) => `${word} ${index}`));
    const found = await searched(alice, word, 14);
    while (found.next_batch) await alice.backPaginateRoomEventsSearch(found);
    const seen = found.results.map((result) => result.context.getEvent().getContent().body);
    assert.deepEqual(seen, Array.from({ length: 14 }, (_, index) => `${word} ${13 - index}`));
});

fact("a redacted message is not found, an edited one is found by its new words", async () => {
    const [alice] = await users("alice");
    const [gone, fresh] = [unique("gone"), unique("fresh")];
    const roomId = await roomOf(alice);
    const { event_id: eventId } = await alice.sendTextMessage(roomId, gone);
    await searched(alice, gone, 1);
    await alice.redactEvent(roomId, eventId);
    await searched(alice, gone, 0);
    const { event_id: original } = await alice.sendTextMessage(roomId, "stale");
    await alice.sendMessage(roomId, {
        msgtype: "m.text",
        body: `* ${fresh}`,
        "m.new_content": { msgtype: "m.text", body: fresh },
        "m.relates_to": { rel_type: "m.replace", event_id: original },
    });
    await searched(alice, fresh, 1);
});

fact("who left a room finds nothing that was said after", async () => {
    const [alice] = await users("alice");
    const word = unique("later");
    const left = await user("left");
    const roomId = await roomOf(alice, left);
    await alice.sendTextMessage(roomId, `sooner ${word}`);
    await searched(left, word, 1);
    await left.leave(roomId);
    await alice.sendTextMessage(roomId, `afterwards ${word}`);
    await searched(alice, word, 2);
    const found = await left.searchRoomEvents({ term: word });
    assert.ok(found.results.every((each) => !each.context.getEvent().getContent().body.startsWith("afterwards")));
});
