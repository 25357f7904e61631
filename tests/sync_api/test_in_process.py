"""/sync against the whole server, in one event loop."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any
from urllib.parse import quote

import orjson
import pytest

from service_kit.bus.memory import SeededFaults
from service_kit.telemetry import FACT_GAPS_REPAIRED
from sync_api.service import SyncApi
from tests.asgi_client import AsgiClient
from tests.in_process import SHARDS, Client, InProcessServer, running_server


async def sync(client: Client, since: str = "", **query: Any) -> dict[str, Any]:
    query |= {"since": since} if since else {}
    text = "&".join(f"{name}={quote(str(value))}" for name, value in query.items())
    answer: dict[str, Any] = (await client.get(f"/sync?{text}", expect=200)).json
    return answer


def bodies(section: dict[str, Any]) -> list[str]:
    return [event["content"]["body"] for event in section["timeline"]["events"] if "body" in event["content"]]


async def another_worker(server: InProcessServer, name: str) -> SyncApi:
    worker = SyncApi(
        settings=server.settings,
        bus=server.hub.connect(),
        store=server.store,
        asker=server.asker,
        shards=SHARDS,
        clock=server.clock,
        worker=name,
    )
    await worker.start()
    return worker


def repaired_count() -> float:
    """How many gaps in facts were read from a ledger, in this process."""
    samples = [sample for metric in FACT_GAPS_REPAIRED.collect() for sample in metric.samples]
    return sum(sample.value for sample in samples if sample.name.endswith("_total"))


class Listener:
    """A client that syncs all the time, and writes down every message."""

    def __init__(self, client: Client, applications: list[AsgiClient]) -> None:
        self.client = client
        self.applications = applications
        self.heard: dict[str, list[str]] = {}
        self.since = ""
        self.requests = 0

    async def listen(self) -> None:
        wanted = quote('{"room":{"timeline":{"limit":100}}}')
        while True:
            at = self.applications[self.requests % len(self.applications)]
            self.requests += 1
            path = f"/_matrix/client/v3/sync?timeout=2000&filter={wanted}"
            path += f"&since={self.since}" if self.since else ""
            answer = await at.request("GET", path, Authorization=f"Bearer {self.client.access_token}")
            assert answer.status == 200, answer.body
            for room_id, room in answer.json.get("rooms", {}).get("join", {}).items():
                assert not (self.since and room["timeline"]["limited"])
                self.heard.setdefault(room_id, []).extend(bodies(room))
            self.since = answer.json["next_batch"]


@pytest.mark.parametrize("seed", range(4))
async def test_every_message_is_heard_once_and_in_order_whatever_the_bus_does_to_facts(seed: int) -> None:
    async with running_server() as server:
        alice, bob, carol = [await server.register(name) for name in ("alice", "bob", "carol")]
        rooms = [await alice.create_room(preset="public_chat") for _ in range(4)]
        for client in (bob, carol):
            for room_id in rooms:
                await client.join(room_id)
        second = await another_worker(server, "sync_api-2")
        applications = [AsgiClient(server.sync_api.application), AsgiClient(second.application)]
        listeners = [Listener(client, [at]) for client in (alice, bob) for at in applications]
        listeners.append(Listener(carol, applications))
        tasks = [asyncio.create_task(listener.listen()) for listener in listeners]
        repaired_before = repaired_count()
        server.hub.faults = SeededFaults(seed, drop=0.2, duplicate=0.2, delay=0.2, pattern="fact.>")
        sent: dict[str, list[str]] = {room_id: [] for room_id in rooms}
        for number in range(60):
            room_id = rooms[number % 4]
            sent[room_id].append(f"message {number}")
            await (alice, bob, carol)[number % 3].send(room_id, f"message {number}")
            if number % 5 == 0:
                await server.clock.advance(0.3)
        server.hub.faults = None
        for _ in range(20):
            await server.clock.advance(1)
        for task in tasks:
            assert not task.done() or task.result() is None
            task.cancel()
        for listener in listeners:
            assert listener.heard == sent
        assert repaired_count() > repaired_before
        await second.drain()
        await second.stop()


async def test_token_goes_on_at_another_worker_and_after_a_restart() -> None:
    async with running_server() as server:
        alice, bob = await server.register("alice"), await server.register("bob")
        room_id = await alice.create_room(preset="public_chat")
        await bob.join(room_id)
        since = (await sync(bob))["next_batch"]
        await alice.send(room_id, "while nobody looked")
        for name in ("sync_api-2", "sync_api-3"):
            worker = await another_worker(server, name)
            http = AsgiClient(worker.application, {"Authorization": f"Bearer {bob.access_token}"})
            answer = (await http.request("GET", f"/_matrix/client/v3/sync?since={since}")).json
            assert bodies(answer["rooms"]["join"][room_id]) == ["while nobody looked"]
            again = (await http.request("GET", f"/_matrix/client/v3/sync?since={answer['next_batch']}")).json
            assert "rooms" not in again
            await worker.drain()
            await worker.stop()


async def test_prev_batch_of_a_gap_leads_messages_back_to_since() -> None:
    async with running_server() as server:
        alice, bob = await server.register("alice"), await server.register("bob")
        room_id = await alice.create_room(preset="public_chat")
        await bob.join(room_id)
        since = (await sync(bob))["next_batch"]
        for number in range(30):
            await alice.send(room_id, str(number))
        timeline = (await sync(bob, since))["rooms"]["join"][room_id]["timeline"]
        assert timeline["limited"] is True
        path = f"/rooms/{quote(room_id)}/messages?dir=b&limit=100&from={timeline['prev_batch']}&to={since}"
        page = (await bob.get(path, expect=200)).json["chunk"]
        told = [event["content"]["body"] for event in (*reversed(page), *timeline["events"])]
        assert told == [str(number) for number in range(30)]


async def test_saved_filter_is_used_by_its_id() -> None:
    async with running_server() as server:
        alice = await server.register("alice")
        room_id = await alice.create_room()
        path = f"/user/{quote(alice.user_id)}/filter"
        body = {"room": {"timeline": {"limit": 1, "types": ["m.room.c*"]}}}
        filter_id = (await alice.post(path, body, expect=200)).json["filter_id"]
        timeline = (await sync(alice, filter=filter_id))["rooms"]["join"][room_id]["timeline"]
        assert [event["type"] for event in timeline["events"]] == ["m.room.create"]


async def test_filter_that_looks_far_back_is_applied_by_the_room() -> None:
    async with running_server() as server:
        alice = await server.register("alice")
        room_id = await alice.create_room(name="Tea")
        for number in range(60):
            await alice.send(room_id, str(number))
        wanted = orjson.dumps({"room": {"timeline": {"types": ["m.room.name"]}}}).decode()
        section = (await sync(alice, filter=wanted))["rooms"]["join"][room_id]
        assert [event["content"] for event in section["timeline"]["events"]] == [{"name": "Tea"}]
        assert section["timeline"]["limited"] is False
        assert "m.room.name" not in {event["type"] for event in section["state"]["events"]}


@pytest.mark.parametrize(
    ("query", "errcode"),
    [
        ("since=nonsense", "M_INVALID_PARAM"),
        ("since=sAAAA", "M_INVALID_PARAM"),
        ("since=s%00", "M_INVALID_PARAM"),
        ("timeout=-1", "M_INVALID_PARAM"),
        ("timeout=soon", "M_INVALID_PARAM"),
        ("set_presence=asleep", "M_INVALID_PARAM"),
        ("filter=%7B", "M_NOT_JSON"),
        ("filter=%7B%22room%22%3A1%7D", "M_BAD_JSON"),
        ("filter=12345", "M_INVALID_PARAM"),
        ("filter=" + "9" * 300, "M_INVALID_PARAM"),
    ],
)
async def test_bad_request_is_refused(query: str, errcode: str) -> None:
    async with running_server() as server:
        alice = await server.register("alice")
        answer = await alice.get(f"/sync?{query}")
        assert (answer.status, answer.errcode) == (400, errcode)


async def test_everything_that_happens_to_a_user_wakes_them() -> None:
    async with running_server() as server:
        alice, bob = await server.register("alice"), await server.register("bob")
        room_id = await alice.create_room(invite=[bob.user_id])
        first = await sync(bob)
        assert room_id in first["rooms"]["invite"]
        event_id = await alice.send(room_id, "hello")
        since = first["next_batch"]
        room, user = f"/rooms/{quote(room_id)}", quote(bob.user_id)

        async def next_after(method: str, path: str, body: object, by: Client) -> dict[str, Any]:
            nonlocal since
            poll = asyncio.create_task(sync(bob, since, timeout=30_000))
            await server.clock.advance(0.2)
            assert not poll.done()
            await by.request(method, path, body, expect=200)
            answer = await poll
            since = answer["next_batch"]
            return answer

        joined = await next_after("POST", f"{room}/join", {}, bob)
        assert joined["rooms"]["join"][room_id]["timeline"]["events"][-1]["state_key"] == bob.user_id
        typing = await next_after(
            "PUT", f"{room}/typing/{quote(alice.user_id)}", {"typing": True, "timeout": 9000}, alice
        )
        assert typing["rooms"]["join"][room_id]["ephemeral"]["events"][0]["content"] == {"user_ids": [alice.user_id]}
        receipt = await next_after("POST", f"{room}/receipt/m.read/{quote(event_id)}", {}, alice)
        assert event_id in receipt["rooms"]["join"][room_id]["ephemeral"]["events"][0]["content"]
        tag = await next_after("PUT", f"/user/{user}{room}/account_data/m.tag", {"tags": {}}, bob)
        assert tag["rooms"]["join"][room_id]["account_data"]["events"][0]["type"] == "m.tag"
        direct = await next_after("PUT", f"/user/{user}/account_data/m.direct", {"x": []}, bob)
        assert {"type": "m.direct", "content": {"x": []}} in direct["account_data"]["events"]
        kick = await next_after("POST", f"{room}/kick", {"user_id": bob.user_id}, alice)
        assert kick["rooms"]["leave"][room_id]["timeline"]["events"][-1]["content"]["membership"] == "leave"


async def test_typing_and_receipts_are_there_for_a_worker_that_comes_later() -> None:
    async with running_server() as server:
        alice = await server.register("alice")
        room_id = await alice.create_room()
        event_id = await alice.send(room_id, "hello")
        room = f"/rooms/{quote(room_id)}"
        await alice.put(f"{room}/typing/{quote(alice.user_id)}", {"typing": True, "timeout": 30_000}, expect=200)
        await alice.post(f"{room}/receipt/m.read/{quote(event_id)}", expect=200)
        events = (await sync(alice))["rooms"]["join"][room_id]["ephemeral"]["events"]
        assert Counter(event["type"] for event in events) == {"m.typing": 1, "m.receipt": 1}


async def test_left_room_with_joined_history_shows_what_was_seen_and_no_more() -> None:
    async with running_server() as server:
        alice, bob = await server.register("alice"), await server.register("bob")
        hidden = {"type": "m.room.history_visibility", "state_key": "", "content": {"history_visibility": "joined"}}
        room_id = await alice.create_room(preset="public_chat", initial_state=[hidden])
        await alice.send(room_id, "before")
        await bob.join(room_id)
        await alice.send(room_id, "during")
        since = (await sync(bob))["next_batch"]
        await alice.send(room_id, "last")
        await bob.post(f"/rooms/{quote(room_id)}/leave", expect=200)
        await alice.send(room_id, "after")
        left = (await sync(bob, since))["rooms"]["leave"][room_id]
        assert bodies(left) == ["last"]
        assert left["timeline"]["events"][-1]["content"]["membership"] == "leave"
        everything = await sync(bob, filter='{"room":{"include_leave":true}}')
        assert bodies(everything["rooms"]["leave"][room_id]) == ["during", "last"]


async def test_draining_server_ends_long_polls_with_an_ordinary_answer() -> None:
    async with running_server() as server:
        alice = await server.register("alice")
        await alice.create_room()
        since = (await sync(alice))["next_batch"]
        poll = asyncio.create_task(sync(alice, since, timeout=30_000))
        await server.clock.advance(0.5)
        assert not poll.done()
        await server.sync_api.drain()
        assert set(await poll) == {"next_batch"}


async def test_logout_ends_the_long_poll_of_its_device_at_once() -> None:
    async with running_server() as server:
        alice = await server.register("alice")
        since = (await sync(alice))["next_batch"]
        poll = asyncio.create_task(alice.get(f"/sync?since={since}&timeout=30000"))
        await server.clock.advance(0.5)
        assert not poll.done()
        await alice.post("/logout", expect=200)
        answer = await poll
        assert (answer.status, answer.json["errcode"]) == (401, "M_UNKNOWN_TOKEN")


async def test_first_answer_has_the_push_rules_and_later_ones_do_not() -> None:
    async with running_server() as server:
        alice = await server.register("alice")
        first = await sync(alice)
        rules = (await alice.get("/pushrules/", expect=200)).json
        assert {"type": "m.push_rules", "content": rules} in first["account_data"]["events"]
        assert set(await sync(alice, first["next_batch"])) == {"next_batch"}


async def test_who_stopped_typing_is_told_by_a_worker_that_comes_later() -> None:
    async with running_server() as server:
        alice, bob = await server.register("alice"), await server.register("bob")
        room_id = await alice.create_room(preset="public_chat")
        await bob.join(room_id)
        typing = f"/rooms/{quote(room_id)}/typing/{quote(alice.user_id)}"
        await alice.put(typing, {"typing": True, "timeout": 30_000}, expect=200)
        since = (await sync(bob))["next_batch"]
        await alice.put(typing, {"typing": False}, expect=200)
        later = await another_worker(server, "later")
        client = AsgiClient(later.application, {"Authorization": f"Bearer {bob.access_token}"})
        answer = await client.request("GET", f"/_matrix/client/v3/sync?since={since}")
        events = answer.json["rooms"]["join"][room_id]["ephemeral"]["events"]
        assert events == [{"type": "m.typing", "content": {"user_ids": []}}]
        await later.stop()


async def test_tags_and_push_rules_come_as_account_data() -> None:
    async with running_server() as server:
        alice = await server.register("alice")
        room_id = await alice.create_room()
        since = (await sync(alice))["next_batch"]
        await alice.put(f"/user/{alice.user_id}/rooms/{quote(room_id)}/tags/m.favourite", {"order": 0.5}, expect=200)
        await alice.put("/pushrules/global/content/cake", {"actions": ["notify"], "pattern": "cake"}, expect=200)
        answer = await sync(alice, since)
        (tags,) = answer["rooms"]["join"][room_id]["account_data"]["events"]
        assert tags == {"type": "m.tag", "content": {"tags": {"m.favourite": {"order": 0.5}}}}
        (rules,) = answer["account_data"]["events"]
        assert rules["type"] == "m.push_rules"
        assert rules["content"]["global"]["content"][0]["rule_id"] == "cake"
        assert "account_data" not in await sync(alice, answer["next_batch"])


async def test_state_after_is_told_under_the_name_by_which_it_was_asked_for() -> None:
    async with running_server() as server:
        alice = await server.register("alice")
        room_id = await alice.create_room()
        unstable = {"org.matrix.msc4222.use_state_after": "true"}
        for query, name in (
            ({}, "state"),
            ({"use_state_after": "true"}, "state_after"),
            (unstable, "org.matrix.msc4222.state_after"),
            ({**unstable, "use_state_after": "true"}, "state_after"),
        ):
            room = (await sync(alice, **query))["rooms"]["join"][room_id]
            assert [key for key in room if "state" in key] == [name]
        assert len(room["state_after"]["events"]) > 5
