"""Indexes whose facts are gone from the ledger are made anew from the tables, and are the same."""

from __future__ import annotations

from urllib.parse import quote

from satellites.search.index import Wanted
from satellites.search.tables import DIRECTORY_USERS, DIRECTORY_WORDS
from service_kit.ledger.tables import LEDGER
from service_kit.shards import DIRECTORY, SEARCH, Shard
from service_kit.store.interface import Delete
from tests.in_process import SHARDS, InProcessServer, running_server


async def found(server: InProcessServer, room_id: str, *words: str) -> list[str]:
    work = server.search.messages.work_of(Shard(SEARCH, SHARDS.of_room(room_id).number))
    assert work is not None
    wanted = Wanted(words, frozenset({room_id}), lambda document: True, False, None, 50)
    return [hit.event_id for hit in (await work.index.search(wanted)).hits]


async def lose_ledgers(server: InProcessServer, kind: str) -> None:
    for shard in SHARDS.all_of(kind):
        await server.store.delete_partition(LEDGER, (str(shard), 0))


async def restart_from_nothing(server: InProcessServer, group: str) -> None:
    """As a worker that has lost everything it had recorded."""
    for number in range(4):
        part = server.search.messages if group == SEARCH else server.search.directory
        consumer = part.owner_of(Shard(group, number))
        assert consumer is not None
        consumer.position = 1  # a position whose facts are gone
    await server.clock.advance(12)


async def test_messages_are_found_again_and_what_was_redacted_meanwhile_is_not() -> None:
    async with running_server() as server:
        alice = await server.register("alice")
        room_id = await alice.create_room(name="Needle room")
        kept = await alice.send(room_id, "needle one")
        gone = await alice.send(room_id, "needle two")
        edited = await alice.send(room_id, "needle three")
        await server.clock.advance(0.5)
        assert len(await found(server, room_id, "needle")) == 4
        relation = {"rel_type": "m.replace", "event_id": edited}
        edit = {"body": "* x", "msgtype": "m.text", "m.new_content": {"body": "thread"}, "m.relates_to": relation}
        await alice.put(f"/rooms/{quote(room_id)}/send/m.room.message/edit", edit, expect=200)
        await alice.put(f"/rooms/{quote(room_id)}/redact/{quote(gone)}/1", {}, expect=200)
        await lose_ledgers(server, "room")  # before the index has heard of it
        await restart_from_nothing(server, SEARCH)
        again = await found(server, room_id, "needle")
        assert kept in again
        assert gone not in again
        assert len(again) == 2  # the name of the room, too
        assert await found(server, room_id, "thread") == [edited]


async def test_directory_is_made_anew_without_those_who_are_gone() -> None:
    async with running_server() as server:
        alice, bob = await server.register("alice"), await server.register("bob")
        path = f"/profile/{quote(alice.user_id)}/displayname"
        await alice.put(path, {"displayname": "Alice Wonder"}, expect=200)
        await server.clock.advance(0.5)
        row = await server.store.get(DIRECTORY_USERS, (alice.user_id,))
        assert row is not None
        await server.store.write([Delete(DIRECTORY_USERS, (alice.user_id,))])
        await server.store.write([Delete(DIRECTORY_WORDS, ("wo", "wonder", alice.user_id))])
        identifier = {"type": "m.id.user", "user": "bob"}
        auth = {"type": "m.login.password", "identifier": identifier, "password": "correct horse battery"}
        await bob.post("/account/deactivate", {"auth": auth}, expect=200)
        await lose_ledgers(server, "user")
        await restart_from_nothing(server, DIRECTORY)
        assert await server.store.get(DIRECTORY_USERS, (alice.user_id,)) == row
        assert await server.store.get(DIRECTORY_WORDS, ("wo", "wonder", alice.user_id)) is not None
        gone = await server.store.get(DIRECTORY_USERS, (bob.user_id,))
        assert gone is not None
        assert gone.words == ""
        assert await server.store.get(DIRECTORY_WORDS, ("bo", "bob", bob.user_id)) is None
