import asyncio

import pytest

from service_kit.rpc.pb.room_commands_pb2 import ChangeMembership
from tests.api_gateway.account_gateway import AccountGateway, password_auth, quoted
from tests.in_process import PASSWORD, Client


@pytest.mark.parametrize("erase", [True, False])
async def test_a_deactivated_account_is_gone_for_good(gateway: AccountGateway, erase: bool) -> None:
    session = await gateway.register()
    gateway.rooms.memberships = {"!joined": "join", "!invited": "invite", "!left": "leave"}
    assert (await gateway.post("account/deactivate", token=session.token)).status == 401
    body = {"erase": erase, "auth": password_auth("alice")}
    answer = await gateway.post("account/deactivate", body, token=session.token)
    assert (answer.status, answer.body) == (200, {"id_server_unbind_result": "success"})
    assert (await gateway.get("account/whoami", token=session.token)).status == 401
    answer = await gateway.login()
    assert (answer.status, answer.body["errcode"]) == (403, "M_FORBIDDEN" if erase else "M_USER_DEACTIVATED")
    assert (await gateway.get("register/available?username=alice")).body["errcode"] == "M_USER_IN_USE"
    assert (await gateway.get(f"profile/{quoted('@alice:a.example')}")).status == 404
    for _ in range(100):  # the userserver makes them leave when this was answered
        if len(gateway.rooms.changes) >= 2:
            break
        await asyncio.sleep(0.01)
    left = {room_id for room_id, change in gateway.rooms.changes if change.action == ChangeMembership.LEAVE}
    assert left == {"!joined", "!invited"}


async def test_the_others_in_a_room_see_that_somebody_is_gone(alice: Client, bob: Client, room_id: str) -> None:
    await bob.join(room_id)
    since = (await bob.get("/sync", expect=200)).json["next_batch"]
    identifier = {"type": "m.id.user", "user": alice.user_id}
    auth = {"type": "m.login.password", "identifier": identifier, "password": PASSWORD}
    await alice.post("/account/deactivate", {"auth": auth}, expect=200)
    for _ in range(100):
        answer = (await bob.get(f"/sync?since={since}", expect=200)).json
        if answer.get("rooms", {}).get("join"):
            break
        await asyncio.sleep(0.01)
    events = answer["rooms"]["join"][room_id]["timeline"]["events"]
    assert [(event["state_key"], event["content"]["membership"]) for event in events] == [(alice.user_id, "leave")]
