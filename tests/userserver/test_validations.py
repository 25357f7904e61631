import asyncio
from collections.abc import AsyncIterator

import pytest

from matrix_protocol.errors import (
    Forbidden,
    LimitExceeded,
    NoValidSession,
    SessionExpired,
    SessionNotValidated,
    ThreepidInUse,
    TokenIncorrect,
)
from service_kit.email_settings import EmailSettings
from service_kit.rpc.pb.facts_pb2 import ThirdPartyId
from service_kit.rpc.pb.user_commands_pb2 import (
    Address,
    AddressOwner,
    AddThirdPartyId,
    BeginValidation,
    ClaimAddress,
    DeactivateUser,
    GetAccount,
    GetAddress,
    GetValidation,
    ReleaseAddress,
    RemoveThirdPartyId,
    SubmitValidation,
    UserReply,
    Validation,
)
from service_kit.store.interface import Put
from service_kit.third_party_ids import check_client_secret, shard_key
from tests.mail_server import MailServer, ReceivedMail
from tests.userserver.cluster import ALICE, BOB, CODES, SHARDS, UserCluster
from userserver.chores import RETRY_FIRST_S
from userserver.credential_tables import CHORES, MAIL_COUNTS, MailCountRow

ADDRESS = Address(server_name="a.example", medium="email", address="alice@example.org")
KEY = shard_key(ADDRESS)
SECRET = check_client_secret("secret")
SID = CODES.sid(ADDRESS, "add", SECRET, SHARDS)
LIFETIME_S = 20


@pytest.fixture
async def mails() -> AsyncIterator[MailServer]:
    async with MailServer() as server:
        yield server


@pytest.fixture(params=[True, False], ids=["atomic tables", "tables later"])
async def cluster(request: pytest.FixtureRequest, mails: MailServer) -> AsyncIterator[UserCluster]:
    started = UserCluster(atomic_tables=request.param)
    started.email = EmailSettings.model_validate(mails.settings())
    await started.start_worker()
    yield started
    await started.stop()


async def begin(cluster: UserCluster, send_attempt: int = 1, **changes: object) -> None:
    command = BeginValidation(
        sid=SID,
        address=ADDRESS,
        purpose="add",
        client_secret_sha256=SECRET,
        send_attempt=send_attempt,
        lifetime_ms=LIFETIME_S * 1000,
        mail_kind="add",
        base_url="https://a.example",
        address_code="code",
        mails_per_hour_max=3,
    )
    for name, value in changes.items():
        setattr(command, name, value)
    await cluster.send(KEY, begin_validation=command)


async def submit(cluster: UserCluster, token: str, secret: bytes = b"", **more: bool) -> Validation:
    command = SubmitValidation(sid=SID, token=token, client_secret_sha256=secret, **more)
    return (await cluster.send(KEY, submit_validation=command)).validation


async def get(cluster: UserCluster, secret: bytes = SECRET, purpose: str = "add", *, end: bool = False) -> Validation:
    command = GetValidation(sid=SID, client_secret_sha256=secret, purpose=purpose, end=end)
    return (await cluster.send(KEY, get_validation=command)).validation


async def token_of(mails: MailServer) -> str:
    mail: ReceivedMail = await mails.next()
    assert mail.parameters["sid"] == SID
    return mail.parameters["token"]


async def chores_left(cluster: UserCluster) -> int:
    return sum([len(await cluster.store.scan(CHORES, (number,), limit=100)) for number in range(SHARDS.user_shards)])


async def no_chores(cluster: UserCluster) -> None:
    for _ in range(500):
        if not await chores_left(cluster):
            return
        await asyncio.sleep(0.01)
    raise TimeoutError("chores are left")


async def test_address_is_proven_by_the_token_that_was_mailed(cluster: UserCluster, mails: MailServer) -> None:
    await begin(cluster, next_link="https://app.example/")
    token = await token_of(mails)
    await no_chores(cluster)
    with pytest.raises(SessionNotValidated):
        await get(cluster)
    with pytest.raises(TokenIncorrect):
        await submit(cluster, token + "x")
    assert (await submit(cluster, token, look=True)).validated_at_ms == 0
    await cluster.restart()
    proven = await submit(cluster, token)
    assert (proven.address, proven.next_link) == ("alice@example.org", "https://app.example/")
    await cluster.restart()
    assert (await get(cluster)).validated_at_ms == proven.validated_at_ms == cluster.clock.now_ms()
    await get(cluster, end=True)
    for _ in range(2):
        with pytest.raises(NoValidSession):
            await get(cluster)
        await cluster.restart()


async def test_session_is_for_one_secret_and_one_purpose(cluster: UserCluster, mails: MailServer) -> None:
    await begin(cluster)
    token = await token_of(mails)
    with pytest.raises(NoValidSession):
        await submit(cluster, token, check_client_secret("another"))
    await submit(cluster, token, SECRET)
    for secret, purpose in ((check_client_secret("another"), "add"), (b"", "add"), (SECRET, "reset")):
        with pytest.raises(NoValidSession):
            await get(cluster, secret, purpose)


async def test_session_ends_by_itself_and_another_has_another_token(cluster: UserCluster, mails: MailServer) -> None:
    await begin(cluster)
    former = await token_of(mails)
    await no_chores(cluster)
    await cluster.clock.advance(LIFETIME_S)
    with pytest.raises(SessionExpired):
        await submit(cluster, former)
    await begin(cluster)
    token = await token_of(mails)
    assert token != former
    with pytest.raises(TokenIncorrect):
        await submit(cluster, former)
    await submit(cluster, token)
    await cluster.clock.advance(LIFETIME_S)
    with pytest.raises(SessionExpired):
        await get(cluster)


async def test_same_attempt_sends_one_mail_and_the_next_one_another(cluster: UserCluster, mails: MailServer) -> None:
    for send_attempt in (1, 1, 0, 2, 2):
        await begin(cluster, send_attempt)
    await no_chores(cluster)
    assert mails.received.qsize() == 2
    assert await token_of(mails) == await token_of(mails)


async def test_mails_to_one_address_have_a_bound_whoever_asks(cluster: UserCluster, mails: MailServer) -> None:
    for attempt in (1, 2, 3):
        await begin(cluster, attempt)
    await no_chores(cluster)
    await cluster.restart()
    with pytest.raises(LimitExceeded) as refused:
        await begin(cluster, 4)
    assert 0 < int(str(refused.value.extra["retry_after_ms"])) <= 3600_000
    await no_chores(cluster)
    assert mails.received.qsize() == 3
    an_hour_ago = MailCountRow("another code", cluster.clock.now_ms() - 3600_000, 3)
    await cluster.store.write([Put(MAIL_COUNTS, an_hour_ago)])
    await begin(cluster, 5, address_code="another code")


async def test_mail_that_was_promised_is_sent_although_its_owner_died(cluster: UserCluster, mails: MailServer) -> None:
    await mails.stop()
    await begin(cluster)
    await asyncio.sleep(0.05)
    assert await chores_left(cluster) == 1
    await mails.start()
    await cluster.restart()
    await submit(cluster, await token_of(mails))
    await no_chores(cluster)


async def test_what_the_mail_server_refuses_for_now_is_sent_later(cluster: UserCluster, mails: MailServer) -> None:
    mails.refusals += ["451 later", "550 never"]
    await begin(cluster)
    for _ in range(50):
        await asyncio.sleep(0.01)
        if mails.attempts:
            break
    await asyncio.sleep(0.05)
    await cluster.clock.advance(RETRY_FIRST_S)
    await no_chores(cluster)
    assert (mails.attempts, mails.received.qsize()) == (2, 0)


async def test_mail_that_is_of_no_use_any_more_is_not_sent(cluster: UserCluster, mails: MailServer) -> None:
    await mails.stop()
    await begin(cluster)
    for _ in range(100):
        await asyncio.sleep(0.01)
        await cluster.clock.advance(LIFETIME_S / 20)
        if cluster.clock.now_ms() > 1_700_000_000_000 + LIFETIME_S * 1000:
            break
    await mails.start()
    for _ in range(100):
        await cluster.clock.advance(1)
        if not await chores_left(cluster):
            break
        await asyncio.sleep(0.01)
    assert (await chores_left(cluster), mails.attempts) == (0, 0)


# --- whose an address is


async def claim(cluster: UserCluster, user_id: str = ALICE, instead_of: str = "") -> AddressOwner:
    command = ClaimAddress(address=ADDRESS, user_id=user_id, instead_of=instead_of)
    return (await cluster.send(KEY, claim_address=command)).address_owner


async def owner(cluster: UserCluster) -> str:
    return (await cluster.send(KEY, get_address=GetAddress(address=ADDRESS))).address_owner.user_id


async def test_address_belongs_to_one_user(cluster: UserCluster) -> None:
    results = await asyncio.gather(*(claim(cluster, user) for user in (ALICE, BOB)), return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["AddressOwner", "ThreepidInUse"]
    winner = await owner(cluster)
    await cluster.restart()
    with pytest.raises(ThreepidInUse):
        await claim(cluster, ALICE if winner == BOB else BOB)
    await claim(cluster, "@carol:a.example", instead_of=winner)
    assert await owner(cluster) == "@carol:a.example"


async def test_release_is_of_the_claim_that_was_seen(cluster: UserCluster) -> None:
    first = await claim(cluster)
    second = await claim(cluster)
    assert second.claimed_at_ms > first.claimed_at_ms
    for user_id, claimed_at_ms, after in (
        (ALICE, first.claimed_at_ms, ALICE),
        (BOB, second.claimed_at_ms, ALICE),
        (ALICE, second.claimed_at_ms, ""),
    ):
        command = ReleaseAddress(address=ADDRESS, user_id=user_id, claimed_at_ms=claimed_at_ms)
        await cluster.send(KEY, release_address=command)
        await cluster.restart()
        assert await owner(cluster) == after


async def add(cluster: UserCluster, address: str, *, at_most: int = 2) -> UserReply:
    proven = ThirdPartyId(medium="email", address=address, validated_at_ms=5)
    command = AddThirdPartyId(user_id=ALICE, third_party_id=proven, third_party_ids_max=at_most)
    return await cluster.send(ALICE, add_third_party_id=command)


async def addresses(cluster: UserCluster) -> list[str]:
    account = (await cluster.send(ALICE, get_account=GetAccount(user_id=ALICE))).account
    return [each.address for each in account.third_party_ids]


async def test_account_lists_so_many_addresses_and_loses_them_at_its_end(cluster: UserCluster) -> None:
    await cluster.register()
    for address in ("a@example.org", "b@example.org", "a@example.org"):
        await add(cluster, address)
    with pytest.raises(Forbidden):
        await add(cluster, "c@example.org")
    await cluster.restart()
    assert await addresses(cluster) == ["a@example.org", "b@example.org"]
    remove = RemoveThirdPartyId(user_id=ALICE, medium="email", address="a@example.org")
    assert (await cluster.send(ALICE, remove_third_party_id=remove)).matched
    assert not (await cluster.send(ALICE, remove_third_party_id=remove)).matched
    assert await addresses(cluster) == ["b@example.org"]
    await cluster.send(ALICE, deactivate_user=DeactivateUser(user_id=ALICE))
    assert await addresses(cluster) == []
