from tests.api_gateway.account_gateway import AccountGateway, password_auth
from tests.api_gateway.conftest import StartGateway

GET_TOKEN = "/_matrix/client/v1/login/get_token"
ALICE = "@alice:a.example"


async def get_token(gateway: AccountGateway, access_token: str) -> str:
    body = {"auth": password_auth(ALICE)}
    answer = await gateway.call("POST", GET_TOKEN, body, token=access_token)
    assert (answer.status, answer.body["expires_in_ms"]) == (200, 120_000)
    token: str = answer.body["login_token"]
    return token


async def test_another_device_logs_in_once_with_a_token(start_gateway: StartGateway) -> None:
    gateway, other = await start_gateway(), await start_gateway()
    session = await gateway.register()
    flows = (await gateway.get("login")).body["flows"]
    assert {"type": "m.login.token", "get_login_token": True} in flows
    assert (await gateway.call("POST", GET_TOKEN, {}, token=session.token)).status == 401
    token = await get_token(gateway, session.token)
    body = {"type": "m.login.token", "token": token, "initial_device_display_name": "Telephone"}
    answer = await other.post("login", body)
    assert (answer.status, answer.body["user_id"]) == (200, ALICE)
    assert answer.body["device_id"] != session.device_id
    assert (await gateway.get("account/whoami", token=answer.body["access_token"])).body["user_id"] == ALICE
    answer = await gateway.post("login", body)
    assert (answer.status, answer.body["errcode"]) == (403, "M_FORBIDDEN")


async def test_what_is_no_login_token_is_refused(gateway: AccountGateway) -> None:
    session = await gateway.register()
    for token in ("", "x", session.token, "plt_1_" + "a" * 43, "plt_99_" + "a" * 43):
        answer = await gateway.post("login", {"type": "m.login.token", "token": token})
        assert (answer.status, answer.body["errcode"]) == (403, "M_FORBIDDEN")
    assert (await gateway.post("login", {"type": "m.login.token"})).body["errcode"] == "M_MISSING_PARAM"


async def test_ways_to_log_in_can_be_switched_off(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(login={"token": False})
    session = await gateway.register()
    assert (await gateway.get("login")).body["flows"] == [{"type": "m.login.password"}]
    assert (await gateway.call("POST", GET_TOKEN, {"auth": password_auth(ALICE)}, token=session.token)).status == 400
    assert (await gateway.post("login", {"type": "m.login.token", "token": "x"})).body["errcode"] == "M_UNKNOWN"
    capabilities = (await gateway.get("capabilities", token=session.token)).body["capabilities"]
    assert capabilities["m.get_login_token"] == {"enabled": False}
    gateway = await start_gateway(login={"password": False})
    assert (await gateway.login()).body["errcode"] == "M_UNKNOWN"
    assert [flow["type"] for flow in (await gateway.get("login")).body["flows"]] == ["m.login.token"]
