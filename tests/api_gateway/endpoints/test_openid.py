from tests.api_gateway.account_gateway import AccountGateway, password_auth
from tests.api_gateway.conftest import StartGateway

ALICE = "@alice:a.example"
USERINFO = "/_matrix/federation/v1/openid/userinfo"


async def new_token(gateway: AccountGateway, access_token: str) -> str:
    answer = await gateway.post(f"user/{ALICE}/openid/request_token", token=access_token)
    assert answer.status == 200
    token: str = answer.body.pop("access_token")
    assert answer.body == {"token_type": "Bearer", "matrix_server_name": "a.example", "expires_in": 3600}
    return token


async def test_a_service_learns_from_any_gateway_who_gave_it_the_token(start_gateway: StartGateway) -> None:
    gateway, other = await start_gateway(), await start_gateway()
    session = await gateway.register()
    token = await new_token(gateway, session.token)
    answer = await other.call("GET", f"{USERINFO}?access_token={token}")
    assert (answer.status, answer.body) == (200, {"sub": ALICE})
    assert (await gateway.get("account/whoami", token=token)).body["errcode"] == "M_UNKNOWN_TOKEN"
    assert (await gateway.post(f"user/{ALICE}/openid/request_token", token=token)).status == 401


async def test_a_token_ends_with_time_and_with_the_account(start_gateway: StartGateway) -> None:
    gateway = await start_gateway()
    session = await gateway.register()
    token = await new_token(gateway, session.token)
    await gateway.cluster.clock.advance(3600)
    assert (await gateway.call("GET", f"{USERINFO}?access_token={token}")).body["errcode"] == "M_UNKNOWN_TOKEN"
    token = await new_token(gateway, session.token)
    await gateway.post("account/deactivate", {"auth": password_auth(ALICE)}, token=session.token)
    assert (await gateway.call("GET", f"{USERINFO}?access_token={token}")).status == 401


async def test_changed_tokens_are_unknown(gateway: AccountGateway) -> None:
    session = await gateway.register()
    token = await new_token(gateway, session.token)
    kind, ends, user, code = token.split("_")
    for wrong in (f"{kind}_{int(ends) + 1}_{user}_{code}", f"{kind}_{ends}_{user[:-1]}_{code}", "plo_1_%2B_x", "x"):
        answer = await gateway.call("GET", f"{USERINFO}?access_token={wrong}")
        assert (answer.status, answer.body["errcode"]) == (401, "M_UNKNOWN_TOKEN")
    assert (await gateway.call("GET", USERINFO)).body["errcode"] == "M_MISSING_TOKEN"


async def test_a_token_is_for_oneself(gateway: AccountGateway) -> None:
    session = await gateway.register()
    answer = await gateway.post("user/@bob:a.example/openid/request_token", token=session.token)
    assert (answer.status, answer.body["errcode"]) == (403, "M_FORBIDDEN")
