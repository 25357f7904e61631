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

fact("rules that the specification predefines cannot be deleted", async () => {
    const [alice] = await users("alice");
    const attempt = alice.deletePushRule("global", PushRuleKind.Override, ".m.rule.master");
    assert.ok(["M_INVALID_PARAM", "M_NOT_FOUND", "M_FORBIDDEN"].includes((await refused(attempt)).errcode));
    assert.ok(find(await alice.getPushRules(), "override", ".m.rule.master"));
});
