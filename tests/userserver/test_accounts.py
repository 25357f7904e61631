import asyncio

import pytest

from matrix_protocol.errors import Forbidden, NotFound, UserDeactivated, UserInUse
from service_kit.config import PasswordSettings
from service_kit.ledger.tables import LEDGER
from service_kit.rpc.pb.user_commands_pb2 import (
    CheckPassword,
    CheckUsername,
    DeactivateUser,
    GetAccountData,
    ListUsers,
    RegisterUser,
    SetAccountData,
    SetPassword,
    SetProfileField,
    UserCommand,
)
from tests.userserver.cluster import ALICE, BOB, SHARDS, UserCluster
from userserver.tables import ACCOUNT_DATA, ACCOUNTS, PROFILES


async def test_a_registered_user_can_log_in(cluster: UserCluster) -> None:
    await cluster.register()
    session, token, _ = await cluster.login()
    assert session.user_id == ALICE
    assert len(session.device_id) == 10
    owner = await cluster.look_up(token)
    assert (owner.user_id, owner.device_id, owner.soft_logged_out) == (ALICE, session.device_id, False)


async def test_a_user_id_is_given_out_once(cluster: UserCluster) -> None:
    await cluster.register()
    with pytest.raises(UserInUse):
        await cluster.register(password="another one")
    with pytest.raises(UserInUse):
        await cluster.send(ALICE, check_username=CheckUsername(user_id=ALICE))
    await cluster.send(BOB, check_username=CheckUsername(user_id=BOB))


async def test_of_two_who_register_the_same_name_at_once_one_gets_it(cluster: UserCluster) -> None:
    results = await asyncio.gather(
        *(cluster.register(password=f"password {n}") for n in range(4)), return_exceptions=True
    )
    assert sorted(type(result).__name__ for result in results) == ["UserInUse"] * 3 + ["UserReply"]


async def test_wrong_password_and_unknown_user_are_refused_in_the_same_words(cluster: UserCluster) -> None:
    await cluster.register()
    with pytest.raises(Forbidden) as wrong:
        await cluster.login(password="wrong")
    with pytest.raises(Forbidden) as unknown:
        await cluster.login(BOB)
    assert wrong.value.message == unknown.value.message


async def test_an_account_without_password_cannot_be_logged_into(cluster: UserCluster) -> None:
    await cluster.register(password="")
    with pytest.raises(Forbidden):
        await cluster.login(password="")


async def test_the_ledger_and_the_tables_hold_no_password(cluster: UserCluster) -> None:
    await cluster.register(password="tellnobody")
    await cluster.login(password="tellnobody")
    await cluster.clock.advance(0.01)  # the tables may come a moment later
    facts = await cluster.store.scan(LEDGER, (str(SHARDS.of_user(ALICE)), 0), limit=100)
    row = await cluster.store.get(ACCOUNTS, (ALICE,))
    assert facts
    assert "tellnobody" not in repr([facts, row])
    assert row is not None
    assert row.password_hash.startswith("$argon2id$")


async def test_a_password_is_hashed_anew_when_the_parameters_have_changed(cluster: UserCluster) -> None:
    await cluster.register()
    await cluster.stop()
    cluster.workers.clear()
    await cluster.clock.advance(10)
    await cluster.start_worker(PasswordSettings(argon2_memory_kib=16, argon2_iterations=2))
    await cluster.login()
    await cluster.clock.advance(0.01)  # the tables may come a moment later
    row = await cluster.store.get(ACCOUNTS, (ALICE,))
    assert row is not None
    assert "m=16,t=2,p=1" in row.password_hash
    await cluster.login()


async def test_check_password_tells_right_from_wrong(cluster: UserCluster) -> None:
    await cluster.register()
    for password, matched in (("correct horse", True), ("wrong", False)):
        reply = await cluster.send(ALICE, check_password=CheckPassword(user_id=ALICE, password=password))
        assert reply.matched is matched


async def test_changing_the_password_logs_other_devices_out(cluster: UserCluster) -> None:
    await cluster.register()
    kept, kept_token, _ = await cluster.login()
    _, other_token, _ = await cluster.login()
    command = SetPassword(user_id=ALICE, password="new one", logout_devices=True, keep_device_id=kept.device_id)
    await cluster.send(ALICE, set_password=command)
    assert (await cluster.look_up(kept_token)).device_id == kept.device_id
    with pytest.raises(Exception, match="M_UNKNOWN_TOKEN"):
        await cluster.look_up(other_token)
    with pytest.raises(Forbidden):
        await cluster.login()
    await cluster.login(password="new one")


async def test_changing_the_password_can_leave_other_devices_alone(cluster: UserCluster) -> None:
    await cluster.register()
    _, token, _ = await cluster.login()
    await cluster.send(ALICE, set_password=SetPassword(user_id=ALICE, password="new one"))
    assert (await cluster.look_up(token)).user_id == ALICE


async def test_a_deactivated_user_has_no_tokens_and_cannot_log_in(cluster: UserCluster) -> None:
    await cluster.register()
    _, token, _ = await cluster.login()
    await cluster.send(ALICE, deactivate_user=DeactivateUser(user_id=ALICE))
    with pytest.raises(Exception, match="M_UNKNOWN_TOKEN"):
        await cluster.look_up(token)
    with pytest.raises(UserDeactivated):
        await cluster.login()
    with pytest.raises(Forbidden):
        await cluster.login(password="wrong")
    with pytest.raises(UserInUse):
        await cluster.register()
    with pytest.raises(NotFound):
        await cluster.send(ALICE, set_password=SetPassword(user_id=ALICE, password="new one"))


async def test_erasing_removes_password_profile_and_account_data(cluster: UserCluster) -> None:
    await cluster.register()
    field = SetProfileField(user_id=ALICE, field="displayname", value_json=b'"Alice"')
    await cluster.send(ALICE, set_profile_field=field)
    for number in range(450):  # more than one command removes
        data = SetAccountData(user_id=ALICE, room_id="", type=f"t{number}", content_json=b"{}")
        await cluster.send(ALICE, set_account_data=data)
    erase = UserCommand(deactivate_user=DeactivateUser(user_id=ALICE, erase=True))
    assert (await cluster.users.user(ALICE, erase)).more
    assert not (await cluster.users.user(ALICE, erase)).more
    with pytest.raises(Forbidden):
        await cluster.login()
    with pytest.raises(NotFound):
        await cluster.send(ALICE, get_account_data=GetAccountData(user_id=ALICE, type="t1"))
    await cluster.clock.advance(0.01)  # the tables may come a moment later
    assert await cluster.store.get(PROFILES, (ALICE,)) is None
    assert await cluster.store.scan(ACCOUNT_DATA, (ALICE,), limit=10) == []


async def test_users_of_a_shard_are_listed_page_by_page(cluster: UserCluster) -> None:
    names = sorted(f"@user{number}:a.example" for number in range(20))
    for name in names:
        await cluster.send(name, register_user=RegisterUser(user_id=name, admin=name.endswith("7:a.example")))
    found: list[str] = []
    for shard in SHARDS.all_of("user"):
        after = ""
        while True:
            command = UserCommand(list_users=ListUsers(after_user_id=after, limit=3))
            page = (await cluster.users.shard(shard, "", command)).users
            if not page:
                break
            assert all(user.admin == user.user_id.endswith("7:a.example") for user in page)
            found += [user.user_id for user in page]
            after = page[-1].user_id
    assert sorted(found) == names
