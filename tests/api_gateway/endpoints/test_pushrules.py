"""Push rules, as clients read them."""

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
