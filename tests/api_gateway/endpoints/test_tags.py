"""Tags that users put on rooms."""

import pytest

from service_kit.limits import TAG_BYTES_MAX, TAG_CONTENT_BYTES_MAX
from tests.api_gateway.account_gateway import AccountGateway, quoted

TAGS = f"user/{quoted('@alice:a.example')}/rooms/{quoted('!room:a.example')}/tags"


async def test_tags_are_added_changed_and_removed(gateway: AccountGateway) -> None:
    token = (await gateway.register()).token
    assert (await gateway.get(TAGS, token=token)).body == {"tags": {}}
    assert (await gateway.put(f"{TAGS}/m.favourite", {"order": 0.25}, token=token)).body == {}
    await gateway.put(f"{TAGS}/{quoted('u.Näh/kurs')}", {}, token=token)
    await gateway.put(f"{TAGS}/m.favourite", {"order": 1, "org.example.note": "x"}, token=token)
    expected = {"m.favourite": {"order": 1, "org.example.note": "x"}, "u.Näh/kurs": {}}
    assert (await gateway.get(TAGS, token=token)).body == {"tags": expected}
    for _ in range(2):
        assert (await gateway.delete(f"{TAGS}/m.favourite", token=token)).status == 200
    assert (await gateway.get(TAGS, token=token)).body == {"tags": {"u.Näh/kurs": {}}}
    data = await gateway.get(TAGS.replace("/tags", "/account_data/m.tag"), token=token)
    assert data.body == {"tags": {"u.Näh/kurs": {}}}


async def test_tags_that_a_client_wrote_as_account_data_are_the_same(gateway: AccountGateway) -> None:
    token = (await gateway.register()).token
    data = TAGS.replace("/tags", "/account_data/m.tag")
    await gateway.put(data, {"tags": {"u.a": {}}, "org.example.more": 1}, token=token)
    await gateway.put(f"{TAGS}/u.b", {}, token=token)
    assert (await gateway.get(data, token=token)).body == {"tags": {"u.a": {}, "u.b": {}}, "org.example.more": 1}
    await gateway.put(data, {"tags": "nonsense"}, token=token)
    assert (await gateway.get(TAGS, token=token)).body == {"tags": {}}
    assert (await gateway.put(f"{TAGS}/u.b", {}, token=token)).status == 200


@pytest.mark.parametrize(
    ("tag", "content", "status", "errcode"),
    [
        ("u.x", {"order": "0.5"}, 400, "M_BAD_JSON"),
        ("u.x", {"order": True}, 400, "M_BAD_JSON"),
        ("u.x", {"order": 1.5}, 400, "M_INVALID_PARAM"),
        ("u.x", {"order": -1}, 400, "M_INVALID_PARAM"),
        ("u" * (TAG_BYTES_MAX + 1), {}, 400, "M_INVALID_PARAM"),
        ("u.x", {"x": "y" * TAG_CONTENT_BYTES_MAX}, 413, "M_TOO_LARGE"),
        ("u.x", [], 400, "M_BAD_JSON"),
    ],
)
async def test_malformed_tags_are_refused(
    gateway: AccountGateway, tag: str, content: object, status: int, errcode: str
) -> None:
    token = (await gateway.register()).token
    answer = await gateway.put(f"{TAGS}/{tag}", content, token=token)
    assert (answer.status, answer.body["errcode"]) == (status, errcode)


async def test_nobody_sees_or_sets_the_tags_of_others(gateway: AccountGateway) -> None:
    await gateway.register()
    token = (await gateway.register("bob")).token
    answers = [
        await gateway.get(TAGS, token=token),
        await gateway.put(f"{TAGS}/u.x", {}, token=token),
        await gateway.delete(f"{TAGS}/u.x", token=token),
    ]
    assert [(answer.status, answer.body["errcode"]) for answer in answers] == [(403, "M_FORBIDDEN")] * 3
