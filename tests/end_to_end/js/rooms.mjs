// Rooms for facts.

import { until } from "./fact.mjs";

/** A room of these clients, made by the first; returns when all of them have it in their sync. */
export async function roomOf(creator, ...others) {
    return roomWith({}, creator, ...others);
}

/** The same with options for createRoom. */
export async function roomWith(options, creator, ...others) {
    const { room_id: roomId } = await creator.createRoom({ preset: "public_chat", ...options });
    for (const other of others) await other.joinRoom(roomId);
    for (const client of [creator, ...others]) {
        await until("the room is in the sync", () => client.getRoom(roomId)?.getMyMembership() === "join");
    }
    for (const other of others) {
        const isThere = () => creator.getRoom(roomId).getMember(other.getUserId())?.membership === "join";
        await until("the creator sees the others", isThere);
    }
    return roomId;
}

export const bodies = (events) =>
    events.filter((event) => event.getType() === "m.room.message").map((event) => event.getContent().body);

/** Bodies of the messages in a client's live timeline of the room, in order. */
export const texts = (client, roomId) => bodies(client.getRoom(roomId)?.getLiveTimeline().getEvents() ?? []);

export const numbered = (count) => Array.from({ length: count }, (_, index) => `message ${index}`);

/** Sends messages one after the other. */
export async function talk(client, roomId, words) {
    for (const word of words) await client.sendTextMessage(roomId, word);
}

/** Sends a message into a thread, as Element does: its panel makes the thread where the client has none yet. */
export async function reply(client, roomId, rootId, body, more = {}) {
    const room = client.getRoom(roomId);
    const root = await until("the root is there", () => room.findEventById(rootId));
    const thread = room.getThread(rootId) ?? room.createThread(rootId, root, [], true);
    await until("the thread is loaded", () => thread.initialEventsFetched);
    return client.sendMessage(roomId, rootId, { msgtype: "m.text", body, ...more });
}
