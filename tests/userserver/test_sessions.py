import asyncio

import pytest

from matrix_protocol.errors import Forbidden, UnknownToken
from service_kit.access_tokens import new_access_token
from service_kit.ledger.tables import LEDGER
from service_kit.rpc.pb.user_commands_pb2 import DeleteDevices, ListDevices, Logout, UpdateDevice
from tests.userserver.cluster import ALICE, SHARDS, UserCluster
from userserver import sessions
from userserver.tables import TOKENS, TOKENS_BY_USER


async def test_an_unknown_token_is_refused(cluster: UserCluster) -> None:
    with pytest.raises(UnknownToken):
        await cluster.look_up(new_access_token(SHARDS.of_user(ALICE)))


async def test_a_login_with_the_same_device_id_replaces_its_tokens(cluster: UserCluster) -> None:
    await cluster.register()
    _, old, old_refresh = await cluster.login(device_id="PHONE", lifetime_ms=1000)
    _, other, _ = await cluster.login(device_id="LAPTOP")
    _, new, _ = await cluster.login(device_id="PHONE")
    for token in (old, old_refresh):
        with pytest.raises(UnknownToken):
            await cluster.look_up(token)
    assert (await cluster.look_up(new)).device_id == "PHONE"
    assert (await cluster.look_up(other)).device_id == "LAPTOP"


async def test_logging_out_removes_the_device_and_tells_everybody_before_the_answer(cluster: UserCluster) -> None:
    await cluster.register()
    await cluster.listen_for_revoked_tokens()
    session, token, refresh = await cluster.login(lifetime_ms=1000)
    _, other, _ = await cluster.login()
    await cluster.send(ALICE, logout=Logout(user_id=ALICE, device_id=session.device_id))
    assert set(cluster.revoked) == {token.sha256, refresh.sha256}
    with pytest.raises(UnknownToken):
        await cluster.look_up(token)
    devices = (await cluster.send(ALICE, list_devices=ListDevices(user_id=ALICE))).devices
    assert session.device_id not in [device.device_id for device in devices]
    assert (await cluster.look_up(other)).user_id == ALICE


async def test_logging_out_everywhere_leaves_no_token(cluster: UserCluster) -> None:
    await cluster.register()
    tokens = [(await cluster.login())[1] for _ in range(5)]
    await cluster.send(ALICE, logout=Logout(user_id=ALICE, all_devices=True))
    for token in tokens:
        with pytest.raises(UnknownToken):
            await cluster.look_up(token)
    await cluster.clock.advance(0.01)
    assert await cluster.store.scan(TOKENS_BY_USER, (ALICE,), limit=10) == []
    assert [await cluster.store.get(TOKENS, (token.sha256,)) for token in tokens] == [None] * 5


async def test_devices_are_listed_named_and_removed(cluster: UserCluster) -> None:
    await cluster.register()
    for device_id in ("A", "B", "C"):
        await cluster.login(device_id=device_id)
    await cluster.send(ALICE, update_device=UpdateDevice(user_id=ALICE, device_id="B", display_name="Laptop"))
    await cluster.send(ALICE, update_device=UpdateDevice(user_id=ALICE, device_id="B"))
    await cluster.send(ALICE, delete_devices=DeleteDevices(user_id=ALICE, device_ids=["A", "unknown"]))
    devices = (await cluster.send(ALICE, list_devices=ListDevices(user_id=ALICE))).devices
    assert [(device.device_id, device.display_name) for device in devices] == [("B", "Laptop"), ("C", "")]
    for command in (ListDevices(user_id=ALICE, device_id="A"),):
        with pytest.raises(Exception, match="M_NOT_FOUND"):
            await cluster.send(ALICE, list_devices=command)
    with pytest.raises(Exception, match="M_NOT_FOUND"):
        await cluster.send(ALICE, update_device=UpdateDevice(user_id=ALICE, device_id="A", display_name="x"))


async def test_an_expired_token_is_a_soft_logout_and_can_be_refreshed(cluster: UserCluster) -> None:
    await cluster.register()
    session, access, refresh = await cluster.login(lifetime_ms=60_000)
    assert session.expires_in_ms == 60_000
    assert not (await cluster.look_up(access)).soft_logged_out
    await cluster.clock.advance(60)
    assert (await cluster.look_up(access)).soft_logged_out
    new_access, _ = await cluster.refresh(refresh)
    owner = await cluster.look_up(new_access)
    assert (owner.device_id, owner.soft_logged_out) == (session.device_id, False)


async def test_the_old_refresh_token_works_until_a_new_token_is_used(cluster: UserCluster) -> None:
    await cluster.register()
    await cluster.listen_for_revoked_tokens()
    _, access, refresh = await cluster.login(lifetime_ms=60_000)
    lost_access, lost_refresh = await cluster.refresh(refresh)  # say the client never got this answer
    assert (await cluster.look_up(access)).user_id == ALICE
    new_access, new_refresh = await cluster.refresh(refresh)
    assert set(cluster.revoked) == {lost_access.sha256, lost_refresh.sha256}
    await cluster.look_up(new_access)
    assert {access.sha256, refresh.sha256} <= set(cluster.revoked)
    with pytest.raises(UnknownToken):
        await cluster.refresh(refresh)
    for token in (access, lost_access):
        with pytest.raises(UnknownToken):
            await cluster.look_up(token)
    await cluster.refresh(new_refresh)


async def test_using_the_new_refresh_token_revokes_the_old_one(cluster: UserCluster) -> None:
    await cluster.register()
    _, access, refresh = await cluster.login(lifetime_ms=60_000)
    _, second = await cluster.refresh(refresh)
    third_access, _ = await cluster.refresh(second)
    for token in (refresh,):
        with pytest.raises(UnknownToken):
            await cluster.refresh(token)
    with pytest.raises(UnknownToken):
        await cluster.look_up(access)
    assert (await cluster.look_up(third_access)).user_id == ALICE


async def test_an_access_token_does_not_refresh_and_a_refresh_token_gives_no_access(cluster: UserCluster) -> None:
    await cluster.register()
    _, access, refresh = await cluster.login(lifetime_ms=60_000)
    with pytest.raises(UnknownToken):
        await cluster.refresh(access)
    with pytest.raises(UnknownToken):
        await cluster.look_up(refresh)


async def test_a_device_never_has_more_than_four_tokens(cluster: UserCluster) -> None:
    await cluster.register()
    _, _, refresh = await cluster.login(lifetime_ms=60_000)
    for number in range(8):
        access, new_refresh = await cluster.refresh(refresh)
        if number % 3 == 0:
            await cluster.look_up(access)
        if number % 3 != 1:
            refresh = new_refresh
        await cluster.clock.advance(0.01)
        assert len(await cluster.store.scan(TOKENS_BY_USER, (ALICE,), limit=10)) <= 4


async def test_accounts_and_tokens_survive_a_crash(cluster: UserCluster) -> None:
    await cluster.register()
    session, access, refresh = await cluster.login(lifetime_ms=60_000)
    _, gone, _ = await cluster.login(device_id="GONE")
    await cluster.send(ALICE, logout=Logout(user_id=ALICE, device_id="GONE"))
    await cluster.restart()
    assert (await cluster.look_up(access)).device_id == session.device_id
    with pytest.raises(UnknownToken):
        await cluster.look_up(gone)
    new_access, _ = await cluster.refresh(refresh)
    await cluster.restart()
    await cluster.look_up(new_access)
    with pytest.raises(UnknownToken):
        await cluster.look_up(access)
    await cluster.login()


async def test_a_second_worker_takes_over_accounts_and_tokens(cluster: UserCluster) -> None:
    await cluster.register()
    _, access, _ = await cluster.login()
    await cluster.start_worker()
    first, second = cluster.workers
    draining = asyncio.create_task(first.drain())
    await cluster.clock.advance(2)
    await draining
    await second.holder.balance()
    assert len(second.holder.owned_shards) == SHARDS.user_shards
    assert (await cluster.look_up(access)).user_id == ALICE


async def test_the_ledger_holds_no_token(cluster: UserCluster) -> None:
    await cluster.register()
    _, access, refresh = await cluster.login(lifetime_ms=60_000)
    new_access, new_refresh = await cluster.refresh(refresh)
    shard = SHARDS.of_user(ALICE)
    rows = await cluster.store.scan(LEDGER, (str(shard), 0), limit=100)
    assert rows
    for token in (access, refresh, new_access, new_refresh):
        assert not any(token.text.encode() in row.fact for row in rows)


async def test_an_account_cannot_have_devices_without_end(
    cluster: UserCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "DEVICES_PER_USER_MAX", 3)
    await cluster.register()
    for device_id in ("A", "B", "C"):
        await cluster.login(device_id=device_id)
    with pytest.raises(Forbidden, match="3 devices"):
        await cluster.login()
    await cluster.login(device_id="A")
