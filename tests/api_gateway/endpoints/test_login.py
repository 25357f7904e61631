import pytest

from service_kit.rpc.pb.user_commands_pb2 import RegisterUser
from tests.api_gateway.account_gateway import AccountGateway
from tests.api_gateway.conftest import StartGateway


async def test_the_flows_are_told(gateway: AccountGateway) -> None:
    assert (await gateway.get("login")).body["flows"][0] == {"type": "m.login.password"}


@pytest.mark.parametrize("user", ["alice", "@alice:a.example", "Alice", "@ALICE:a.example"])
async def test_logging_in_by_localpart_or_user_id(gateway: AccountGateway, user: str) -> None:
    await gateway.register()
    answer = await gateway.login(user)
    assert answer.status == 200
    assert answer.body["user_id"] == "@alice:a.example"
    whoami = await gateway.get("account/whoami", token=answer.body["access_token"])
    expected = {"user_id": "@alice:a.example", "device_id": answer.body["device_id"], "is_guest": False}
    assert whoami.body == expected


async def test_the_deprecated_user_member_works(gateway: AccountGateway) -> None:
    await gateway.register()
    body = {"type": "m.login.password", "user": "alice", "password": "correct horse"}
    assert (await gateway.post("login", body)).status == 200


async def test_an_old_account_with_capitals_is_found(gateway: AccountGateway) -> None:
    old = "@Alice:a.example"
    await gateway.cluster.send(old, register_user=RegisterUser(user_id=old, password="old password"))
    await gateway.register("alice")
    assert (await gateway.login("Alice", "old password")).body["user_id"] == old
    assert (await gateway.login("alice")).body["user_id"] == "@alice:a.example"


async def test_wrong_password_unknown_user_and_foreign_user_sound_the_same(gateway: AccountGateway) -> None:
    await gateway.register()
    answers = [
        await gateway.login("alice", "wrong"),
        await gateway.login("bob"),
        await gateway.login("@alice:elsewhere.example"),
        await gateway.login("alice", "x" * 600),
        await gateway.login("@alice:"),
        await gateway.post(
            "login",
            {
                "type": "m.login.password",
                "identifier": {"type": "m.id.thirdparty", "medium": "email", "address": "alice@a.example"},
                "password": "correct horse",
            },
        ),
    ]
    assert {(answer.status, answer.body["errcode"]) for answer in answers} == {(403, "M_FORBIDDEN")}
    assert len({answer.body["error"] for answer in answers}) == 1


@pytest.mark.parametrize(
    ("body", "errcode"),
    [
        ({"type": "m.login.sso", "token": "x"}, "M_UNKNOWN"),
        ({"type": "m.login.application_service"}, "M_APPSERVICE_LOGIN_UNSUPPORTED"),
        ({"type": "m.login.password", "password": "x"}, "M_MISSING_PARAM"),
        ({"type": "m.login.password", "user": "alice"}, "M_MISSING_PARAM"),
        ({"type": "m.login.password", "identifier": {"type": "m.id.user"}, "password": "x"}, "M_MISSING_PARAM"),
        ({"type": "m.login.password", "identifier": "alice", "password": "x"}, "M_BAD_JSON"),
        ({"type": "m.login.password", "identifier": {"type": "x.y"}, "password": "x"}, "M_UNKNOWN"),
        ({"type": "m.login.password", "identifier": {}, "password": "x"}, "M_UNKNOWN"),
        ({}, "M_BAD_JSON"),
        (b"{", "M_NOT_JSON"),
        ({"type": "m.login.password", "user": "alice", "password": "x", "device_id": "x" * 300}, "M_INVALID_PARAM"),
    ],
)
async def test_malformed_logins_are_told_why(gateway: AccountGateway, body: object, errcode: str) -> None:
    answer = await gateway.post("login", body)
    assert (answer.status, answer.body["errcode"]) == (400, errcode)


async def test_logging_in_again_on_a_device_ends_its_old_token(gateway: AccountGateway) -> None:
    first = await gateway.register(device_id="PHONE")
    assert (await gateway.get("account/whoami", token=first.token)).status == 200
    second = (await gateway.login(device_id="PHONE")).body
    assert second["device_id"] == "PHONE"
    answer = await gateway.get("account/whoami", token=first.token)
    assert (answer.status, answer.body["errcode"], answer.body["soft_logout"]) == (401, "M_UNKNOWN_TOKEN", False)
    assert (await gateway.get("account/whoami", token=second["access_token"])).status == 200


async def test_discovery_information_comes_with_the_login_if_it_is_configured(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(public_base_url="https://matrix.a.example/")
    await gateway.register()
    assert (await gateway.login()).body["well_known"] == {"m.homeserver": {"base_url": "https://matrix.a.example"}}
    assert "well_known" not in (await (await start_gateway()).login()).body


async def test_logins_are_limited_by_account(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(rate_limits={"login": {"per_second": 0.1, "burst": 3}})
    statuses = [(await gateway.login("alice", "wrong")).status for _ in range(4)]
    assert statuses == [403, 403, 403, 429]


async def test_tokens_expire_for_clients_that_can_refresh(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(sessions={"access_token_lifetime_s": 60})
    await gateway.register()
    answer = (await gateway.login(refresh_token=True)).body
    assert answer["refresh_token"].startswith("plr_")
    assert answer["expires_in_ms"] == 60_000
    await gateway.cluster.clock.advance(60)
    expired = await gateway.get("account/whoami", token=answer["access_token"])
    assert (expired.status, expired.body["errcode"], expired.body["soft_logout"]) == (401, "M_UNKNOWN_TOKEN", True)
    renewed = await gateway.post("refresh", {"refresh_token": answer["refresh_token"]})
    assert renewed.status == 200
    assert set(renewed.body) == {"access_token", "refresh_token", "expires_in_ms"}
    whoami = await gateway.get("account/whoami", token=renewed.body["access_token"])
    assert whoami.body["device_id"] == answer["device_id"]
    again = await gateway.post("refresh", {"refresh_token": answer["refresh_token"]})
    assert (again.status, again.body["errcode"], again.body["soft_logout"]) == (401, "M_UNKNOWN_TOKEN", False)


@pytest.mark.parametrize("token", ["", "plr_0_x", "plr_99999_" + "a" * 43, "plr_0_" + "a" * 43])
async def test_a_made_up_refresh_token_is_refused(gateway: AccountGateway, token: str) -> None:
    answer = await gateway.post("refresh", {"refresh_token": token})
    assert (answer.status, answer.body["errcode"]) == (401, "M_UNKNOWN_TOKEN")


async def test_logging_out_ends_the_token_at_every_gateway(start_gateway: StartGateway) -> None:
    first, second = await start_gateway(), await start_gateway()
    session = await first.register()
    other = (await first.login()).body["access_token"]
    for gateway in (first, second):
        assert (await gateway.get("account/whoami", token=session.token)).status == 200
    assert (await second.post("logout", token=session.token)).body == {}
    for gateway in (first, second):
        assert (await gateway.get("account/whoami", token=session.token)).status == 401
        assert (await gateway.get("account/whoami", token=other)).status == 200
    assert (await first.post("logout/all", token=other)).body == {}
    for gateway in (first, second):
        assert (await gateway.get("account/whoami", token=other)).status == 401
