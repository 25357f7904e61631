// Sending, local echo, redaction: what happens to a message of one's own and how others see it.

import assert from "node:assert/strict";
import { EventStatus, EventType, MsgType, RoomEvent } from "matrix-js-sdk";

import { users } from "../client.mjs";
import { fact, until } from "../fact.mjs";
import { roomOf, texts } from "../rooms.mjs";

fact("a message reaches the other member through the sync loop", async () => {
    const [alice, bob] = await users("alice", "bob");
    const roomId = await roomOf(alice, bob);
    await alice.sendTextMessage(roomId, "Two sugars?");
    await until("bob sees it", () => texts(bob, roomId).includes("Two sugars?"));
    await bob.sendTextMessage(roomId, "None.");
    await until("alice sees the answer", () => texts(alice, roomId).includes("None."));
    assert.deepEqual(texts(alice, roomId), ["Two sugars?", "None."]);
});

fact("the local echo becomes the event itself by its transaction ID", async () => {
    const [alice, bob] = await users("alice", "bob");
    const roomId = await roomOf(alice, bob);
    const room = alice.getRoom(roomId);
    const updates = [];
    room.on(RoomEvent.LocalEchoUpdated, (event, _, oldId) => updates.push([oldId, event.getId(), event.status]));
    const { event_id: eventId } = await alice.sendTextMessage(roomId, "once", "txn-of-alice");
    await until("the echo is resolved", () => room.getPendingEvents().length === 0);
    await until("it is in the timeline", () => room.findEventById(eventId));
    const last = updates.at(-1);
    assert.equal(last[1], eventId);
    assert.equal(last[2], null);
    assert.equal(room.findEventById(eventId).getUnsigned().transaction_id, "txn-of-alice");
    assert.deepEqual(texts(alice, roomId), ["once"]);
    await until("bob has it", () => bob.getRoom(roomId).findEventById(eventId));
    assert.equal(bob.getRoom(roomId).findEventById(eventId).getUnsigned().transaction_id, undefined);
});

fact("a message that was refused can be taken back", async () => {
    const [alice, bob] = await users("alice", "bob");
    const roomId = await roomOf(alice, bob);
    await alice.sendStateEvent(roomId, EventType.RoomPowerLevels, {
        ...alice.getRoom(roomId).currentState.getStateEvents(EventType.RoomPowerLevels, "").getContent(),
        events_default: 50,
    });
    await assert.rejects(bob.sendTextMessage(roomId, "may I?"), { errcode: "M_FORBIDDEN" });
    const [failed] = bob.getRoom(roomId).getPendingEvents();
    assert.equal(failed.status, EventStatus.NOT_SENT);
    bob.cancelPendingEvent(failed);
    assert.deepEqual(bob.getRoom(roomId).getPendingEvents(), []);
});

fact("messages of several kinds arrive as they were sent", async () => {
    const [alice, bob] = await users("alice", "bob");
    const roomId = await roomOf(alice, bob);
    await alice.sendNotice(roomId, "a notice");
    await alice.sendEmoteMessage(roomId, "waves");
    await alice.sendHtmlMessage(roomId, "bold", "<b>bold</b>");
    await alice.sendMessage(roomId, { msgtype: MsgType.Location, body: "here", geo_uri: "geo:48.2,16.4" });
    await alice.sendStickerMessage(roomId, "mxc://localhost/sticker", { w: 1, h: 1 }, "a sticker");
    const arrived = await until("all five", () => {
        const events = bob.getRoom(roomId).getLiveTimeline().getEvents();
        const found = events.filter((event) => ["m.room.message", "m.sticker"].includes(event.getType()));
        return found.length === 5 && found;
    });
    const kinds = arrived.map((event) => event.getContent().msgtype ?? event.getType());
    assert.deepEqual(kinds, ["m.notice", "m.emote", "m.text", "m.location", "m.sticker"]);
    assert.equal(arrived[2].getContent().formatted_body, "<b>bold</b>");
});

fact("a redacted message is empty for everybody and says who took it away", async () => {
    const [alice, bob] = await users("alice", "bob");
    const roomId = await roomOf(alice, bob);
    const { event_id: eventId } = await alice.sendTextMessage(roomId, "regrettable");
    await until("bob sees it", () => texts(bob, roomId).includes("regrettable"));
    await alice.redactEvent(roomId, eventId, undefined, { reason: "second thoughts" });
    for (const client of [alice, bob]) {
        const event = client.getRoom(roomId).findEventById(eventId);
        await until("it is redacted", () => event.isRedacted());
        assert.deepEqual(event.getContent(), {});
        assert.equal(event.getUnsigned().redacted_because.sender, alice.getUserId());
        assert.equal(event.getUnsigned().redacted_because.content.reason, "second thoughts");
    }
    const served = await bob.fetchRoomEvent(roomId, eventId);
    assert.deepEqual(served.content, {});
    assert.equal(served.unsigned.redacted_because.type, "m.room.redaction");
});

fact("state that is set shows its previous content to clients", async () => {
    const [alice, bob] = await users("alice", "bob");
    const roomId = await roomOf(alice, bob);
    await alice.setRoomTopic(roomId, "first");
    await alice.setRoomTopic(roomId, "second");
    const topic = await until("bob has the second topic", () => {
        const event = bob.getRoom(roomId).currentState.getStateEvents(EventType.RoomTopic, "");
        return event?.getContent().topic === "second" && event;
    });
    assert.equal(topic.getPrevContent().topic, "first");
    assert.deepEqual(await bob.getStateEvent(roomId, EventType.RoomTopic, ""), topic.getContent());
});
