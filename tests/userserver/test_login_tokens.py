import asyncio

import pytest

from matrix_protocol.errors import Forbidden, UserLocked
from service_kit.access_tokens import Token, new_access_token, new_login_token
from service_kit.rpc.pb.user_commands_pb2 import (
    LoginWithToken,
    NewLoginToken,
    NewSession,
    SetModeration,
    UserReply,
)
from tests.userserver.cluster import ALICE, SHARDS, UserCluster

LIFETIME_MS = 120_000


async def new_token(cluster: UserCluster) -> Token:
    token = new_login_token(SHARDS.of_user(ALICE))
    command = NewLoginToken(user_id=ALICE, token_sha256=token.sha256, lifetime_ms=LIFETIME_MS)
    await cluster.send(ALICE, new_login_token=command)
    return token


async def log_in(cluster: UserCluster, token: Token) -> UserReply:
    session = NewSession(access_token_sha256=new_access_token(SHARDS.of_user(ALICE)).sha256)
    return await cluster.send(ALICE, login_with_token=LoginWithToken(token_sha256=token.sha256, session=session))


async def test_a_token_is_good_for_one_login_also_after_a_restart(cluster: UserCluster) -> None:
    await cluster.register()
    token = await new_token(cluster)
    await cluster.restart()
    assert (await log_in(cluster, token)).session.user_id == ALICE
    with pytest.raises(Forbidden):
        await log_in(cluster, token)
    await cluster.restart()
    with pytest.raises(Forbidden):
        await log_in(cluster, token)


async def test_of_many_who_use_a_token_at_once_one_logs_in(cluster: UserCluster) -> None:
    await cluster.register()
    token = await new_token(cluster)
    await cluster.restart()
    results = await asyncio.gather(*(log_in(cluster, token) for _ in range(5)), return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["Forbidden"] * 4 + ["UserReply"]


async def test_a_token_ends_by_itself(cluster: UserCluster) -> None:
    await cluster.register()
    token = await new_token(cluster)
    await cluster.clock.advance(LIFETIME_MS / 1000)
    with pytest.raises(Forbidden):
        await log_in(cluster, token)


async def test_a_locked_user_keeps_the_token_for_later(cluster: UserCluster) -> None:
    await cluster.register()
    token = await new_token(cluster)
    await cluster.send(ALICE, set_moderation=SetModeration(user_id=ALICE, locked=True))
    with pytest.raises(UserLocked):
        await log_in(cluster, token)
    with pytest.raises(UserLocked):
        await new_token(cluster)
    await cluster.send(ALICE, set_moderation=SetModeration(user_id=ALICE, locked=False))
    await log_in(cluster, token)
