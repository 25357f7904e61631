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

fact("who syncs later gets the last edit with the message", async () => {
    const [alice] = await users("alice");
    const roomId = await roomOf(alice);
    const { event_id: eventId } = await alice.sendTextMessage(roomId, "first wording");
    await alice.sendMessage(roomId, edit(eventId, "second wording"));
    const { event_id: editId } = await alice.sendMessage(roomId, edit(eventId, "third wording"));
    const served = await alice.fetchRoomEvent(roomId, eventId);
    assert.equal(served.content.body, "first wording");
    assert.equal(served.unsigned["m.relations"]["m.replace"].event_id, editId);
    const late = await user("late");
    await late.joinRoom(roomId);
    await until("late reads the last wording", () => texts(late, roomId)[0] === "third wording");
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

fact("the same reaction twice is refused as a duplicate", async () => {
    const [alice] = await users("alice");
    const roomId = await roomOf(alice);
    const { event_id: eventId } = await alice.sendTextMessage(roomId, "cake?");
    await alice.sendEvent(roomId, EventType.Reaction, reaction(eventId, "👍"));
    const error = await refused(alice.sendEvent(roomId, EventType.Reaction, reaction(eventId, "👍")));
    assert.equal(error.errcode, "M_DUPLICATE_ANNOTATION");
});

fact("relations of a message can be paged through by type", async () => {
    const [alice] = await users("alice");
    const roomId = await roomOf(alice);
    const { event_id: eventId } = await alice.sendTextMessage(roomId, "vote");
    const sent = [];
    for (const key of ["a", "b", "c", "d", "e"]) {
        sent.push((await alice.sendEvent(roomId, EventType.Reaction, reaction(eventId, key))).event_id);
    }
    await alice.sendMessage(roomId, edit(eventId, "vote!"));
    const found = [];
    let from;
    do {
        const page = await alice.relations(roomId, eventId, RelationType.Annotation, EventType.Reaction, { limit: 2, from });
        assert.equal(page.originalEvent.getId(), eventId);
        found.push(...page.events.map((event) => event.getId()));
        from = page.nextBatch ?? undefined;
    } while (from);
    assert.deepEqual(found, sent.reverse());
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
