import asyncio
from typing import Any

import orjson
import pytest

from matrix_protocol.errors import LimitExceeded, NotFound, ProfileTooLarge, TooLarge
from matrix_protocol.push_rules import default_push_rules, set_enabled
from service_kit.limits import FILTERS_PER_USER_MAX, TAGS_PER_ROOM_MAX
from service_kit.rpc.pb.user_commands_pb2 import (
    ChangePushRule,
    DeactivateUser,
    GetAccountData,
    GetFilter,
    GetProfile,
    SaveFilter,
    SetAccountData,
    SetProfileField,
    SetTag,
    UserReply,
)
from service_kit.rpc.pb.user_queries_pb2 import AccountDataEntry, AccountDataRequest
from tests.userserver.cluster import ALICE, BOB, UserCluster
from userserver import account_data
from userserver.filters import filter_id_of
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
    change = ChangePushRule(user_id=ALICE, kind="override", rule_id=".m.rule.master", set_enabled=True)
    await cluster.send(ALICE, change_push_rule=change)
    changed = (await cluster.send(ALICE, get_account_data=request)).json
    assert orjson.loads(changed) == set_enabled(default_push_rules(ALICE), "override", ".m.rule.master", True)
    assert [entry.content_json for entry in await _account_data(cluster)] == [changed]
    shorter = SetAccountData(user_id=ALICE, room_id="", type="m.push_rules", content_json=b"{}")
    await cluster.send(ALICE, set_account_data=shorter)  # as an older version of the specification has left it
    assert (await cluster.send(ALICE, get_account_data=request)).json == rules
    assert [entry.content_json for entry in await _account_data(cluster)] == [rules]


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


async def _tag(cluster: UserCluster, tag: str, content_json: bytes = b"{}", room_id: str = "!room") -> None:
    await cluster.send(ALICE, set_tag=SetTag(user_id=ALICE, room_id=room_id, tag=tag, content_json=content_json))


async def _tags(cluster: UserCluster, room_id: str = "!room") -> Any:
    request = GetAccountData(user_id=ALICE, room_id=room_id, type="m.tag")
    return orjson.loads((await cluster.send(ALICE, get_account_data=request)).json)["tags"]


async def test_tags_set_at_the_same_time_do_not_undo_each_other(cluster: UserCluster) -> None:
    await asyncio.gather(*(_tag(cluster, f"u.{number}", b'{"order":0.5}') for number in range(20)))
    assert await _tags(cluster) == {f"u.{number}": {"order": 0.5} for number in range(20)}
    await cluster.restart()
    await asyncio.gather(_tag(cluster, "u.0", b""), _tag(cluster, "u.1"), _tag(cluster, "u.unknown", b""))
    assert await _tags(cluster) == {"u.1": {}, **{f"u.{number}": {"order": 0.5} for number in range(2, 20)}}


async def test_a_room_has_a_bounded_number_of_tags(cluster: UserCluster) -> None:
    for number in range(TAGS_PER_ROOM_MAX):
        await _tag(cluster, f"u.{number}")
    with pytest.raises(TooLarge):
        await _tag(cluster, "u.more")
    await _tag(cluster, "u.0", b'{"order":1}')
    await _tag(cluster, "u.more", room_id="!other")


async def test_account_data_of_a_user_is_bounded_in_number(
    cluster: UserCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account_data, "ACCOUNT_DATA_ENTRIES_MAX", 3)
    for number in range(3):
        await _set_data(cluster, f"t{number}", b"{}")
    with pytest.raises(TooLarge):
        await _set_data(cluster, "t3", b"{}")
    await cluster.restart()
    with pytest.raises(TooLarge):
        await _set_data(cluster, "t3", b"{}")
    await _set_data(cluster, "t2", b'{"changed":1}')
    data = SetAccountData(user_id=BOB, type="t", content_json=b"{}")
    await cluster.send(BOB, set_account_data=data)


async def test_account_data_of_a_user_is_bounded_in_bytes(
    cluster: UserCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account_data, "ACCOUNT_DATA_BYTES_MAX", 100)
    await _set_data(cluster, "a", b'"%b"' % (b"x" * 60))
    with pytest.raises(TooLarge):
        await _set_data(cluster, "b", b'"%b"' % (b"x" * 60))
    await _set_data(cluster, "a", b"{}")
    await _set_data(cluster, "b", b'"%b"' % (b"x" * 60))
    monkeypatch.setattr(account_data, "ACCOUNT_DATA_BYTES_MAX", 10)
    await _set_data(cluster, "b", b'"%b"' % (b"x" * 30))  # still too much, but less


async def test_what_was_erased_is_not_brought_back_by_a_later_change(cluster: UserCluster) -> None:
    await cluster.register()
    await _tag(cluster, "u.old")
    await cluster.send(ALICE, deactivate_user=DeactivateUser(user_id=ALICE, erase=True))
    await _tag(cluster, "u.new")
    assert await _tags(cluster) == {"u.new": {}}


async def _set_data(cluster: UserCluster, event_type: str, content_json: bytes) -> None:
    data = SetAccountData(user_id=ALICE, type=event_type, content_json=content_json)
    await cluster.send(ALICE, set_account_data=data)
