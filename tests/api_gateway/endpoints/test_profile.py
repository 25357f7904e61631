import pytest

from tests.api_gateway.account_gateway import AccountGateway, quoted
from tests.api_gateway.conftest import StartGateway

ALICE = quoted("@alice:a.example")


async def test_a_field_is_set_seen_by_everybody_and_removed(gateway: AccountGateway) -> None:
    session = await gateway.register()
    assert (await gateway.get(f"profile/{ALICE}")).body["errcode"] == "M_NOT_FOUND"
    path = f"profile/{ALICE}/displayname"
    assert (await gateway.put(path, {"displayname": "Alice"}, token=session.token)).body == {}
    assert (await gateway.get(path)).body == {"displayname": "Alice"}
    await gateway.put(f"profile/{ALICE}/m.tz", {"m.tz": "Europe/Berlin"}, token=session.token)
    assert (await gateway.get(f"profile/{ALICE}")).body == {"displayname": "Alice", "m.tz": "Europe/Berlin"}
    for _ in range(2):
        assert (await gateway.delete(path, token=session.token)).body == {}
    assert (await gateway.get(path)).status == 404
    assert (await gateway.get(f"profile/{ALICE}")).body == {"m.tz": "Europe/Berlin"}


@pytest.mark.parametrize(
    ("key", "body", "errcode"),
    [
        ("displayname", {"displayname": 5}, "M_BAD_JSON"),
        ("displayname", {"displayname": None}, "M_BAD_JSON"),
        ("displayname", {"name": "x"}, "M_MISSING_PARAM"),
        ("displayname", {"displayname": "x" * 300}, "M_INVALID_PARAM"),
        ("displayname", [], "M_BAD_JSON"),
        ("avatar_url", {"avatar_url": "mxc://" + "x" * 10_000}, "M_INVALID_PARAM"),
        ("nickname", {"nickname": "x"}, "M_INVALID_PARAM"),
        ("Org.example", {"Org.example": "x"}, "M_INVALID_PARAM"),
        ("org." + "x" * 255, {}, "M_KEY_TOO_LARGE"),
        ("org.example", {"org.example": "x" * 66_000}, "M_PROFILE_TOO_LARGE"),
    ],
)
async def test_what_a_profile_cannot_have(gateway: AccountGateway, key: str, body: object, errcode: str) -> None:
    session = await gateway.register()
    answer = await gateway.put(f"profile/{ALICE}/{key}", body, token=session.token)
    assert (answer.status, answer.body["errcode"]) == (400, errcode)


async def test_an_avatar_is_kept_as_it_was_given(gateway: AccountGateway) -> None:
    session = await gateway.register()
    for url in ("mxc://a.example/abc", "http://a.example/abc.png", ""):
        answer = await gateway.put(f"profile/{ALICE}/avatar_url", {"avatar_url": url}, token=session.token)
        assert answer.status == 200
        assert (await gateway.get(f"profile/{ALICE}/avatar_url")).body == {"avatar_url": url}


async def test_profiles_of_others_cannot_be_changed(gateway: AccountGateway) -> None:
    await gateway.register()
    bob = await gateway.register("bob")
    answer = await gateway.put(f"profile/{ALICE}/displayname", {"displayname": "x"}, token=bob.token)
    assert (answer.status, answer.body["errcode"]) == (403, "M_FORBIDDEN")
    assert (await gateway.delete(f"profile/{ALICE}/displayname", token=bob.token)).status == 403
    assert (await gateway.put(f"profile/{ALICE}/displayname", {"displayname": "x"})).status == 401


@pytest.mark.parametrize("user_id", ["@nobody:a.example", "@alice:elsewhere.example", "alice", "@"])
async def test_who_is_not_here_has_no_profile(gateway: AccountGateway, user_id: str) -> None:
    for path in (f"profile/{quoted(user_id)}", f"profile/{quoted(user_id)}/displayname"):
        answer = await gateway.get(path)
        assert (answer.status, answer.body["errcode"]) == (404, "M_NOT_FOUND")


async def test_guests_may_change_their_display_name_only(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(registration={"mode": "open", "guests": True})
    guest = (await gateway.post("register?kind=guest")).body
    path = f"profile/{quoted(guest['user_id'])}"
    answer = await gateway.put(f"{path}/displayname", {"displayname": "Guest"}, token=guest["access_token"])
    assert answer.status == 200
    answer = await gateway.put(f"{path}/m.tz", {"m.tz": "UTC"}, token=guest["access_token"])
    assert (answer.status, answer.body["errcode"]) == (403, "M_GUEST_ACCESS_FORBIDDEN")
