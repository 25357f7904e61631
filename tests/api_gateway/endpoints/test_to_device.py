"""PUT /sendToDevice, to inboxes of a real userserver."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from service_kit.limits import TO_DEVICE_CONTENT_BYTES_MAX, TO_DEVICE_MESSAGES_MAX
from service_kit.rpc.pb.user_queries_pb2 import ToDeviceRequest
from tests.api_gateway.account_gateway import AccountGateway, Answer, Session

SEND = "sendToDevice/m.test/"


async def _inbox(gateway: AccountGateway, session: Session) -> list[Any]:
    request = ToDeviceRequest(user_id=session.user_id, device_id=session.device_id, limit=100)
    chunks = gateway.cluster.workers[0].queries.get_to_device(request)
    return [orjson.loads(entry.content_json) async for chunk in chunks for entry in chunk.entries]


async def _send(gateway: AccountGateway, sender: Session, txn_id: str, messages: object) -> Answer:
    return await gateway.put(SEND + txn_id, {"messages": messages}, token=sender.token)


async def test_messages_go_to_devices_of_users_in_different_shards_once(gateway: AccountGateway) -> None:
    alice, bob, carol = [await gateway.register(name) for name in ("alice", "bob", "carol")]
    messages = {
        alice.user_id: {alice.device_id: {"for": "me"}},
        bob.user_id: {"*": {"for": "bob"}},
        carol.user_id: {"NOSUCHDEVICE": {"for": "nobody"}},
        "@nobody:a.example": {"*": {}},
        "@remote:elsewhere.example": {"*": {}},
    }
    for _ in range(2):
        answer = await _send(gateway, alice, "1", messages)
        assert (answer.status, answer.body) == (200, {})
    await _send(gateway, alice, "2", {bob.user_id: {"*": {"second": True}}})
    assert await _inbox(gateway, alice) == [{"for": "me"}]
    assert await _inbox(gateway, bob) == [{"for": "bob"}, {"second": True}]
    assert await _inbox(gateway, carol) == []


@pytest.mark.parametrize(
    ("messages", "status", "errcode"),
    [
        ({"@alice:a.example": {"*": {"x": "y" * TO_DEVICE_CONTENT_BYTES_MAX}}}, 413, "M_TOO_LARGE"),
        ({"@alice:a.example": {f"D{n}": {} for n in range(TO_DEVICE_MESSAGES_MAX + 1)}}, 413, "M_TOO_LARGE"),
        ({"alice": {"*": {}}}, 400, "M_INVALID_PARAM"),
        ({"@alice:a.example": {"*": []}}, 400, "M_BAD_JSON"),
        ({"@alice:a.example": "*"}, 400, "M_BAD_JSON"),
        (None, 400, "M_BAD_JSON"),
    ],
)
async def test_what_cannot_be_sent_is_refused(
    gateway: AccountGateway, messages: object, status: int, errcode: str
) -> None:
    alice = await gateway.register()
    answer = await _send(gateway, alice, "1", messages)
    assert (answer.status, answer.body["errcode"]) == (status, errcode)
    assert await _inbox(gateway, alice) == []
