import pytest

from tests.api_gateway.account_gateway import AccountGateway, quoted

ALICE = quoted("@alice:a.example")
ROOM = quoted("!room:a.example")


@pytest.mark.parametrize("path", [f"user/{ALICE}/account_data/", f"user/{ALICE}/rooms/{ROOM}/account_data/"])
async def test_account_data_is_kept_as_it_came(gateway: AccountGateway, path: str) -> None:
    session = await gateway.register()
    assert (await gateway.get(path + "m.direct", token=session.token)).body["errcode"] == "M_NOT_FOUND"
    content = {"@bob:a.example": ["!x"], "n": 1.5, "nothing": None}
    assert (await gateway.put(path + "m.direct", content, token=session.token)).body == {}
    assert (await gateway.get(path + "m.direct", token=session.token)).body == content
    assert (await gateway.put(path + "m.direct", {}, token=session.token)).body == {}
    assert (await gateway.get(path + "m.direct", token=session.token)).body == {}


@pytest.mark.parametrize(
    ("path", "body", "status", "errcode"),
    [
        ("account_data/m.x", [], 400, "M_BAD_JSON"),
        ("account_data/m.x", b"", 400, "M_NOT_JSON"),
        ("account_data/m.x", b"{", 400, "M_NOT_JSON"),
        ("account_data/m.push_rules", {}, 405, "M_BAD_JSON"),
        ("account_data/m.fully_read", {}, 405, "M_BAD_JSON"),
        (f"rooms/{ROOM}/account_data/m.fully_read", {}, 405, "M_BAD_JSON"),
        ("rooms/notaroom/account_data/m.x", {}, 400, "M_INVALID_PARAM"),
        ("account_data/" + "x" * 300, {}, 400, "M_INVALID_PARAM"),
        ("account_data/m.x", {"x": "y" * 300_000}, 413, "M_TOO_LARGE"),
    ],
)
async def test_what_cannot_be_set(gateway: AccountGateway, path: str, body: object, status: int, errcode: str) -> None:
    session = await gateway.register()
    answer = await gateway.put(f"user/{ALICE}/{path}", body, token=session.token)
    assert (answer.status, answer.body["errcode"]) == (status, errcode)


async def test_account_data_of_others_is_out_of_reach(gateway: AccountGateway) -> None:
    await gateway.register()
    bob = await gateway.register("bob")
    for path in (f"user/{ALICE}/account_data/m.x", f"user/{ALICE}/rooms/{ROOM}/account_data/m.x"):
        for answer in (await gateway.get(path, token=bob.token), await gateway.put(path, {}, token=bob.token)):
            assert (answer.status, answer.body["errcode"]) == (403, "M_FORBIDDEN")
