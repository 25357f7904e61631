// Push rules: edited by one session, in force in all.

import assert from "node:assert/strict";
import { ConditionKind, NotificationCountType, PushRuleActionName, PushRuleKind, TweakName } from "matrix-js-sdk";

import { clientOf, registered, started, user, users } from "../client.mjs";
import { fact, refused, until } from "../fact.mjs";
import { roomOf, talk, texts } from "../rooms.mjs";

const { Notify } = PushRuleActionName;
const find = (rules, kind, ruleId) => rules.global[kind].find((rule) => rule.rule_id === ruleId);

fact("a keyword rule is added, disabled, given other actions and deleted", async () => {
    const client = await user("keywords");
    const rule = { pattern: "cake", actions: [Notify, { set_tweak: TweakName.Highlight }] };
    await client.addPushRule("global", PushRuleKind.ContentSpecific, "cake", rule);
    const read = async () => find(await client.getPushRules(), "content", "cake");
    assert.deepEqual([(await read()).pattern, (await read()).enabled, (await read()).default], ["cake", true, false]);
    await client.setPushRuleEnabled("global", PushRuleKind.ContentSpecific, "cake", false);
    assert.equal((await read()).enabled, false);
    await client.setPushRuleActions("global", PushRuleKind.ContentSpecific, "cake", [Notify]);
    assert.deepEqual((await read()).actions, [Notify]);
    await client.deletePushRule("global", PushRuleKind.ContentSpecific, "cake");
    assert.equal(await read(), undefined);
    const gone = client.deletePushRule("global", PushRuleKind.ContentSpecific, "cake");
    assert.equal((await refused(gone)).errcode, "M_NOT_FOUND");
});

fact("the other session hears of changed rules through its sync", async () => {
    const { username, answer, ...session } = await registered("rules");
    const first = await started(clientOf(session));
    const login = await clientOf().loginWithPassword(username, "secret of rules");
    const second = await started(
        clientOf({ userId: login.user_id, deviceId: login.device_id, accessToken: login.access_token }),
    );
    const master = () => find(second.pushRules, "override", ".m.rule.master");
    assert.equal(master().enabled, false);
    await first.setPushRuleEnabled("global", PushRuleKind.Override, ".m.rule.master", true);
    await until("it is there", () => master().enabled);
});

fact("a muted room counts nothing, and counts again when it is not muted", async () => {
    const [alice] = await users("alice");
    const reader = await user("reader");
    const roomId = await roomOf(alice, reader);
    await reader.setRoomMutePushRule("global", roomId, true);
    const isMuted = () => reader.getRoomPushRule("global", roomId) !== undefined;
    assert.ok(isMuted());
    await talk(alice, roomId, ["one", "two"]);
    await until("they are there", () => texts(reader, roomId).includes("two"));
    const total = () => reader.getRoom(roomId).getUnreadNotificationCount(NotificationCountType.Total) ?? 0;
    assert.equal(total(), 0);
    await reader.setRoomMutePushRule("global", roomId, false);
    assert.ok(!isMuted());
    await alice.sendTextMessage(roomId, "three");
    await until("it counts", () => total() >= 1);
});

fact("a room can notify of mentions alone, by an override rule", async () => {
    const [alice] = await users("alice");
    const reader = await user("reader");
    const roomId = await roomOf(alice, reader);
    const conditions = [{ kind: ConditionKind.EventMatch, key: "room_id", pattern: roomId }];
    await reader.addPushRule("global", PushRuleKind.RoomSpecific, roomId, { actions: [] });
    await alice.sendTextMessage(roomId, "quiet");
    await alice.sendMessage(roomId, {
        msgtype: "m.text", body: "loud", "m.mentions": { user_ids: [reader.getUserId()] },
    });
    const count = (kind) => reader.getRoom(roomId).getUnreadNotificationCount(kind);
    const { Highlight, Total } = NotificationCountType;
    await until("the mention alone", () => count(Total) === 1 && count(Highlight) === 1);
    await reader.addPushRule("global", PushRuleKind.Override, "quiet", { conditions, actions: [] });
    assert.deepEqual(find(await reader.getPushRules(), "override", "quiet").conditions, conditions);
});

fact("rules that the specification predefines cannot be deleted", async () => {
    const [alice] = await users("alice");
    const attempt = alice.deletePushRule("global", PushRuleKind.Override, ".m.rule.master");
    assert.ok(["M_INVALID_PARAM", "M_NOT_FOUND", "M_FORBIDDEN"].includes((await refused(attempt)).errcode));
    assert.ok(find(await alice.getPushRules(), "override", ".m.rule.master"));
});

fact("what one was notified of can be listed", async () => {
    const [alice] = await users("alice");
    const reader = await user("reader");
    const roomId = await roomOf(alice, reader);
    const { event_id: eventId } = await alice.sendMessage(roomId, {
        msgtype: "m.text", body: "you", "m.mentions": { user_ids: [reader.getUserId()] },
    });
    await until("it is there", () => texts(reader, roomId).includes("you"));
    const answer = await until("it is listed", async () => {
        const page = await reader.http.authedRequest("GET", "/notifications", { only: "highlight" });
        return page.notifications.length === 1 && page;
    });
    const [notification] = answer.notifications;
    assert.equal(notification.event.event_id, eventId);
    assert.equal(notification.room_id, roomId);
    assert.equal(notification.read, false);
});
