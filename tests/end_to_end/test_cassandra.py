"""The whole server on a real Cassandra node, and when the node dies, stands still or is somebody else's."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Awaitable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from homeserver.kit import SCHEMA_VERSION
from matrix_protocol.encoding import encode_base64
from tests.cassandra.nodes import DATA_CENTRE, Nodes
from tests.end_to_end.client import Client, Refused
from tests.end_to_end.load import Load, scene
from tests.end_to_end.server import PlexusServer, wait_until
from tests.end_to_end.test_directory import find_and_enter, users
from tests.end_to_end.test_kills import live_workers
from tests.end_to_end.test_relations import assert_relations_survive_a_killed_roomserver

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("cassandra_end_to_end")]
SENDERS = 4
SIGNING_KEY = f"ed25519 a_test {encode_base64(bytes(range(32)))}\n"
REFUSED_S_MAX = 40.0
TWO_ROOMSERVERS = ("--processes", "--replicas", "roomserver=2")


class Scene:
    """A Plexus server whose keyspace is made, not started yet."""

    def __init__(self, directory: Path, nodes: Nodes, keyspace: str, *options: str, **settings: Any) -> None:
        self.config = directory / "plexus.yaml"
        self._settings = {
            "store": {"engine": "cassandra"},
            "cassandra": {
                "contact_points": nodes.contact_points,
                "keyspace": keyspace,
                "local_data_centre": DATA_CENTRE,
                "replication": {DATA_CENTRE: nodes.count},
            },
            **settings,
        }
        self.server = PlexusServer(directory, *options, "--config", str(self.config))
        # Servers that come one after the other on one keyspace are one cluster: they sign with one key.
        keys = self.server.data_dir / "signing_keys"
        keys.mkdir(parents=True)
        (keys / "localhost.key").write_text(SIGNING_KEY)
        self.configure()

    def configure(self, **settings: Any) -> None:
        self.config.write_text(json.dumps(self._settings | settings))

    def schema(self, action: str) -> tuple[int, str]:
        done = self.server.plexus("schema", action, "--config", str(self.config))
        return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def applied_keyspace(cassandra_node: Nodes, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Shared by servers that come one after the other with the same data directory's ID."""
    name = f"end_to_end_{os.getpid()}"
    scene_ = Scene(tmp_path_factory.mktemp("apply"), cassandra_node, name)
    assert scene_.schema("check")[0] == 1
    status, output = scene_.schema("apply")
    assert (status, "made table ledger" in output) == (0, True), output
    assert scene_.schema("apply") == (0, f"keyspace {name} is ready (schema version {SCHEMA_VERSION})\n")
    assert scene_.schema("check")[0] == 0
    return name


CLUSTER = {"cluster": {"id": "end-to-end"}}


@pytest.fixture
def server(tmp_path: Path, cassandra_node: Nodes, applied_keyspace: str, request: Any) -> Iterator[PlexusServer]:
    place = Scene(tmp_path, cassandra_node, applied_keyspace, *getattr(request, "param", ()), **CLUSTER)
    yield place.server
    place.server.close()


async def test_killed_server_on_cassandra_has_every_acknowledged_event_once(server: PlexusServer) -> None:
    server.start()
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(Client(server.base_url)) for _ in range(SENDERS)]
        room_ids = await scene(clients)
        since = (await clients[1].sync())["next_batch"]
        load = Load(room_ids, clients).start()
        await load.reach(100)
        server.kill()
        await load.abandon()
        server.start()
        await load.assert_everything_is_there_once(clients[0])
        joined = (await clients[1].sync(since))["rooms"]["join"]
        assert set(joined) == set(room_ids)
    status = server.plexus("status", "--config", str(server.data_dir.parent / "plexus.yaml"))
    assert status.returncode == 0, status.stdout + status.stderr
    assert server.stop() == 0


@pytest.mark.parametrize("server", [TWO_ROOMSERVERS], indirect=True)
async def test_shards_on_cassandra_move_when_a_roomserver_dies(server: PlexusServer) -> None:
    server.start()
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(Client(server.base_url)) for _ in range(SENDERS)]
        load = Load(await scene(clients), clients).start()
        await load.reach(60)
        os.kill(live_workers(server, "roomserver")[0], signal.SIGKILL)
        await load.reach(load.count + 100)
        await load.finish()
        await load.assert_everything_is_there_once(clients[0])
    assert server.stop() == 0


@pytest.mark.parametrize("server", [TWO_ROOMSERVERS], indirect=True)
async def test_relations_on_cassandra_survive_a_killed_roomserver(server: PlexusServer) -> None:
    server.start()
    await assert_relations_survive_a_killed_roomserver(server)


@pytest.mark.parametrize("server", [TWO_ROOMSERVERS], indirect=True)
async def test_rooms_on_cassandra_are_found_though_tables_are_written_later(server: PlexusServer) -> None:
    server.start()
    async with users(server, "alice", "bob") as (alice, bob):
        for _ in range(3):
            await find_and_enter(alice, bob)
    assert server.stop() == 0


@pytest.fixture(scope="module")
def own_node(cassandra_node: Nodes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    """A node to be killed and paused. Not the shared one: other tests are on it at the same time."""
    nodes = Nodes(tmp_path_factory.mktemp("own_node"))
    try:
        nodes.start()
        yield nodes
    finally:
        nodes.wipe()


async def test_nothing_is_lost_or_doubled_when_cassandra_is_killed_or_stands_still(
    tmp_path: Path, own_node: Nodes
) -> None:
    place = Scene(tmp_path, own_node, "faults")
    assert place.schema("apply")[0] == 0
    server = place.server.start()
    try:
        async with AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(Client(server.base_url)) for _ in range(SENDERS)]
            asker = await stack.enter_async_context(Client(server.base_url))
            await asker.register("asker")
            room_ids = await scene(clients)
            own_room = await asker.create_room()

            load = Load(room_ids, clients).start()
            await load.reach(60)
            await asyncio.to_thread(own_node.kill, 1)
            await asyncio.to_thread(own_node.start, 1)
            await load.reach(load.count + 60)

            own_node.pause(1)
            refusal = await refusal_of(asker.all_messages(own_room))
            assert (refusal.status, refusal.errcode) in {(503, "M_UNKNOWN"), (429, "M_LIMIT_EXCEEDED")}
            own_node.resume(1)
            await load.reach(load.count + 60)

            await load.finish()
            await load.assert_everything_is_there_once(clients[0])
        assert server.stop() == 0
    finally:
        own_node.kill()
        server.close()


async def refusal_of(request: Awaitable[object]) -> Refused:
    """What it gets told while the store stands still."""
    async with asyncio.timeout(REFUSED_S_MAX):
        with pytest.raises(Refused) as refused:
            await request
        return refused.value


# --- refused at start


@pytest.fixture(scope="module")
def claimed_keyspace(cassandra_node: Nodes, applied_keyspace: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Some server has started on it."""
    Scene(tmp_path_factory.mktemp("claim"), cassandra_node, applied_keyspace, **CLUSTER).server.start().close()
    return applied_keyspace


def test_cluster_without_a_quorum_is_refused(tmp_path: Path, cassandra_node: Nodes) -> None:
    place = Scene(tmp_path, cassandra_node, f"no_quorum_{os.getpid()}")
    settings = json.loads(place.config.read_text())
    place.configure(cassandra=settings["cassandra"] | {"replication": {DATA_CENTRE: 3}})
    status, output = place.schema("apply")
    assert status == 1
    assert "Cassandra has no quorum for a read, 1 of 2 replicas live: start the nodes" in output


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"cluster": {"id": "another"}}, "belongs to another Plexus cluster (end-to-end; here it is another)"),
        ({"server_name": "other.example"}, "holds the accounts and rooms of localhost: set server_name to that"),
        ({"cluster": {"id": "end-to-end", "room_shards": 16}}, "cluster.room_shards is 16, and the store was made"),
        ({"cassandra": {"keyspace": "nobodys"}}, "Cassandra has no keyspace 'nobodys'"),
        ({"cassandra": {"replication": {DATA_CENTRE: 3}}}, "cassandra.replication says {'datacenter1': '3'}"),
        ({"cassandra": {"local_data_centre": "elsewhere"}}, "only datacenter1: correct cassandra.local"),
        ({"cassandra": {"contact_points": ["127.0.0.1:1"]}}, "cannot connect to Cassandra at 127.0.0.1:1"),
    ],
)
def test_start_on_a_keyspace_that_does_not_fit_is_refused(
    tmp_path: Path, cassandra_node: Nodes, claimed_keyspace: str, changes: dict[str, Any], sentence: str
) -> None:
    place = Scene(tmp_path, cassandra_node, claimed_keyspace, **CLUSTER)
    settings = json.loads(place.config.read_text())
    if "cassandra" in changes:
        changes = {"cassandra": settings["cassandra"] | changes["cassandra"]}
    place.configure(**changes)
    with pytest.raises(RuntimeError, match="ended with 1") as ended:
        place.server.start()
    assert sentence in str(ended.value)
    wait_until("its bus has ended", lambda: not place.server.children(""))
