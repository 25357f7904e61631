"""Push rules, as clients read and change them."""

import asyncio

import pytest

from matrix_protocol.push_rules import default_push_rules
from tests.api_gateway.account_gateway import AccountGateway, quoted

ALICE = "@alice:a.example"


async def test_everybody_has_the_predefined_rules(gateway: AccountGateway) -> None:
    session = await gateway.register()
    rules = default_push_rules(ALICE)
    assert (await gateway.get("pushrules/", token=session.token)).body == rules
    assert (await gateway.get("pushrules/global/", token=session.token)).body == rules["global"]
    of_account = await gateway.get(f"user/{quoted(ALICE)}/account_data/m.push_rules", token=session.token)
    assert of_account.body == rules


async def test_one_rule_and_its_parts(gateway: AccountGateway) -> None:
    session = await gateway.register()
    rule = default_push_rules(ALICE)["global"]["override"][0]
    path = "pushrules/global/override/.m.rule.master"
    assert (await gateway.get(path, token=session.token)).body == rule
    assert (await gateway.get(path + "/enabled", token=session.token)).body == {"enabled": False}
    assert (await gateway.get(path + "/actions", token=session.token)).body == {"actions": []}


async def test_rule_that_is_not_there_is_not_found(gateway: AccountGateway) -> None:
    session = await gateway.register()
    for path in ("override/nocake", "underride/.m.rule.master", "cake/.m.rule.master"):
        answer = await gateway.get("pushrules/global/" + path, token=session.token)
        assert (answer.status, answer.body["errcode"]) == (404, "M_NOT_FOUND")


RULES = "pushrules/global/"


async def _ids(gateway: AccountGateway, token: str, kind: str) -> list[str]:
    rules = (await gateway.get(RULES, token=token)).body[kind]
    return [rule["rule_id"] for rule in rules if not rule["default"]]


async def test_rules_are_added_in_the_order_that_the_client_asks_for(gateway: AccountGateway) -> None:
    token = (await gateway.register()).token
    for rule_id, place in (("a", ""), ("b", ""), ("c", "?after=b"), ("d", "?before=a"), ("e", "?before=b&after=a")):
        rule = {"actions": ["notify"], "conditions": []}
        assert (await gateway.put(f"{RULES}override/{rule_id}{place}", rule, token=token)).body == {}
    assert await _ids(gateway, token, "override") == ["e", "b", "c", "d", "a"]
    assert (await gateway.get(f"{RULES}override/c", token=token)).body == {
        "actions": ["notify"],
        "conditions": [],
        "default": False,
        "enabled": True,
        "rule_id": "c",
    }
    assert (await gateway.delete(f"{RULES}override/b", token=token)).body == {}
    assert await _ids(gateway, token, "override") == ["e", "c", "d", "a"]


@pytest.mark.parametrize(
    ("kind", "rule_id", "rule"),
    [
        ("override", "mine", {"conditions": [{"kind": "event_match", "key": "type", "pattern": "m.x"}]}),
        ("content", "cake", {"pattern": "cake*lie"}),
        ("room", "!x:a.example", {}),
        ("sender", "@bob:a.example", {}),
        ("underride", "mine", {"conditions": []}),
    ],
)
async def test_rules_of_every_kind_are_made_disabled_changed_and_deleted(
    gateway: AccountGateway, kind: str, rule_id: str, rule: dict[str, object]
) -> None:
    token = (await gateway.register()).token
    path = f"{RULES}{kind}/{quoted(rule_id)}"
    assert (await gateway.put(path, {"actions": ["notify"], **rule}, token=token)).status == 200
    assert (await gateway.put(path + "/enabled", {"enabled": False}, token=token)).body == {}
    actions = ["notify", {"set_tweak": "sound", "value": "bing"}]
    assert (await gateway.put(path + "/actions", {"actions": actions}, token=token)).body == {}
    expected = {"rule_id": rule_id, "default": False, "enabled": False, "actions": actions, **rule}
    assert (await gateway.get(path, token=token)).body == expected
    assert (await gateway.delete(path, token=token)).status == 200
    assert (await gateway.get(path, token=token)).status == 404


async def test_rules_changed_at_the_same_time_do_not_undo_each_other(gateway: AccountGateway) -> None:
    token = (await gateway.register()).token
    await asyncio.gather(
        *(gateway.put(f"{RULES}content/{n}", {"actions": [], "pattern": f"{n}"}, token=token) for n in range(10)),
        gateway.put(f"{RULES}override/.m.rule.master/enabled", {"enabled": True}, token=token),
    )
    assert sorted(await _ids(gateway, token, "content")) == [f"{n}" for n in range(10)]
    assert (await gateway.get(f"{RULES}override/.m.rule.master/enabled", token=token)).body == {"enabled": True}


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "errcode"),
    [
        ("PUT", "override/.mine", {"actions": []}, 400, "M_INVALID_PARAM"),
        ("PUT", "override/a%5Cb", {"actions": []}, 400, "M_INVALID_PARAM"),
        ("PUT", "cake/mine", {"actions": []}, 400, "M_INVALID_PARAM"),
        ("PUT", "override/mine", {}, 400, "M_BAD_JSON"),
        ("PUT", "content/mine", {"actions": []}, 400, "M_MISSING_PARAM"),
        ("PUT", "override/mine", {"actions": ["shout"]}, 400, "M_INVALID_PARAM"),
        ("PUT", "override/mine", {"actions": [1]}, 400, "M_BAD_JSON"),
        ("PUT", "override/mine?before=nobody", {"actions": []}, 400, "M_UNKNOWN"),
        ("PUT", "override/mine?after=.m.rule.master", {"actions": []}, 400, "M_INVALID_PARAM"),
        ("DELETE", "override/mine", None, 404, "M_NOT_FOUND"),
        ("DELETE", "override/.m.rule.master", None, 400, "M_INVALID_PARAM"),
        ("PUT", "override/mine/enabled", {"enabled": True}, 404, "M_NOT_FOUND"),
        ("PUT", "override/.m.rule.master/enabled", {"enabled": "yes"}, 400, "M_BAD_JSON"),
        ("PUT", "override/mine/actions", {"actions": []}, 404, "M_NOT_FOUND"),
        ("PUT", "override/.m.rule.master/actions", {}, 400, "M_BAD_JSON"),
    ],
)
async def test_changes_that_cannot_be_made_are_refused(
    gateway: AccountGateway, method: str, path: str, body: object, status: int, errcode: str
) -> None:
    token = (await gateway.register()).token
    answer = await gateway.call(method, f"/_matrix/client/v3/{RULES}{path}", body, token=token)
    assert (answer.status, answer.body["errcode"]) == (status, errcode)
    assert (await gateway.get("pushrules/", token=token)).body == default_push_rules(ALICE)
