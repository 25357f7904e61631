import pytest

from tests.api_gateway.account_gateway import AccountGateway, password_auth

NEW = "a better horse"


@pytest.mark.parametrize("logout_devices", [True, False])
async def test_changing_the_password(gateway: AccountGateway, logout_devices: bool) -> None:
    session = await gateway.register()
    other = (await gateway.login()).body["access_token"]
    body = {"new_password": NEW, "logout_devices": logout_devices}
    answer = await gateway.post("account/password", body, token=session.token)
    assert (answer.status, answer.body["flows"]) == (401, [{"stages": ["m.login.password"]}])
    body["auth"] = password_auth("alice", session=answer.body["session"])
    assert (await gateway.post("account/password", body, token=session.token)).body == {}
    assert (await gateway.get("account/whoami", token=session.token)).status == 200
    assert (await gateway.get("account/whoami", token=other)).status == (401 if logout_devices else 200)
    assert (await gateway.login()).status == 403
    assert (await gateway.login(password=NEW)).status == 200


@pytest.mark.parametrize(
    ("password", "errcode"), [(None, "M_MISSING_PARAM"), ("short", "M_WEAK_PASSWORD"), ("x" * 600, "M_INVALID_PARAM")]
)
async def test_passwords_that_are_not_accepted(gateway: AccountGateway, password: str | None, errcode: str) -> None:
    session = await gateway.register()
    body = {"new_password": password, "auth": password_auth("alice")}
    answer = await gateway.post("account/password", body, token=session.token)
    assert (answer.status, answer.body["errcode"]) == (400, errcode)


async def test_it_takes_an_access_token(gateway: AccountGateway) -> None:
    answer = await gateway.post("account/password", {"new_password": NEW})
    assert (answer.status, answer.body["errcode"]) == (401, "M_MISSING_TOKEN")
