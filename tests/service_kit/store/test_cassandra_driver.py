"""How requests wait, fail and are explained; the client library is played by a fake."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from cassandra import (
    InvalidRequest,
    OperationTimedOut,
    ReadTimeout,
    Unavailable,
    WriteFailure,
    WriteTimeout,
    WriteType,
)
from cassandra.cluster import NoHostAvailable
from cassandra.connection import ConnectionShutdown
from cassandra.policies import FallthroughRetryPolicy
from cassandra.protocol import OverloadedErrorMessage, ServerError

from service_kit.config import CassandraSettings
from service_kit.store import cassandra_driver
from service_kit.store.cassandra_driver import CassandraDriver, Kind
from service_kit.store.interface import OutcomeUnknown, StoreUnavailable


class Request:
    """One that was sent: answered when the test says so."""

    def add_callbacks(
        self, callback: Callable[..., None], errback: Callable[..., None], callback_args: tuple[Any, ...]
    ) -> None:
        self.answer = lambda rows=(): callback(list(rows), *callback_args)
        self.fail = errback


class FakeSession:
    def __init__(self) -> None:
        self.sent: list[Request] = []
        self.fails_with: Exception | None = None

    def execute_async(self, statement: object, execution_profile: Kind) -> Request:
        if self.fails_with is not None:
            raise self.fails_with
        self.sent.append(Request())
        return self.sent[-1]


class FakeCluster:
    def shutdown(self) -> None: ...


def driver_and_session() -> tuple[CassandraDriver, FakeSession]:
    session = FakeSession()
    return CassandraDriver(FakeCluster(), session), session


def begin(driver: CassandraDriver, kind: Kind = Kind.READ) -> asyncio.Task[list[Any]]:
    return asyncio.create_task(driver.run("q", kind))


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_requests_beyond_the_limit_wait_for_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cassandra_driver, "IN_FLIGHT_MAX", 2)
    driver, session = driver_and_session()
    tasks = [begin(driver) for _ in range(3)]
    await turns()
    assert len(session.sent) == 2
    session.sent[0].answer([(1,)])
    await turns()
    assert len(session.sent) == 3
    for request in session.sent[1:]:
        request.answer()
    assert await asyncio.gather(*tasks) == [[(1,)], [], []]


async def test_requests_beyond_the_queue_are_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cassandra_driver, "IN_FLIGHT_MAX", 1)
    monkeypatch.setattr(cassandra_driver, "WAITING_MAX", 1)
    driver, session = driver_and_session()
    tasks = [begin(driver) for _ in range(2)]
    await turns()
    with pytest.raises(StoreUnavailable, match="slow: 1 requests wait already"):
        await driver.run("q")
    session.sent[0].answer()
    await turns()
    session.sent[1].answer()
    await asyncio.gather(*tasks)


async def test_request_that_gets_no_turn_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cassandra_driver, "IN_FLIGHT_MAX", 1)
    monkeypatch.setattr(cassandra_driver, "WAITING_S_MAX", 0.0)
    driver, session = driver_and_session()
    first = begin(driver)
    await turns()
    with pytest.raises(StoreUnavailable, match="no turn"):
        await driver.run("q")
    session.sent[0].answer()
    await first
    second = begin(driver)
    await turns()
    session.sent[1].answer()
    assert await second == []


async def test_cancelled_request_keeps_its_permit_until_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cassandra_driver, "IN_FLIGHT_MAX", 1)
    driver, session = driver_and_session()
    first = begin(driver, Kind.CONDITIONAL)
    await turns()
    first.cancel()
    second = begin(driver)
    await turns()
    assert len(session.sent) == 1
    session.sent[0].answer()
    await turns()
    assert len(session.sent) == 2
    session.sent[1].answer()
    assert await second == []


async def test_cancelled_waiter_leaves_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cassandra_driver, "IN_FLIGHT_MAX", 1)
    driver, session = driver_and_session()
    first, second, third = begin(driver), begin(driver), begin(driver)
    await turns()
    second.cancel()
    await turns()
    session.sent[0].answer()
    await turns()
    session.sent[1].answer()
    await asyncio.gather(first, third)
    assert len(session.sent) == 2


@pytest.mark.parametrize(
    ("error", "conditional_may_have_happened"),
    [
        (WriteTimeout("t", write_type=WriteType.CAS), True),
        (WriteFailure("t", write_type=WriteType.CAS), True),
        (ReadTimeout("t"), True),
        (OperationTimedOut(), True),
        (ConnectionShutdown("gone"), True),
        (NoHostAvailable("none", {}), True),
        (ServerError(0, "full", None), True),
        (OverloadedErrorMessage(0, "slow", None), True),
        (Unavailable("too few", required_replicas=2, alive_replicas=1), False),
        (InvalidRequest("unconfigured table"), False),
    ],
)
async def test_error_says_whether_a_conditional_write_may_have_happened(
    error: Exception, conditional_may_have_happened: bool
) -> None:
    driver, session = driver_and_session()
    for kind in (Kind.CONDITIONAL, Kind.WRITE, Kind.READ, Kind.SERIAL_READ):
        task = begin(driver, kind)
        await turns()
        session.sent[-1].fail(error)
        unknown = kind is Kind.CONDITIONAL and conditional_may_have_happened
        with pytest.raises(OutcomeUnknown if unknown else StoreUnavailable):
            await task


async def test_lack_of_replicas_is_named_behind_the_librarys_words() -> None:
    driver, session = driver_and_session()
    task = begin(driver)
    await turns()
    inner = Unavailable("too few", required_replicas=2, alive_replicas=1)
    session.sent[0].fail(NoHostAvailable("none", {"host": inner}))
    with pytest.raises(StoreUnavailable, match="no quorum for a read, 1 of 2 replicas live"):
        await task


async def test_request_that_cannot_be_sent_gives_its_permit_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cassandra_driver, "IN_FLIGHT_MAX", 1)
    driver, session = driver_and_session()
    session.fails_with = NoHostAvailable("none", {})
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            await driver.run("q")


async def test_closing_ends_those_who_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cassandra_driver, "IN_FLIGHT_MAX", 1)
    driver, session = driver_and_session()
    first, second = begin(driver), begin(driver)
    await turns()
    await driver.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        await second
    session.sent[0].answer()
    await first
    with pytest.raises(StoreUnavailable, match="closed"):
        await driver.run("q")


def test_conditional_writes_are_never_repeated_by_the_library() -> None:
    profiles = cassandra_driver._profiles(CassandraSettings())
    assert isinstance(profiles[Kind.CONDITIONAL].retry_policy, FallthroughRetryPolicy)


@pytest.mark.parametrize(
    ("consistency", "names"), [("local", "LOCAL_QUORUM LOCAL_SERIAL"), ("global", "QUORUM SERIAL")]
)
def test_every_request_has_the_configured_majority(consistency: Any, names: str) -> None:
    from cassandra import ConsistencyLevel

    quorum, serial = (ConsistencyLevel.name_to_value[name] for name in names.split())
    for kind, profile in cassandra_driver._profiles(CassandraSettings(consistency=consistency)).items():
        assert profile.consistency_level == (serial if kind is Kind.SERIAL_READ else quorum)
        assert profile.serial_consistency_level == serial


async def test_password_is_in_no_message(caplog: pytest.LogCaptureFixture) -> None:
    settings = CassandraSettings(contact_points=["127.0.0.1:1"], username="plexus", password="hunter2")
    with pytest.raises(StoreUnavailable, match="cannot connect") as refused:
        await CassandraDriver.connect(settings, keyspace="plexus")
    assert "hunter2" not in f"{refused.value} {refused.value.__cause__!r} {settings!r} {caplog.text}"
