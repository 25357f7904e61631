// Edits, reactions, replies: events that relate to others, live and for who comes later.

import assert from "node:assert/strict";
import { EventType, RelationType } from "matrix-js-sdk";

import { user, users } from "../client.mjs";
import { fact, refused, until } from "../fact.mjs";
import { roomOf, texts } from "../rooms.mjs";

const edit = (eventId, body) => ({
    msgtype: "m.text",
    body: `* ${body}`,
    "m.new_content": { msgtype: "m.text", body },
    "m.relates_to": { rel_type: RelationType.Replace, event_id: eventId },
});

const reaction = (eventId, key) => ({
    "m.relates_to": { rel_type: RelationType.Annotation, event_id: eventId, key },
});

/** Who reacted with what, as the SDK shows it below a message. */
function reactions(client, roomId, eventId) {
    const { relations } = client.getRoom(roomId).getUnfilteredTimelineSet();
    const found = relations.getChildEventsForEvent(eventId, RelationType.Annotation, EventType.Reaction);
    return (found?.getSortedAnnotationsByKey() ?? []).map(([key, events]) => [key, events.size]);
}

fact("an edit replaces the message where it is seen already", async () => {
    const [alice, bob] = await users("alice", "bob");
    const roomId = await roomOf(alice, bob);
    const { event_id: eventId } = await alice.sendTextMessage(roomId, "teh");
    await until("bob sees it", () => texts(bob, roomId).includes("teh"));
    await alice.sendMessage(roomId, edit(eventId, "the"));
    for (const client of [alice, bob]) await until("it reads right", () => texts(client, roomId)[0] === "the");
    const original = bob.getRoom(roomId).findEventById(eventId);
    assert.equal(original.getOriginalContent().body, "teh");
});

fact("nobody can edit another's message", async () => {
    const [alice, bob] = await users("alice", "bob");
    const roomId = await roomOf(alice, bob);
    const { event_id: eventId } = await alice.sendTextMessage(roomId, "mine");
    await bob.sendMessage(roomId, edit(eventId, "yours"));
    await bob.sendTextMessage(roomId, "after");
    await until("it has come", () => texts(alice, roomId).includes("after"));
    assert.equal(texts(alice, roomId)[0], "mine");
    const served = await alice.fetchRoomEvent(roomId, eventId);
    assert.equal(served.unsigned?.["m.relations"]?.["m.replace"], undefined);
});

fact("reactions are counted, and one that is redacted goes", async () => {
    const [alice, bob] = await users("alice", "bob");
    const roomId = await roomOf(alice, bob);
    const { event_id: eventId } = await alice.sendTextMessage(roomId, "cake?");
    await until("bob sees it", () => texts(bob, roomId).includes("cake?"));
    await alice.sendEvent(roomId, EventType.Reaction, reaction(eventId, "👍"));
    const { event_id: bobs } = await bob.sendEvent(roomId, EventType.Reaction, reaction(eventId, "👍"));
    await bob.sendEvent(roomId, EventType.Reaction, reaction(eventId, "🍰"));
    const expected = [["👍", 2], ["🍰", 1]];
    for (const client of [alice, bob]) {
        await until("all are there", () => JSON.stringify(reactions(client, roomId, eventId)) === JSON.stringify(expected));
    }
    await bob.redactEvent(roomId, bobs);
    await until("one is gone", () => reactions(alice, roomId, eventId).every(([, count]) => count === 1));
});

fact("a reply names what it answers", async () => {
    const [alice, bob] = await users("alice", "bob");
    const roomId = await roomOf(alice, bob);
    const { event_id: question } = await alice.sendTextMessage(roomId, "tea?");
    const answer = { msgtype: "m.text", body: "yes", "m.relates_to": { "m.in_reply_to": { event_id: question } } };
    const { event_id: replyId } = await bob.sendMessage(roomId, answer);
    const reply = await until("alice has it", () => alice.getRoom(roomId).findEventById(replyId));
    assert.equal(reply.replyEventId, question);
    assert.equal(reply.isRelation(RelationType.Thread), false);
});
