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

fact("the public list is searched and paged, and has what a client shows of a room", async () => {
    const [alice, bob] = await users("alice", "bob");
    const word = unique("orchid");
    const made = [];
    for (const name of ["white", "red", "blue"]) {
        const options = { name: `${word} ${name}`, topic: "flowers", visibility: Visibility.Public };
        made.push(await roomWith(options, alice));
    }
    await bob.joinRoom(made[1]);
    const search = (options) => bob.publicRooms({ filter: { generic_search_term: word }, ...options });
    const found = await until("all three", async () => {
        const { chunk } = await search({});
        return chunk.length === 3 && chunk[0].num_joined_members === 2 && chunk;
    });
    assert.equal(found[0].room_id, made[1]);
    assert.equal(found[0].topic, "flowers");
    assert.equal(found[0].join_rule, "public");
    assert.equal(found[0].world_readable, false);
    const paged = [];
    let since;
    do {
        const page = await search({ limit: 1, since });
        paged.push(...page.chunk.map((room) => room.room_id));
        since = page.next_batch;
    } while (since);
    assert.deepEqual(paged, found.map((room) => room.room_id));
    await alice.setRoomDirectoryVisibility(made[0], Visibility.Private);
    assert.equal((await bob.getRoomDirectoryVisibility(made[0])).visibility, "private");
    await until("one is gone", async () => (await search({})).chunk.length === 2);
});

fact("a space shows its rooms, and theirs, in order", async () => {
    const [alice, bob] = await users("alice", "bob");
    const space = (name) => roomWith({ name, creation_content: { type: RoomType.Space } }, alice);
    const house = await space(unique("house"));
    const kitchen = await space("kitchen");
    const pantry = await roomWith({ name: "pantry" }, alice);
    const secret = await roomWith({ name: "secret", preset: "private_chat" }, alice);
    const child = (parent, id, content = {}) =>
        alice.sendStateEvent(parent, EventType.SpaceChild, { via: ["localhost"], ...content }, id);
    await child(house, pantry, { order: "b" });
    await child(house, kitchen, { order: "a", suggested: true });
    await child(house, secret);
    await child(kitchen, pantry);
    const ids = async (...options) => (await bob.getRoomHierarchy(house, ...options)).rooms.map((room) => room.room_id);
    await until("it is there", async () => (await ids()).length === 3);
    assert.deepEqual(await ids(), [house, kitchen, pantry]);
    assert.deepEqual(await ids(undefined, undefined, true), [house, kitchen]);
    const [root] = (await bob.getRoomHierarchy(house)).rooms;
    assert.equal(root.room_type, RoomType.Space);
    assert.deepEqual(new Set(root.children_state.map((event) => event.state_key)), new Set([kitchen, pantry, secret]));
    const paged = [];
    let from;
    do {
        const page = await bob.getRoomHierarchy(house, 1, undefined, false, from);
        paged.push(...page.rooms.map((room) => room.room_id));
        from = page.next_batch;
    } while (from);
    assert.deepEqual(paged, [house, kitchen, pantry]);
});

fact("a room's summary is shown before one joins, by alias too", async () => {
    const [alice, bob] = await users("alice", "bob");
    const name = unique("summary");
    const roomId = await roomWith({ name: "Tea", topic: "Leaves", room_alias_name: name }, alice);
    const summary = await until("it is there", () => bob.getRoomSummary(`#${name}:localhost`));
    assert.equal(summary.room_id, roomId);
    assert.deepEqual([summary.name, summary.topic, summary.num_joined_members], ["Tea", "Leaves", 1]);
    assert.ok([undefined, "leave"].includes(summary.membership));
    const hidden = await roomWith({ preset: "private_chat" }, alice);
    assert.equal((await refused(bob.getRoomSummary(hidden))).httpStatus, 404);
});

fact("people are found by name where one shares a room with them", async () => {
    const [alice] = await users("alice");
    const found = await user("found");
    const name = unique("Aurelius");
    await found.setDisplayName(name);
    await roomOf(alice, found);
    const results = await until("the directory knows", async () => {
        const answer = await alice.searchUserDirectory({ term: name.slice(0, -1) });
        return answer.results.some((each) => each.user_id === found.getUserId()) && answer;
    });
    assert.equal(results.limited, false);
    assert.equal(results.results.find((each) => each.user_id === found.getUserId()).display_name, name);
});

fact("two people see which rooms they share", async () => {
    const [one, other] = [await user("one"), await user("other")];
    const shared = await roomOf(one, other);
    await roomOf(one);
    assert.deepEqual(await one._unstable_getSharedRooms(other.getUserId()), [shared]);
});
