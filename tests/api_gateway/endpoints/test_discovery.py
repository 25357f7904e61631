"""versions, wellknown and capabilities: what clients ask first."""

from service_kit.config import HostedServerSettings
from tests.api_gateway.account_gateway import AccountGateway, password_auth
from tests.api_gateway.conftest import StartGateway


async def test_versions_need_no_account(gateway: AccountGateway) -> None:
    answer = await gateway.call("GET", "/_matrix/client/versions")
    assert answer.body["versions"][0] == "v1.1"
    assert answer.body["versions"][-1] == "v1.19"
    assert answer.headers["access-control-allow-origin"] == "*"


async def test_discovery_is_by_server_name(start_gateway: StartGateway) -> None:
    further = [
        HostedServerSettings(server_name="b.example", public_base_url="https://b.example"),
        HostedServerSettings(server_name="c.example"),
    ]
    gateway = await start_gateway(public_base_url="https://matrix.a.example", further_servers=further)
    path = "/.well-known/matrix/client"
    for host, url in (("a.example", "https://matrix.a.example"), ("b.example:443", "https://b.example")):
        answer = await gateway.call("GET", path, host=host)
        assert answer.body == {"m.homeserver": {"base_url": url}}
    assert (await gateway.call("GET", path, host="c.example")).status == 404


async def test_without_a_public_url_discovery_names_the_listener(gateway: AccountGateway) -> None:
    answer = await gateway.call("GET", "/.well-known/matrix/client")
    assert answer.body == {"m.homeserver": {"base_url": "http://127.0.0.1:8008"}}


async def test_capabilities_are_for_those_with_an_account(gateway: AccountGateway) -> None:
    assert (await gateway.get("capabilities")).body["errcode"] == "M_MISSING_TOKEN"
    session = await gateway.register()
    capabilities = (await gateway.get("capabilities", token=session.token)).body["capabilities"]
    versions = capabilities["m.room_versions"]
    assert versions["available"][versions["default"]] == "stable"
    assert capabilities["m.change_password"] == {"enabled": True}


async def test_what_may_not_be_changed_is_said_and_refused(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(
        capabilities={"change_password": False, "profile_fields_disallowed": ["displayname", "org.example.job"]}
    )
    session = await gateway.register()
    told = (await gateway.get("capabilities", token=session.token)).body["capabilities"]
    assert told["m.change_password"] == {"enabled": False}
    assert told["m.profile_fields"] == {"enabled": True, "disallowed": ["displayname", "org.example.job"]}
    assert (told["m.set_displayname"], told["m.set_avatar_url"]) == ({"enabled": False}, {"enabled": True})
    profile = f"profile/{session.user_id}/"
    for field, status in (("displayname", 403), ("org.example.job", 403), ("avatar_url", 200)):
        assert (await gateway.put(profile + field, {field: "x"}, token=session.token)).status == status
    body = {"new_password": "another horse", "auth": password_auth(session.user_id)}
    assert (await gateway.post("account/password", body, token=session.token)).body["errcode"] == "M_FORBIDDEN"


async def test_allowed_profile_fields_leave_out_all_others(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(capabilities={"profile_fields_allowed": ["avatar_url"]})
    session = await gateway.register()
    told = (await gateway.get("capabilities", token=session.token)).body["capabilities"]
    assert told["m.profile_fields"] == {"enabled": True, "allowed": ["avatar_url"]}
    assert told["m.set_displayname"] == {"enabled": False}
    profile = f"profile/{session.user_id}/"
    for field, status in (("displayname", 403), ("avatar_url", 200)):
        assert (await gateway.put(profile + field, {field: "x"}, token=session.token)).status == status
