"""What a shard holds in memory never differs from what was executed."""

import asyncio
import gc
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matrix_protocol.errors import Unavailable
from service_kit.rpc.pb.facts_pb2 import (
    AccountDataFact,
    AccountFact,
    AddressFact,
    ChoreDoneFact,
    ChoreFact,
    DeviceFact,
    Fact,
    FilterFact,
    LoginTokenFact,
    ProfileFact,
    ToDeviceContent,
    ToDeviceDeliveredFact,
    ToDeviceFact,
    ToDeviceTarget,
    TokenFact,
    ValidationFact,
)
from service_kit.rpc.pb.user_commands_pb2 import GetProfile, SetProfileField
from service_kit.shards import Shard
from service_kit.store.memory import MemoryStore
from tests.userserver.cluster import ALICE, UserCluster
from userserver import users
from userserver.tables import TABLES, writes_for

SHARD = Shard("user", 0)


async def test_a_user_dropped_from_memory_is_read_anew(cluster: UserCluster) -> None:
    await cluster.register()
    _, token, _ = await cluster.login()
    _drop_all(cluster)
    assert (await cluster.look_up(token)).user_id == ALICE


async def test_commands_on_a_user_dropped_at_once_see_each_other(cluster: UserCluster) -> None:
    await cluster.register()
    for number in range(20):
        value = str(number).encode()
        await cluster.send(
            ALICE, set_profile_field=SetProfileField(user_id=ALICE, field=f"x.f{number}", value_json=value)
        )
        _drop_all(cluster)  # before the tables have it, where they come later
    reply = await cluster.send(ALICE, get_profile=GetProfile(user_id=ALICE))
    assert reply.json.count(b"x.f") == 20


async def test_users_asked_for_at_the_same_time_are_one_object(cluster: UserCluster) -> None:
    await cluster.register()
    _drop_all(cluster)
    memory = _memories(cluster)[ALICE]
    loaded = await asyncio.gather(*(memory.load(ALICE) for _ in range(5)))
    assert len({id(user) for user in loaded}) == 1


async def test_commands_that_wait_for_a_user_end_when_the_memory_is_closed(cluster: UserCluster) -> None:
    memory = _memories(cluster)[ALICE]
    blocked = asyncio.Event()

    async def block(call: str) -> None:
        await blocked.wait()

    cluster.store.before_call = block
    waiting = asyncio.create_task(memory.load(ALICE))
    await asyncio.sleep(0)
    await memory.close()
    with pytest.raises(Unavailable):
        await waiting
    cluster.store.before_call = None
    blocked.set()


async def test_memory_is_bounded(cluster: UserCluster) -> None:
    memory = _memories(cluster)[ALICE]
    memory._recent = users.RecentUsers(users_max=10)
    for number in range(100):
        await memory.load(f"@user{number}:a.example")
    gc.collect()
    assert len(memory._alive) <= 11


def _memories(cluster: UserCluster) -> dict[str, users.Users]:
    owner = cluster.workers[-1].holder.owner_of(cluster.users.shards.of_user(ALICE))
    assert owner is not None
    return {ALICE: owner.domain._users}  # type: ignore[attr-defined]


def _drop_all(cluster: UserCluster) -> None:
    for memory in _memories(cluster).values():
        memory._recent.clear()
        # The owner still holds those of its last batch.
        memory._alive.clear()
        memory._by_token.clear()


_names = st.sampled_from(["A", "B"])
_hashes = st.sampled_from([b"1" * 32, b"2" * 32])
_bodies = st.one_of(
    st.builds(lambda h, a: {"account": AccountFact(password_hash=h, admin=a)}, st.text(max_size=3), st.booleans()),
    st.builds(
        lambda d, gone, t: {"device": DeviceFact(device_id=d, deleted=gone, revoked_sha256=t if gone else [])},
        _names,
        st.booleans(),
        st.lists(_hashes),
    ),
    st.builds(
        lambda t, d, gone: {"token": TokenFact(token_sha256=t, device_id=d, deleted=gone)},
        _hashes,
        _names,
        st.booleans(),
    ),
    st.builds(lambda j: {"profile": ProfileFact(profile_json=j)}, st.sampled_from([b"", b"{}", b'{"a":1}'])),
    st.builds(
        lambda r, t, c: {"account_data": AccountDataFact(room_id=r, type=t, content_json=c)},
        _names,
        _names,
        st.sampled_from([b"", b"{}"]),
    ),
    st.builds(
        lambda d, t: {
            "to_device": ToDeviceFact(
                contents=[ToDeviceContent(content_json=b"{}", targets=[ToDeviceTarget(device_id=d)])],
                transaction_sha256=t,
            )
        },
        _names,
        _hashes,
    ),
    st.builds(
        lambda d, p: {"to_device_delivered": ToDeviceDeliveredFact(device_id=d, positions=p)},
        _names,
        st.lists(st.integers(1, 12)),
    ),
    st.builds(
        lambda t, gone: {"login_token": LoginTokenFact(token_sha256=t, expires_at_ms=5, deleted=gone)},
        _hashes,
        st.booleans(),
    ),
    st.builds(
        lambda u: {"address": AddressFact(server_name="A", medium="B", address="A", user_id=u)},
        st.sampled_from(["", "@a:x", "@b:x"]),
    ),
    st.builds(lambda s, a: {"validation": ValidationFact(sid=s, address=a)}, st.sampled_from(["@a:x"]), st.just("a@x")),
    st.just({"chore": ChoreFact(expires_at_ms=5)}),
    st.builds(lambda p: {"chore_done": ChoreDoneFact(position=p)}, st.integers(1, 12)),
    st.builds(lambda f, j: {"filter": FilterFact(filter_id=f, filter_json=j)}, _names, st.sampled_from([b"", b"{}"])),
)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["@a:x", "@b:x"]), _bodies), max_size=12), st.integers(0, 12))
def test_redoing_facts_from_any_point_makes_the_same_tables(
    facts: list[tuple[str, dict[str, object]]], redone_from: int
) -> None:
    async def tables_after(orders: list[range]) -> list[object]:
        store = MemoryStore(TABLES)
        for order in orders:
            for position in order:
                user_id, body = facts[position]
                await store.write(writes_for(SHARD, position + 1, Fact(user_id=user_id, **body)))  # type: ignore[arg-type]
        return [
            await store.scan(table, partition, limit=100)
            for table in TABLES
            for partition in product(*(_KEYS[column.type.value] for column in table.columns[: table.partition_key]))
        ]

    everything = range(len(facts))
    again = range(min(redone_from, len(facts)), len(facts))
    assert asyncio.run(tables_after([everything])) == asyncio.run(tables_after([everything, again]))


_KEYS: dict[str, list[str | bytes | int]] = {
    "text": ["@a:x", "@b:x", "A", "B"],
    "blob": [b"1" * 32, b"2" * 32],
    "integer": [0],
}
