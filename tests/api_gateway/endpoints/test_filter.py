import pytest

from tests.api_gateway.account_gateway import AccountGateway, quoted

FILTERS = f"user/{quoted('@alice:a.example')}/filter"


async def test_a_filter_is_saved_and_given_back(gateway: AccountGateway) -> None:
    session = await gateway.register()
    wanted = {
        "room": {"timeline": {"limit": 10, "not_senders": ["@spam:b.example"]}, "state": {"lazy_load_members": True}},
        "event_format": "client",
        "org.example.future": [1, 2],
    }
    filter_id = (await gateway.post(FILTERS, wanted, token=session.token)).body["filter_id"]
    assert (await gateway.get(f"{FILTERS}/{filter_id}", token=session.token)).body == wanted
    reordered = dict(reversed(wanted.items()))
    assert (await gateway.post(FILTERS, reordered, token=session.token)).body["filter_id"] == filter_id
    assert (await gateway.get(f"{FILTERS}/unknown", token=session.token)).status == 404


@pytest.mark.parametrize(
    "wanted",
    [
        {"room": []},
        {"room": {"timeline": {"limit": "ten"}}},
        {"room": {"timeline": {"limit": -1}}},
        {"room": {"rooms": ["not a room"]}},
        {"presence": {"senders": ["alice"]}},
        {"event_format": "xml"},
        {"event_fields": "type"},
        [],
    ],
)
async def test_malformed_filters_are_refused(gateway: AccountGateway, wanted: object) -> None:
    session = await gateway.register()
    answer = await gateway.post(FILTERS, wanted, token=session.token)
    assert (answer.status, answer.body["errcode"]) == (400, "M_BAD_JSON")


async def test_filters_of_others_are_out_of_reach(gateway: AccountGateway) -> None:
    await gateway.register()
    bob = await gateway.register("bob")
    assert (await gateway.post(FILTERS, {}, token=bob.token)).status == 403
    assert (await gateway.get(f"{FILTERS}/x", token=bob.token)).status == 403
