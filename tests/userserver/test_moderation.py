import pytest

from matrix_protocol.errors import Forbidden, NotFound, UserLocked
from service_kit.bus.interface import Message
from service_kit.bus.streams import TOKEN_REVOKED
from service_kit.rpc.pb.facts_pb2 import TokenRevoked
from service_kit.rpc.pb.user_commands_pb2 import (
    Account,
    DeactivateUser,
    GetAccount,
    RegisterUser,
    SetModeration,
)
from tests.userserver.cluster import ALICE, BOB, UserCluster


async def account(cluster: UserCluster) -> Account:
    return (await cluster.send(ALICE, get_account=GetAccount(user_id=ALICE))).account


async def moderate(cluster: UserCluster, **what: bool) -> Account:
    return (await cluster.send(ALICE, set_moderation=SetModeration(user_id=ALICE, **what))).account


async def test_locked_and_suspended_are_set_by_themselves_and_stay_over_a_restart(cluster: UserCluster) -> None:
    await cluster.register()
    assert (await account(cluster)) == Account(user_id=ALICE)
    await moderate(cluster, locked=True)
    await moderate(cluster, suspended=True)
    await cluster.restart()
    both = await account(cluster)
    assert (both.locked, both.suspended) == (True, True)
    await moderate(cluster, locked=False)
    after = await account(cluster)
    assert (after.locked, after.suspended) == (False, True)


async def test_tokens_of_a_locked_user_are_kept_and_say_so(cluster: UserCluster) -> None:
    await cluster.register()
    _, token, _ = await cluster.login()
    await moderate(cluster, locked=True)
    assert (await cluster.look_up(token)).locked
    await moderate(cluster, locked=False, suspended=True)
    owner = await cluster.look_up(token)
    assert (owner.locked, owner.suspended) == (False, True)


async def test_a_locked_user_gets_no_new_token_in_any_way(cluster: UserCluster) -> None:
    await cluster.register()
    _, _, refresh_token = await cluster.login(lifetime_ms=60_000)
    await moderate(cluster, locked=True)
    with pytest.raises(UserLocked) as refused:
        await cluster.login()
    assert refused.value.body()["soft_logout"] is True
    with pytest.raises(UserLocked):
        await cluster.refresh(refresh_token)
    with pytest.raises(Forbidden):
        await cluster.login(password="wrong")
    await moderate(cluster, locked=False)
    await cluster.refresh(refresh_token)


async def test_everybody_is_told_before_the_answer_and_only_of_changes(cluster: UserCluster) -> None:
    told: list[TokenRevoked] = []

    async def remember(message: Message) -> None:
        told.append(TokenRevoked.FromString(message.payload))

    await cluster.hub.connect().subscribe(TOKEN_REVOKED, remember)
    await cluster.register()
    await cluster.login()
    for _ in range(2):
        await moderate(cluster, suspended=True)
    assert told == [TokenRevoked(user_id=ALICE, account_changed=True)]


async def test_administrators_and_the_deactivated_are_not_moderated(cluster: UserCluster) -> None:
    with pytest.raises(NotFound):
        await moderate(cluster, locked=True)
    await cluster.register()
    await cluster.send(ALICE, deactivate_user=DeactivateUser(user_id=ALICE))
    with pytest.raises(NotFound):
        await moderate(cluster, locked=True)
    await cluster.send(BOB, register_user=RegisterUser(user_id=BOB, password="correct horse", admin=True))
    with pytest.raises(Forbidden):
        await cluster.send(BOB, set_moderation=SetModeration(user_id=BOB, locked=True))
