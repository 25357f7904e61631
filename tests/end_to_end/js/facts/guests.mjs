// Guests, and reading a room without being in it.

import assert from "node:assert/strict";
import { EventType } from "matrix-js-sdk";

import { clientOf, user, users } from "../client.mjs";
import { fact, refused, until } from "../fact.mjs";
import { bodies, roomWith } from "../rooms.mjs";

const state = (type, content) => ({ type, state_key: "", content });

async function guest() {
    const session = await clientOf().registerGuest({});
    const client = clientOf({ userId: session.user_id, deviceId: session.device_id, accessToken: session.access_token });
    client.setGuest(true);
    return client;
}

fact("a guest joins where guests may, and nowhere else", async () => {
    const [alice] = await users("alice");
    const open = await roomWith({ initial_state: [state(EventType.RoomGuestAccess, { guest_access: "can_join" })] }, alice);
    const closed = await roomWith({ initial_state: [state(EventType.RoomGuestAccess, { guest_access: "forbidden" })] }, alice);
    const visitor = await guest();
    await visitor.joinRoom(open);
    await visitor.sendTextMessage(open, "hello from outside");
    await until("alice hears it", () =>
        bodies(alice.getRoom(open).getLiveTimeline().getEvents()).includes("hello from outside"),
    );
    assert.equal((await refused(visitor.joinRoom(closed))).httpStatus, 403);
    assert.equal((await refused(visitor.createRoom({}))).errcode, "M_GUEST_ACCESS_FORBIDDEN");
});

fact("a world readable room is peeked into, and what happens there is seen", async () => {
    const [alice] = await users("alice");
    const readable = state(EventType.RoomHistoryVisibility, { history_visibility: "world_readable" });
    const roomId = await roomWith({ name: "Window", initial_state: [readable] }, alice);
    await alice.sendTextMessage(roomId, "in the window");
    const passerby = await user("passerby");
    const room = await passerby.peekInRoom(roomId);
    assert.equal(room.name, "Window");
    assert.ok(bodies(room.getLiveTimeline().getEvents()).includes("in the window"));
    // The SDK asks for what happens from when its request arrives, which nobody tells.
    await until("what happens is seen", async () => {
        await alice.sendTextMessage(roomId, "and now this");
        return bodies(room.getLiveTimeline().getEvents()).includes("and now this");
    });
    passerby.stopPeeking();
    const hidden = await roomWith({}, alice);
    assert.equal((await refused(passerby.peekInRoom(hidden))).errcode, "M_FORBIDDEN");
});
