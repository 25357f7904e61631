import asyncio
from datetime import UTC, datetime

import pytest

from service_kit.config import HostedServerSettings, RegistrationSettings
from tests.api_gateway.account_gateway import AccountGateway
from tests.api_gateway.conftest import StartGateway
from userserver.tables import ACCOUNTS

DUMMY = {"type": "m.login.dummy"}


async def test_without_auth_the_flows_are_told(gateway: AccountGateway) -> None:
    answer = await gateway.post("register", {"username": "alice", "password": "correct horse"})
    assert answer.status == 401
    session = answer.body.pop("session")
    assert answer.body == {"flows": [{"stages": ["m.login.dummy"]}], "params": {}, "completed": []}
    auth = {"type": "m.login.dummy", "session": session}
    answer = await gateway.post("register", {"username": "alice", "password": "correct horse", "auth": auth})
    assert answer.status == 200
    assert answer.body["user_id"] == "@alice:a.example"
    assert answer.body["home_server"] == "a.example"
    assert answer.body["access_token"].startswith("plx_")
    assert "refresh_token" not in answer.body
    assert "expires_in_ms" not in answer.body


async def test_another_gateway_goes_on_with_a_session(start_gateway: StartGateway) -> None:
    first, second = await start_gateway(), await start_gateway()
    session = (await first.post("register")).body["session"]
    body = {"username": "alice", "password": "correct horse", "auth": {**DUMMY, "session": session}}
    assert (await second.post("register", body)).status == 200
    assert (await first.get("account/whoami", token=(await second.login()).body["access_token"])).status == 200


async def test_a_made_up_session_is_refused_with_a_new_one(gateway: AccountGateway) -> None:
    auth = {"type": "m.login.dummy", "session": "1700000000.AAAA"}
    answer = await gateway.post("register", {"username": "alice", "password": "correct horse", "auth": auth})
    assert (answer.status, answer.body["errcode"]) == (401, "M_FORBIDDEN")
    assert answer.body["session"] != auth["session"]


@pytest.mark.parametrize("auth", [{"type": "m.login.sso"}, {"type": 7}, {"type": "m.login.dummy", "session": 7}])
async def test_an_unknown_stage_is_refused_with_the_flows(gateway: AccountGateway, auth: dict[str, object]) -> None:
    answer = await gateway.post("register", {"auth": auth})
    assert answer.status == 401
    assert answer.body["errcode"]
    assert answer.body["flows"]


@pytest.mark.parametrize("username", ["al ice", "älice", "alice:a.example", "@alice", "", "a" * 250, "al\x00ice"])
async def test_names_outside_the_grammar_are_refused_before_authentication(
    gateway: AccountGateway, username: str
) -> None:
    answer = await gateway.post("register", {"username": username, "password": "correct horse"})
    assert (answer.status, answer.body["errcode"]) == (400, "M_INVALID_USERNAME")


async def test_capitals_in_a_name_are_folded(gateway: AccountGateway) -> None:
    assert (await gateway.register("Alice")).user_id == "@alice:a.example"
    assert (await gateway.login("ALICE")).status == 200


async def test_a_taken_name_is_refused_before_authentication(gateway: AccountGateway) -> None:
    await gateway.register()
    answer = await gateway.post("register", {"username": "ALICE"})
    assert (answer.status, answer.body["errcode"]) == (400, "M_USER_IN_USE")
    answer = await gateway.get("register/available?username=alice")
    assert (answer.status, answer.body["errcode"]) == (400, "M_USER_IN_USE")
    assert (await gateway.get("register/available?username=bob")).body == {"available": True}
    assert (await gateway.get("register/available?username=b%20b")).body["errcode"] == "M_INVALID_USERNAME"
    assert (await gateway.get("register/available")).body["errcode"] == "M_MISSING_PARAM"


async def test_without_a_name_the_server_makes_one(gateway: AccountGateway) -> None:
    answers = [await gateway.post("register", {"password": "correct horse", "auth": DUMMY}) for _ in range(2)]
    assert len({answer.body["user_id"] for answer in answers}) == 2
    assert (await gateway.login(answers[0].body["user_id"])).status == 200


async def test_a_password_is_needed_and_must_be_long_enough_but_not_too_long(gateway: AccountGateway) -> None:
    for password, errcode in ((None, "M_MISSING_PARAM"), ("short", "M_WEAK_PASSWORD"), ("ü" * 300, "M_INVALID_PARAM")):
        answer = await gateway.post("register", {"username": "alice", "password": password, "auth": DUMMY})
        assert (answer.status, answer.body["errcode"]) == (400, errcode)


async def test_inhibit_login_makes_an_account_without_device(gateway: AccountGateway) -> None:
    body = {"username": "alice", "password": "correct horse", "inhibit_login": True, "auth": DUMMY}
    answer = await gateway.post("register", body)
    assert answer.body == {"user_id": "@alice:a.example", "home_server": "a.example"}
    token = (await gateway.login()).body["access_token"]
    assert len((await gateway.get("devices", token=token)).body["devices"]) == 1


async def test_the_device_and_its_name_are_the_clients_choice(gateway: AccountGateway) -> None:
    session = await gateway.register(device_id="PHONE", initial_device_display_name="My phone")
    devices = (await gateway.get("devices", token=session.token)).body["devices"]
    assert [(device["device_id"], device["display_name"]) for device in devices] == [("PHONE", "My phone")]


async def test_closed_registration_refuses(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(registration=RegistrationSettings(mode="closed"))
    for answer in (
        await gateway.post("register", {"username": "alice", "auth": DUMMY}),
        await gateway.get("register/available?username=alice"),
    ):
        assert (answer.status, answer.body["errcode"]) == (403, "M_FORBIDDEN")


async def test_registration_by_token(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(registration={"mode": "token", "tokens": ["letmein", "other"]})
    body = {"username": "alice", "password": "correct horse"}
    answer = await gateway.post("register", body)
    assert answer.body["flows"] == [{"stages": ["m.login.registration_token"]}]
    for auth in (DUMMY, {"type": "m.login.registration_token"}, {"type": "m.login.registration_token", "token": "x"}):
        answer = await gateway.post("register", {**body, "auth": auth})
        assert answer.status == 401
        assert answer.body["errcode"] in ("M_UNAUTHORIZED", "M_UNRECOGNIZED")
    auth = {"type": "m.login.registration_token", "token": "other", "session": answer.body["session"]}
    assert (await gateway.post("register", {**body, "auth": auth})).status == 200
    path = "/_matrix/client/v1/register/m.login.registration_token/validity?token="
    assert (await gateway.call("GET", path + "letmein")).body == {"valid": True}
    assert (await gateway.call("GET", path + "wrong")).body == {"valid": False}


async def test_guests_are_refused_unless_the_server_wants_them(start_gateway: StartGateway) -> None:
    closed = await start_gateway()
    answer = await closed.post("register?kind=guest")
    assert (answer.status, answer.body["errcode"]) == (403, "M_GUEST_ACCESS_FORBIDDEN")
    assert (await closed.post("register?kind=king")).body["errcode"] == "M_INVALID_PARAM"
    hospitable = await start_gateway(registration=RegistrationSettings(mode="closed", guests=True))
    answer = await hospitable.post("register?kind=guest", {"username": "alice", "device_id": "MINE"})
    assert answer.status == 200
    assert answer.body["user_id"] != "@alice:a.example"
    assert answer.body["device_id"] != "MINE"
    whoami = await hospitable.get("account/whoami", token=answer.body["access_token"])
    assert whoami.body["is_guest"] is True


async def test_of_two_who_authenticate_for_one_name_one_is_told_it_is_taken(gateway: AccountGateway) -> None:
    body = {"username": "alice", "password": "correct horse", "auth": DUMMY}
    answers = await asyncio.gather(*(gateway.post("register", body) for _ in range(3)))
    assert sorted(answer.status for answer in answers) == [200, 400, 400]
    assert {answer.body.get("errcode") for answer in answers} == {None, "M_USER_IN_USE"}


async def test_the_host_header_chooses_the_server_name(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(further_servers=[HostedServerSettings(server_name="b.example")])
    body = {"username": "alice", "password": "correct horse", "auth": DUMMY}
    assert (await gateway.post("register", body)).body["user_id"] == "@alice:a.example"
    answer = await gateway.post("register", body, host="b.example:8448")
    assert answer.body["user_id"] == "@alice:b.example"


async def test_registrations_are_limited_by_address(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(rate_limits={"registration": {"per_second": 0.1, "burst": 2}})
    statuses = [(await gateway.post("register")).status for _ in range(3)]
    assert statuses == [401, 401, 429]


async def test_application_services_are_told_that_they_are_not_supported(gateway: AccountGateway) -> None:
    answer = await gateway.post("register", {"type": "m.login.application_service", "username": "bot"})
    assert (answer.status, answer.body["errcode"]) == (400, "M_APPSERVICE_LOGIN_UNSUPPORTED")


# --- flows of several stages


POLICIES = [
    {
        "id": "privacy_policy",
        "version": "1.2",
        "translations": [{"language": "en", "name": "Privacy", "url": "https://a.example/privacy-1.2-en"}],
    }
]
BODY = {"username": "alice", "password": "correct horse"}
TOKEN = {"type": "m.login.registration_token", "token": "sesame"}


async def test_token_and_terms_are_asked_for_in_turn_and_the_version_is_kept(start_gateway: StartGateway) -> None:
    registration = {"mode": "token", "tokens": ["sesame"], "policies": POLICIES}
    gateway, other = await start_gateway(registration=registration), await start_gateway(registration=registration)
    answer = await gateway.post("register", BODY)
    assert answer.body["flows"] == [{"stages": ["m.login.registration_token", "m.login.terms"]}]
    english = {"name": "Privacy", "url": "https://a.example/privacy-1.2-en"}
    policies = {"policies": {"privacy_policy": {"version": "1.2", "en": english}}}
    assert answer.body["params"] == {"m.login.terms": policies}
    session = answer.body["session"]
    answer = await other.post("register", {**BODY, "auth": {**TOKEN, "session": session}})
    assert (answer.status, answer.body["completed"]) == (401, ["m.login.registration_token"])
    await gateway.cluster.restart()
    answer = await gateway.post("register", {**BODY, "auth": {"type": "m.login.terms", "session": session}})
    assert answer.status == 200
    row = await gateway.cluster.store.get(ACCOUNTS, ("@alice:a.example",))
    assert row is not None
    assert row.accepted_policies == "privacy_policy 1.2"


async def test_a_token_is_good_for_as_many_accounts_as_configured(start_gateway: StartGateway) -> None:
    registration = {"mode": "token", "limited_tokens": [{"token": "sesame", "uses_max": 2}]}
    gateway, other = await start_gateway(registration=registration), await start_gateway(registration=registration)
    validity = "/_matrix/client/v1/register/m.login.registration_token/validity?token=sesame"
    assert (await gateway.call("GET", validity)).body == {"valid": True}
    names = ["alice", "bob", "carol", "dave"]
    answers = await asyncio.gather(
        *(
            each.post("register", {"username": name, "password": "correct horse", "auth": TOKEN})
            for name, each in zip(names, (gateway, other) * 2, strict=True)
        )
    )
    # Who is late is told so when the token is checked, or when it is taken.
    assert [answer.status for answer in answers].count(200) == 2
    assert {answer.status for answer in answers} <= {200, 401, 403}
    await gateway.cluster.restart()
    assert (await other.call("GET", validity)).body == {"valid": False}
    refused = await gateway.post("register", {"username": "eve", "password": "correct horse", "auth": TOKEN})
    assert (refused.status, refused.body["errcode"]) == (401, "M_UNAUTHORIZED")


async def test_a_use_that_made_no_account_is_given_back(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(
        registration={"mode": "token", "limited_tokens": [{"token": "sesame", "uses_max": 2}]}
    )
    bodies = [{**BODY, "auth": TOKEN}] * 2
    answers = await asyncio.gather(*(gateway.post("register", body) for body in bodies))
    assert sorted(answer.status for answer in answers) == [200, 400]
    answer = await gateway.post("register", {"username": "bob", "password": "correct horse", "auth": TOKEN})
    assert answer.status == 200


async def test_a_token_ends_when_the_configuration_says(start_gateway: StartGateway) -> None:
    gateway = await start_gateway()
    later = datetime.fromtimestamp(gateway.cluster.clock.now_ms() / 1000 + 60, UTC)
    gateway = await start_gateway(
        registration={"mode": "token", "limited_tokens": [{"token": "sesame", "expires_at": later}]}
    )
    assert (await gateway.post("register", {**BODY, "auth": TOKEN})).status == 200
    await gateway.cluster.clock.advance(60)
    answer = await gateway.post("register", {"username": "bob", "password": "correct horse", "auth": TOKEN})
    assert (answer.status, answer.body["errcode"]) == (401, "M_UNAUTHORIZED")


# --- guests who stay


async def guest(gateway: AccountGateway) -> tuple[str, str]:
    """Localpart and access token."""
    answer = await gateway.post("register?kind=guest")
    return answer.body["user_id"][1:].partition(":")[0], answer.body["access_token"]


async def test_a_guest_becomes_an_ordinary_user_of_the_same_name(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(registration={"mode": "open", "guests": True})
    name, token = await guest(gateway)
    assert (await gateway.post("account/deactivate", {}, token=token)).body["errcode"] == "M_GUEST_ACCESS_FORBIDDEN"
    body = {"username": name, "password": "correct horse", "guest_access_token": token}
    assert (await gateway.post("register", body)).status == 401
    answer = await gateway.post("register", {**body, "auth": DUMMY})
    assert (answer.status, answer.body["user_id"]) == (200, f"@{name}:a.example")
    assert (await gateway.login(name)).status == 200
    for each in (token, answer.body["access_token"]):
        assert (await gateway.get("account/whoami", token=each)).body["is_guest"] is False
    answer = await gateway.post("register", {**body, "auth": DUMMY})
    assert (answer.status, answer.body["errcode"]) == (403, "M_FORBIDDEN")


async def test_a_guests_name_is_for_that_guest_alone(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(registration={"mode": "open", "guests": True})
    (name, _), (_, others_token) = await guest(gateway), await guest(gateway)
    await gateway.register("bob")
    for username, token, errcode in (
        (name, None, "M_USER_IN_USE"),
        (name, others_token, "M_FORBIDDEN"),
        ("bob", others_token, "M_FORBIDDEN"),
        (None, others_token, "M_MISSING_PARAM"),
        (name, "plx_0_" + "a" * 43, "M_UNKNOWN_TOKEN"),
        (name, "x", "M_FORBIDDEN"),
    ):
        body = {"username": username, "password": "correct horse", "guest_access_token": token, "auth": DUMMY}
        assert (await gateway.post("register", body)).body["errcode"] == errcode
