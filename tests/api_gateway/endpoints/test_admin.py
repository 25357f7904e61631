import asyncio

import pytest

from api_gateway.service import ApiGateway
from tests.administrators import new_admin
from tests.asgi_client import AsgiClient
from tests.in_process import PASSWORD, SHARDS, Client, InProcessServer

LOCK, SUSPEND = "/_matrix/client/v1/admin/lock/", "/_matrix/client/v1/admin/suspend/"
ALICE = "@alice:example.org"


@pytest.fixture
async def root(server: InProcessServer) -> Client:
    return await new_admin(server)


async def test_an_administrator_and_the_user_see_where_somebody_is_logged_in(
    server: InProcessServer, root: Client, alice: Client, bob: Client
) -> None:
    for asking in (root, alice):
        answer = (await asking.get(f"/admin/whois/{ALICE}", expect=200)).json
        connection = answer["devices"][alice.device_id]["sessions"][0]["connections"][0]
        assert (answer["user_id"], connection["ip"]) == (ALICE, "192.0.2.1")
        assert connection["last_seen"] > 0
    assert (await bob.get(f"/admin/whois/{ALICE}", expect=403)).errcode == "M_FORBIDDEN"
    assert (await root.get("/admin/whois/@nobody:example.org", expect=404)).errcode == "M_NOT_FOUND"


async def test_a_locked_user_can_do_nothing_but_log_out(server: InProcessServer, root: Client, alice: Client) -> None:
    room_id = await alice.create_room(preset="public_chat")
    assert (await root.get(LOCK + ALICE, expect=200)).json == {"locked": False}
    assert (await root.put(LOCK + ALICE, {"locked": True}, expect=200)).json == {"locked": True}
    assert (await root.get(LOCK + ALICE, expect=200)).json == {"locked": True}
    for path in ("/account/whoami", "/sync", f"/rooms/{room_id}/members", "/devices"):
        refused = await alice.get(path, expect=401)
        assert (refused.errcode, refused.json["soft_logout"]) == ("M_USER_LOCKED", True)
    assert (await alice.put(f"/rooms/{room_id}/send/m.room.message/1", {"body": "x"}, expect=401)).errcode
    login = {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": "alice"}, "password": PASSWORD}
    refused = await server.anonymous().post("/login", login, expect=401)
    assert (refused.errcode, refused.json["soft_logout"]) == ("M_USER_LOCKED", True)
    await root.put(LOCK + ALICE, {"locked": False}, expect=200)
    await alice.get("/account/whoami", expect=200)
    await root.put(LOCK + ALICE, {"locked": True}, expect=200)
    await alice.post("/logout", expect=200)
    assert (await alice.get("/account/whoami", expect=401)).errcode == "M_UNKNOWN_TOKEN"


async def test_a_lock_holds_at_every_gateway_at_once(server: InProcessServer, root: Client, alice: Client) -> None:
    other = ApiGateway(
        settings=server.settings,
        hosted_servers=server.hosted_servers,
        bus=server.hub.connect(),
        asker=server.asker,
        shards=SHARDS,
        clock=server.clock,
    )
    await other.start()
    there = AsgiClient(other.application, {"Authorization": f"Bearer {alice.access_token}"})
    path = "/_matrix/client/v3/account/whoami"
    assert (await there.request("GET", path)).status == 200
    await root.put(LOCK + ALICE, {"locked": True}, expect=200)
    assert (await there.request("GET", path)).errcode == "M_USER_LOCKED"
    await root.put(LOCK + ALICE, {"locked": False}, expect=200)
    assert (await there.request("GET", path)).status == 200
    await other.stop()


async def test_a_waiting_sync_of_a_locked_user_ends(root: Client, alice: Client) -> None:
    since = (await alice.get("/sync", expect=200)).json["next_batch"]
    waiting = asyncio.create_task(alice.get(f"/sync?since={since}&timeout=30000"))
    await asyncio.sleep(0.02)
    assert not waiting.done()
    await root.put(LOCK + ALICE, {"locked": True}, expect=200)
    assert (await waiting).status == 200
    assert (await alice.get(f"/sync?since={since}&timeout=30000", expect=401)).errcode == "M_USER_LOCKED"


async def test_a_suspended_user_reads_leaves_and_takes_back_but_says_nothing(
    server: InProcessServer, root: Client, alice: Client, bob: Client
) -> None:
    room_id = await alice.create_room(preset="public_chat")
    await bob.join(room_id)
    own, others = await alice.send(room_id, "oops"), await bob.send(room_id, "hello")
    assert (await root.put(SUSPEND + ALICE, {"suspended": True}, expect=200)).json == {"suspended": True}
    assert (await root.get(SUSPEND + ALICE, expect=200)).json == {"suspended": True}
    for method, path, body in (
        ("PUT", f"/rooms/{room_id}/send/m.room.message/1", {"body": "x"}),
        ("PUT", f"/rooms/{room_id}/state/m.room.topic", {"topic": "x"}),
        ("POST", f"/rooms/{room_id}/invite", {"user_id": "@carol:example.org"}),
        ("POST", f"/join/{room_id}", {}),
        ("POST", "/createRoom", {}),
        ("PUT", f"/profile/{ALICE}/displayname", {"displayname": "x"}),
        ("PUT", f"/rooms/{room_id}/redact/{others}/2", {}),
        ("PUT", f"/rooms/{room_id}/typing/{ALICE}", {"typing": True}),
    ):
        refused = await alice.request(method, path, body, expect=403)
        assert refused.errcode == "M_USER_SUSPENDED", path
    await alice.put(f"/rooms/{room_id}/redact/{own}/3", expect=200)
    await alice.get("/sync", expect=200)
    await alice.get(f"/rooms/{room_id}/messages?dir=b", expect=200)
    another = await server.log_in("alice")
    assert (await another.post("/createRoom", {}, expect=403)).errcode == "M_USER_SUSPENDED"
    await another.post("/logout", expect=200)
    await alice.post(f"/rooms/{room_id}/leave", expect=200)
    await root.put(SUSPEND + ALICE, {"suspended": False}, expect=200)
    await alice.join(room_id)


async def test_who_may_moderate_whom(server: InProcessServer, root: Client, alice: Client, bob: Client) -> None:
    second = await new_admin(server, "second")
    for path, body in ((LOCK, {"locked": True}), (SUSPEND, {"suspended": True})):
        for user_id in (ALICE, "@nobody:example.org", "@carol:elsewhere.example"):
            assert (await bob.get(path + user_id, expect=403)).errcode == "M_FORBIDDEN"
            assert (await bob.put(path + user_id, body, expect=403)).errcode == "M_FORBIDDEN"
        assert (await root.put(path + root.user_id, body, expect=403)).errcode == "M_FORBIDDEN"
        assert (await root.put(path + second.user_id, body, expect=403)).errcode == "M_FORBIDDEN"
        assert (await root.get(path + second.user_id, expect=403)).errcode == "M_FORBIDDEN"
        for method, sent in (("GET", None), ("PUT", body)):
            assert (await root.request(method, path + "@nobody:example.org", sent, expect=404)).errcode == "M_NOT_FOUND"
            answer = await root.request(method, path + "@carol:elsewhere.example", sent, expect=400)
            assert answer.errcode == "M_INVALID_PARAM"


async def test_only_administrators_are_told_that_they_can_moderate(root: Client, alice: Client) -> None:
    told = (await root.get("/capabilities", expect=200)).json["capabilities"]
    assert told["m.account_moderation"] == {"suspend": True, "lock": True}
    assert "m.account_moderation" not in (await alice.get("/capabilities", expect=200)).json["capabilities"]
