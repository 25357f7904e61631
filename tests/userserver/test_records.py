import orjson
import pytest

from matrix_protocol.errors import LimitExceeded, NotFound, ProfileTooLarge
from matrix_protocol.push_rules import default_push_rules
from service_kit.rpc.pb.user_commands_pb2 import (
    GetAccountData,
    GetFilter,
    GetProfile,
    SaveFilter,
    SetAccountData,
    SetProfileField,
    UserReply,
)
from service_kit.rpc.pb.user_queries_pb2 import AccountDataEntry, AccountDataRequest
from tests.userserver.cluster import ALICE, BOB, UserCluster
from userserver.filters import FILTERS_PER_USER_MAX, filter_id_of
from userserver.queries import CHUNK_BYTES


async def _set_field(cluster: UserCluster, field: str, value: object) -> UserReply:
    command = SetProfileField(user_id=ALICE, field=field, value_json=orjson.dumps(value))
    return await cluster.send(ALICE, set_profile_field=command)


async def _profile(cluster: UserCluster, user_id: str = ALICE) -> object:
    return orjson.loads((await cluster.send(user_id, get_profile=GetProfile(user_id=user_id))).json)


async def test_profile_fields_are_set_and_removed_one_by_one(cluster: UserCluster) -> None:
    await cluster.register()
    assert await _profile(cluster) == {}
    reply = await _set_field(cluster, "displayname", "Alice")
    assert reply.matched
    assert orjson.loads(reply.json) == {"displayname": "Alice"}
    assert not (await _set_field(cluster, "displayname", "Alice")).matched
    await _set_field(cluster, "org.example.job", {"title": "baker", "since": None})
    await cluster.restart()
    assert await _profile(cluster) == {"displayname": "Alice", "org.example.job": {"title": "baker", "since": None}}
    await cluster.send(ALICE, set_profile_field=SetProfileField(user_id=ALICE, field="displayname", remove=True))
    assert await _profile(cluster) == {"org.example.job": {"title": "baker", "since": None}}


async def test_values_that_python_takes_for_equal_are_different(cluster: UserCluster) -> None:
    await cluster.register()
    await _set_field(cluster, "org.example.flag", 1)
    assert (await _set_field(cluster, "org.example.flag", True)).matched


async def test_a_profile_stays_below_64_kib(cluster: UserCluster) -> None:
    await cluster.register()
    await _set_field(cluster, "org.example.a", "x" * 40_000)
    with pytest.raises(ProfileTooLarge):
        await _set_field(cluster, "org.example.b", "x" * 40_000)
    await _set_field(cluster, "org.example.a", "")
    await _set_field(cluster, "org.example.b", "x" * 40_000)


async def test_who_has_no_account_has_no_profile(cluster: UserCluster) -> None:
    with pytest.raises(NotFound):
        await _profile(cluster, BOB)


async def _account_data(cluster: UserCluster, **request: int) -> list[AccountDataEntry]:
    chunks = cluster.workers[0].queries.get_account_data(AccountDataRequest(user_id=ALICE, **request))
    return [entry async for chunk in chunks for entry in chunk.entries]


async def test_account_data_is_kept_by_room_and_type(cluster: UserCluster) -> None:
    for room_id, content in (("", b'{"a":1}'), ("!room", b'{"a":2}'), ("!room", b'{"a":3}')):
        data = SetAccountData(user_id=ALICE, room_id=room_id, type="m.direct", content_json=content)
        await cluster.send(ALICE, set_account_data=data)
    for room_id, content in (("", b'{"a":1}'), ("!room", b'{"a":3}')):
        request = GetAccountData(user_id=ALICE, room_id=room_id, type="m.direct")
        assert (await cluster.send(ALICE, get_account_data=request)).json == content
    with pytest.raises(NotFound):
        await cluster.send(ALICE, get_account_data=GetAccountData(user_id=ALICE, type="m.other"))
    with pytest.raises(NotFound):
        await cluster.send(BOB, get_account_data=GetAccountData(user_id=BOB, type="m.direct"))
    entries = await _account_data(cluster)
    kept = [("", b'{"a":1}'), ("!room", b'{"a":3}')]
    assert [(entry.room_id, entry.content_json) for entry in entries if entry.type == "m.direct"] == kept
    after = await _account_data(cluster, after_position=entries[0].position)
    assert [entry.room_id for entry in after] == ["!room"]


async def test_much_account_data_comes_in_chunks(cluster: UserCluster) -> None:
    content = orjson.dumps({"x": "y" * (CHUNK_BYTES // 3)})
    for number in range(7):
        data = SetAccountData(user_id=ALICE, room_id="", type=f"t{number}", content_json=content)
        await cluster.send(ALICE, set_account_data=data)
    await cluster.clock.advance(0.01)
    chunks = cluster.workers[0].queries.get_account_data(AccountDataRequest(user_id=ALICE))
    sizes = [len(chunk.entries) async for chunk in chunks]
    assert sizes == [3, 3, 2]  # the last one with the push rules


async def test_who_has_changed_no_push_rule_has_the_predefined_ones(cluster: UserCluster) -> None:
    request = GetAccountData(user_id=ALICE, type="m.push_rules")
    rules = (await cluster.send(ALICE, get_account_data=request)).json
    assert orjson.loads(rules) == default_push_rules(ALICE)
    (entry,) = await _account_data(cluster)
    assert (entry.room_id, entry.type, entry.content_json) == ("", "m.push_rules", rules)
    changed = SetAccountData(user_id=ALICE, room_id="", type="m.push_rules", content_json=b"{}")
    await cluster.send(ALICE, set_account_data=changed)
    assert (await cluster.send(ALICE, get_account_data=request)).json == b"{}"
    assert [entry.content_json for entry in await _account_data(cluster)] == [b"{}"]


async def test_the_same_filter_has_the_same_id(cluster: UserCluster) -> None:
    save = SaveFilter(user_id=ALICE, filter_json=b'{"room":{}}')
    first = (await cluster.send(ALICE, save_filter=save)).filter_id
    again = (await cluster.send(ALICE, save_filter=save)).filter_id
    other = (await cluster.send(ALICE, save_filter=SaveFilter(user_id=ALICE, filter_json=b"{}"))).filter_id
    assert first == again != other
    assert not first.startswith("{")
    assert (await cluster.send(ALICE, get_filter=GetFilter(user_id=ALICE, filter_id=first))).json == b'{"room":{}}'
    with pytest.raises(NotFound):
        await cluster.send(BOB, get_filter=GetFilter(user_id=BOB, filter_id=first))


async def test_a_user_cannot_fill_the_store_with_filters(cluster: UserCluster) -> None:
    for number in range(FILTERS_PER_USER_MAX):
        save = SaveFilter(user_id=ALICE, filter_json=b'{"n":%d}' % number)
        await cluster.send(ALICE, save_filter=save)
    await cluster.clock.advance(0.01)
    with pytest.raises(LimitExceeded):
        await cluster.send(ALICE, save_filter=SaveFilter(user_id=ALICE, filter_json=b"{}"))
    known = SaveFilter(user_id=ALICE, filter_json=b'{"n":7}')
    assert (await cluster.send(ALICE, save_filter=known)).filter_id == filter_id_of(b'{"n":7}')
