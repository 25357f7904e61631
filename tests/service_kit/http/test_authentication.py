from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from matrix_protocol.errors import MissingToken, Unavailable, UnknownToken
from service_kit.access_tokens import new_access_token, token_sha256
from service_kit.bus.memory import MemoryBus
from service_kit.bus.streams import TOKEN_REVOKED
from service_kit.clock import ManualClock
from service_kit.http import authentication
from service_kit.http.authentication import CALLER_TTL_S, REFUSAL_TTL_S, Authentication, access_token_of
from service_kit.http.request import Request
from service_kit.rpc.pb.facts_pb2 import TokenRevoked
from service_kit.rpc.pb.user_commands_pb2 import TokenOwner, UserCommand, UserReply
from service_kit.shards import USER, Shard, ShardMap

SHARDS = ShardMap(8, 8)
SHARD = Shard(USER, 5)
TOKEN = new_access_token(SHARD).text


class Userserver:
    """Knows tokens, and counts how often it is asked."""

    def __init__(self) -> None:
        self.owners = {token_sha256(TOKEN): TokenOwner(user_id="@a:b", device_id="D")}
        self.asked: list[Shard] = []
        self.before_answer: Callable[[], Awaitable[object]] | None = None
        self.error: Exception | None = None

    async def shard(self, shard: Shard, key: str, body: UserCommand, *, timeout_s: float = 30.0) -> UserReply:
        self.asked.append(shard)
        owner = self.owners.get(body.look_up_token.token_sha256)
        if self.before_answer is not None:
            await self.before_answer()
        if self.error is not None:
            raise self.error
        if owner is None:
            raise UnknownToken("unknown")
        return UserReply(token_owner=owner)


class Scene:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.users = Userserver()
        self.bus = MemoryBus().connect()
        self.authentication = Authentication(self.users, self.bus, SHARDS, self.clock)

    async def revoke(self, token: str) -> None:
        await self.bus.publish(TOKEN_REVOKED, TokenRevoked(token_sha256=[token_sha256(token)]).SerializeToString())
        await self.bus.flush()
        await asyncio.sleep(0)
        await asyncio.sleep(0)


@pytest.fixture
async def scene() -> Scene:
    made = Scene()
    await made.authentication.start()
    return made


async def test_caller_is_looked_up_at_the_shard_that_the_token_names_and_then_known(scene: Scene) -> None:
    caller = await scene.authentication.caller_of(TOKEN)
    assert (caller.user_id, caller.device_id) == ("@a:b", "D")
    assert scene.authentication.cached(TOKEN) == caller
    await scene.authentication.caller_of(TOKEN)
    assert scene.users.asked == [SHARD]


async def test_caller_is_asked_for_again_after_a_minute(scene: Scene) -> None:
    await scene.authentication.caller_of(TOKEN)
    await scene.clock.advance(CALLER_TTL_S + 1)
    assert scene.authentication.cached(TOKEN) is None


async def test_caller_is_forgotten_when_the_token_expires(scene: Scene) -> None:
    scene.users.owners[token_sha256(TOKEN)].expires_at_ms = scene.clock.now_ms() + 5000
    await scene.authentication.caller_of(TOKEN)
    await scene.clock.advance(4)
    assert scene.authentication.cached(TOKEN) is not None
    await scene.clock.advance(1)
    assert scene.authentication.cached(TOKEN) is None


async def test_many_who_ask_at_once_share_one_question(scene: Scene) -> None:
    callers = await asyncio.gather(*(scene.authentication.caller_of(TOKEN) for _ in range(20)))
    assert len(set(callers)) == 1
    assert len(scene.users.asked) == 1


async def test_one_who_goes_away_does_not_take_the_answer_from_the_others(scene: Scene) -> None:
    gate = asyncio.Event()
    scene.users.before_answer = gate.wait
    first, second = (asyncio.create_task(scene.authentication.caller_of(TOKEN)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    gate.set()
    assert (await second).user_id == "@a:b"
    with pytest.raises(asyncio.CancelledError):
        await first


@pytest.mark.parametrize(
    "token",
    ["", "x", "plx_5_short", "plx_99_" + "a" * 43, "syt_abc_def", "plr_5_" + "a" * 43, "plx_5_" + "é" * 43],
)
async def test_impossible_token_is_refused_without_asking(scene: Scene, token: str) -> None:
    with pytest.raises(UnknownToken) as refused:
        await scene.authentication.caller_of(token)
    assert refused.value.extra == {"soft_logout": False}
    assert scene.users.asked == []


async def test_refusal_is_remembered_for_a_second_only(scene: Scene) -> None:
    token = new_access_token(SHARD).text
    for _ in range(3):
        with pytest.raises(UnknownToken):
            await scene.authentication.caller_of(token)
    assert len(scene.users.asked) == 1
    scene.users.owners[token_sha256(token)] = TokenOwner(user_id="@new:b")
    await scene.clock.advance(REFUSAL_TTL_S + 0.1)
    assert (await scene.authentication.caller_of(token)).user_id == "@new:b"


async def test_expired_token_of_a_device_that_is_still_there_is_a_soft_logout(scene: Scene) -> None:
    scene.users.owners[token_sha256(TOKEN)].soft_logged_out = True
    for _ in range(2):
        with pytest.raises(UnknownToken) as refused:
            await scene.authentication.caller_of(TOKEN)
        assert refused.value.extra == {"soft_logout": True}


async def test_userserver_that_is_away_is_no_refusal(scene: Scene) -> None:
    scene.users.error = Unavailable("moving")
    with pytest.raises(Unavailable):
        await scene.authentication.caller_of(TOKEN)
    scene.users.error = None
    assert (await scene.authentication.caller_of(TOKEN)).user_id == "@a:b"


async def test_revoked_token_is_forgotten(scene: Scene) -> None:
    await scene.authentication.caller_of(TOKEN)
    await scene.revoke(TOKEN)
    assert scene.authentication.cached(TOKEN) is None


async def test_a_token_that_was_ended_here_is_forgotten_before_the_broadcast_comes(scene: Scene) -> None:
    caller = await scene.authentication.caller_of(TOKEN)
    scene.authentication.forget(caller)
    assert scene.authentication.cached(TOKEN) is None
    await scene.authentication.caller_of(TOKEN)
    scene.authentication.forget_user("@a:b")
    assert scene.authentication.cached(TOKEN) is None


async def test_answer_from_before_a_revocation_is_not_remembered(scene: Scene) -> None:
    scene.users.before_answer = lambda: scene.revoke(TOKEN)
    await scene.authentication.caller_of(TOKEN)
    assert scene.authentication.cached(TOKEN) is None


async def test_what_a_locked_users_tokens_may_do_is_asked_anew_and_nobody_elses(scene: Scene) -> None:
    other = new_access_token(SHARD)
    scene.users.owners[other.sha256] = TokenOwner(user_id="@other:b", guest=True)
    assert not (await scene.authentication.caller_of(TOKEN)).restricted
    assert (await scene.authentication.caller_of(other.text)).restricted
    scene.users.owners[token_sha256(TOKEN)].locked = True
    changed = TokenRevoked(user_id="@a:b", account_changed=True)
    await scene.bus.publish(TOKEN_REVOKED, changed.SerializeToString())
    await scene.bus.flush()
    for _ in range(3):
        await asyncio.sleep(0)
    assert scene.authentication.cached(TOKEN) is None
    assert scene.authentication.cached(other.text) is not None
    caller = await scene.authentication.caller_of(TOKEN)
    assert (caller.locked, caller.suspended, caller.restricted) == (True, False, True)


async def test_everything_is_forgotten_after_a_broken_connection(scene: Scene) -> None:
    await scene.authentication.caller_of(TOKEN)
    await scene.authentication.forget_all()
    assert scene.authentication.cached(TOKEN) is None


async def test_number_of_remembered_callers_has_a_bound(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authentication, "CALLERS_MAX", 10)
    for _ in range(50):
        token = new_access_token(SHARD)
        scene.users.owners[token.sha256] = TokenOwner(user_id="@a:b")
        await scene.authentication.caller_of(token.text)
    assert len(scene.authentication._known) == 10
    assert scene.authentication.cached(token.text) is not None


def request(query: bytes = b"", *headers: tuple[bytes, bytes]) -> Request:
    return Request("GET", query, headers, client_ip="", request_id="", clock=ManualClock())


@pytest.mark.parametrize("value", [b"Bearer x", b"bearer  x ", b"BEARER x"])
def test_token_is_taken_from_the_header(value: bytes) -> None:
    assert access_token_of(request(b"access_token=y", (b"authorization", value))) == "x"


def test_token_is_taken_from_the_query() -> None:
    assert access_token_of(request(b"access_token=y%20&a=b")) == "y "


def test_token_in_the_query_counts_where_the_header_is_meant_for_a_proxy() -> None:
    assert access_token_of(request(b"access_token=y", (b"authorization", b"Basic x"))) == "y"


def test_without_token_there_is_none() -> None:
    assert access_token_of(request(b"a=b")) == ""


@pytest.mark.parametrize("value", [b"Basic x", b"Bearer", b"Bearer ", b"x", b"\xff\xfe"])
def test_other_authorization_is_as_good_as_none(value: bytes) -> None:
    with pytest.raises(MissingToken):
        access_token_of(request(b"", (b"authorization", value)))
