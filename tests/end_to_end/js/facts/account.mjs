// The account: profile, devices, sessions, account data.

import assert from "node:assert/strict";

import { clientOf, registered, started, user, users } from "../client.mjs";
import { fact, refusal, refused, until } from "../fact.mjs";
import { roomOf } from "../rooms.mjs";

fact("a new display name reaches those who share a room", async () => {
    const [alice] = await users("alice");
    const renamed = await user("renamed");
    const roomId = await roomOf(alice, renamed);
    await renamed.setDisplayName("Somebody Else");
    await renamed.setAvatarUrl("mxc://localhost/picture");
    const member = alice.getRoom(roomId).getMember(renamed.getUserId());
    await until("alice sees the name", () => member.rawDisplayName === "Somebody Else");
    await until("alice sees the picture", () => member.getMxcAvatarUrl() === "mxc://localhost/picture");
    const profile = await alice.getProfileInfo(renamed.getUserId());
    assert.deepEqual(profile, { displayname: "Somebody Else", avatar_url: "mxc://localhost/picture" });
});

fact("the SDK finds that profiles have fields of any name, and they can be set and deleted", async () => {
    const [alice, bob] = await users("alice", "bob");
    assert.equal(await alice.doesServerSupportExtendedProfiles(), true);
    await alice.setDisplayName("Alice");
    await alice.setExtendedProfileProperty("m.tz", "Europe/Vienna");
    assert.equal(await bob.getExtendedProfileProperty(alice.getUserId(), "m.tz"), "Europe/Vienna");
    assert.equal((await bob.getExtendedProfile(alice.getUserId()))["m.tz"], "Europe/Vienna");
    await alice.deleteExtendedProfileProperty("m.tz");
    assert.deepEqual(await bob.getExtendedProfile(alice.getUserId()), { displayname: "Alice" });
});

fact("account data reaches one's other session", async () => {
    const { username, ...session } = await registered("two-screens");
    const first = await started(clientOf(session));
    const login = await clientOf().loginWithPassword(username, "secret of two-screens");
    const other = { userId: login.user_id, deviceId: login.device_id, accessToken: login.access_token };
    const second = await started(clientOf(other));
    await first.setAccountData("test.colour", { colour: "green" });
    await until("it is there", () => second.getAccountData("test.colour")?.getContent().colour === "green");
    const roomId = await roomOf(first);
    await until("the room too", () => second.getRoom(roomId));
    await first.setRoomAccountData(roomId, "test.colour", { colour: "blue" });
    const ofRoom = () => second.getRoom(roomId).getAccountData("test.colour")?.getContent().colour;
    await until("and what belongs to the room", () => ofRoom() === "blue");
});

fact("devices are listed, renamed and deleted with the password", async () => {
    const { username, userId, ...session } = await registered("devices");
    const client = clientOf({ ...session, userId });
    const login = await clientOf().loginWithPassword(username, "secret of devices");
    const { devices } = await client.getDevices();
    assert.deepEqual(devices.map((device) => device.device_id).sort(), [client.getDeviceId(), login.device_id].sort());
    await client.setDeviceDetails(login.device_id, { display_name: "Old telephone" });
    assert.equal((await client.getDevice(login.device_id)).display_name, "Old telephone");
    const asked = await client.deleteDevice(login.device_id).then(assert.fail, (error) => error);
    assert.equal(asked.httpStatus, 401);
    assert.ok(asked.data.flows.some((flow) => flow.stages.includes("m.login.password")));
    const identifier = { type: "m.id.user", user: username };
    const auth = { type: "m.login.password", identifier, password: "secret of devices", session: asked.data.session };
    await client.deleteDevice(login.device_id, auth);
    assert.equal((await client.getDevices()).devices.length, 1);
    const deleted = clientOf({ userId, deviceId: login.device_id, accessToken: login.access_token });
    assert.equal((await refusal(() => deleted.whoami())).errcode, "M_UNKNOWN_TOKEN");
});

fact("a refresh token gives new tokens, and using these ends the old", async () => {
    const { userId, deviceId, answer } = await registered("refreshing", { refresh_token: true });
    assert.ok(answer.expires_in_ms > 0);
    const old = clientOf({ userId, deviceId, accessToken: answer.access_token });
    const next = await old.refreshToken(answer.refresh_token);
    assert.notEqual(next.access_token, answer.access_token);
    const client = clientOf({ userId, deviceId, accessToken: next.access_token });
    assert.equal((await client.whoami()).device_id, deviceId);
    assert.equal((await refusal(() => old.whoami())).errcode, "M_UNKNOWN_TOKEN");
    assert.equal((await refused(client.refreshToken(answer.refresh_token))).errcode, "M_UNKNOWN_TOKEN");
});

fact("after logout the sync loop stops and the token is worth nothing", async () => {
    const leaving = await user("leaving");
    const session = { userId: leaving.getUserId(), accessToken: leaving.getAccessToken() };
    await leaving.logout(true);
    const error = await refusal(() => clientOf(session).whoami());
    assert.equal(error.errcode, "M_UNKNOWN_TOKEN");
    assert.ok(!error.data.soft_logout);
});

fact("the session of a changed password lives on, others end", async () => {
    const { username, userId, deviceId, accessToken } = await registered("changing");
    const client = clientOf({ userId, deviceId, accessToken });
    const login = await clientOf().loginWithPassword(username, "secret of changing");
    const identifier = { type: "m.id.user", user: username };
    const auth = { type: "m.login.password", identifier, password: "secret of changing" };
    await client.setPassword(auth, "another secret", true);
    assert.equal((await client.whoami()).user_id, userId);
    const other = clientOf({ userId, accessToken: login.access_token });
    assert.equal((await refusal(() => other.whoami())).errcode, "M_UNKNOWN_TOKEN");
    assert.equal((await clientOf().loginWithPassword(username, "another secret")).user_id, userId);
});

fact("a user name that is taken is not available", async () => {
    const { username } = await registered("taken");
    assert.equal(await clientOf().isUsernameAvailable(username), false);
    assert.equal(await clientOf().isUsernameAvailable(`${username}-not`), true);
});

fact("what the SDK asks of a server's features it finds here", async () => {
    const [alice] = await users("alice");
    const threads = await alice.doesServerSupportThread();
    assert.deepEqual(Object.values(threads).map(Number), [2, 2, 2]);
    const capabilities = await alice.getCapabilities();
    assert.equal(capabilities["m.room_versions"].available[capabilities["m.room_versions"].default], "stable");
    assert.equal(capabilities["m.change_password"].enabled, true);
    for (const [feature, support] of alice.canSupport) {
        const isDeprecated = ["LoginTokenRequest", "RelationBasedRedactions", "AccountDataDeletion"].includes(feature);
        if (!isDeprecated) assert.equal(support, 0, `${feature} is not stable`);
    }
});
