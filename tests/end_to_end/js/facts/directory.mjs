// Finding rooms: aliases, the public list, spaces, summaries.

import assert from "node:assert/strict";
import { EventType, RoomType, Visibility } from "matrix-js-sdk";

import { user, users } from "../client.mjs";
import { fact, refused, until } from "../fact.mjs";
import { roomOf, roomWith } from "../rooms.mjs";

let count = 0;
const unique = (word) => `${word}-${process.pid}-${(count += 1)}`;

fact("a room is joined by its alias, until the alias is deleted", async () => {
    const [alice, bob] = await users("alice", "bob");
    const roomId = await roomOf(alice);
    const alias = `#${unique("tea")}:localhost`;
    await alice.createAlias(alias, roomId);
    assert.equal((await bob.getRoomIdForAlias(alias)).room_id, roomId);
    assert.deepEqual((await alice.getLocalAliases(roomId)).aliases, [alias]);
    const joined = await bob.joinRoom(alias);
    assert.equal(joined.roomId, roomId);
    await alice.sendStateEvent(roomId, EventType.RoomCanonicalAlias, { alias });
    await until("bob sees the canonical alias", () => bob.getRoom(roomId)?.getCanonicalAlias() === alias);
    await alice.deleteAlias(alias);
    assert.equal((await refused(bob.getRoomIdForAlias(alias))).errcode, "M_NOT_FOUND");
});

fact("a room's alias is taken for good by who came first", async () => {
    const [alice, bob] = await users("alice", "bob");
    const name = unique("first");
    await alice.createRoom({ room_alias_name: name });
    assert.equal((await refused(bob.createRoom({ room_alias_name: name }))).errcode, "M_ROOM_IN_USE");
});
