"""The one place that speaks to Cassandra's client library: prepared statements in, tuples out, errors as ours.

    event loop                          libev's thread (the driver's)
    execute() ── a permit ─► send ────► socket
              ◄─ call_soon_threadsafe ─ answer

At most `IN_FLIGHT_MAX` requests are under way, `WAITING_MAX` wait for a permit, and the rest is refused at once: a
slow cluster pushes back instead of filling memory. An answer frees its permit, not the caller: one who was cancelled
leaves a request behind that is still being worked on.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections import deque
from collections.abc import Iterator, Sequence
from enum import Enum
from typing import Any

from cassandra import (
    ConsistencyLevel,
    DriverException,
    InvalidRequest,
    Unavailable,
)
from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import Cluster, ExecutionProfile, NoHostAvailable, Session
from cassandra.connection import ConnectionException
from cassandra.io.libevreactor import LibevConnection
from cassandra.policies import (
    ConstantReconnectionPolicy,
    DCAwareRoundRobinPolicy,
    FallthroughRetryPolicy,
    TokenAwarePolicy,
)
from cassandra.protocol import ErrorMessage
from cassandra.query import BatchStatement, BatchType, PreparedStatement, tuple_factory

from service_kit.config import CassandraSettings, split_address
from service_kit.store.interface import OutcomeUnknown, SchemaMismatch, StoreUnavailable

IN_FLIGHT_MAX = 128
WAITING_MAX = 4000
WAITING_S_MAX = 10.0
REQUEST_TIMEOUT_S = 6.0
"""Above the server's own (read 5 s, write 2 s, contention 1.8 s): its answer says more than our impatience."""
SCHEMA_TIMEOUT_S = 60.0
CONNECT_TIMEOUT_S = 10.0
RECONNECT_EVERY_S = 1.0
PROTOCOL_VERSION = 4
"""5 adds checksums that the kernel has already made: 30 % more CPU for a range of 100 rows or a batch of 20."""
OUT_BUFFER_BYTES = 65536

Row = tuple[Any, ...]
Bound = tuple[PreparedStatement, Sequence[Any]]

# The library's exceptions have no common ancestor: ConnectionShutdown and a server's error message stand apart.
_FAILURES = (NoHostAvailable, DriverException, ConnectionException, ErrorMessage, OSError)

logging.getLogger("cassandra.policies").setLevel(logging.WARNING)


class Kind(Enum):
    """What a request is, and so how it is sent, repeated and explained when it fails."""

    READ = "read"
    SERIAL_READ = "serial read"
    WRITE = "write"
    CONDITIONAL = "conditional write"
    SCHEMA = "schema change"


class _Connection(LibevConnection):  # type: ignore[misc]
    # The library cuts messages into 4096-byte sends. With Nagle's algorithm on (its default too) whatever is longer
    # waits 40 ms for the peer's delayed acknowledgement; see TCP_NODELAY below.
    out_buffer_size = OUT_BUFFER_BYTES


class CassandraDriver:
    """A connected session. Belongs to no event loop: it answers on the one that asks."""

    def __init__(self, cluster: Cluster, session: Session) -> None:
        """Use `connect`."""
        self._cluster = cluster
        self._session = session
        self._prepared: dict[str, PreparedStatement] = {}
        self._in_flight = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._is_closed = False

    @classmethod
    async def connect(cls, settings: CassandraSettings, *, keyspace: str | None) -> CassandraDriver:
        """Raises StoreUnavailable, and SchemaMismatch if there is no such keyspace."""
        cluster = _cluster(settings)
        try:
            session = await asyncio.to_thread(cluster.connect)
            _check_data_centre(cluster, settings.local_data_centre)
            if keyspace is not None:
                await asyncio.to_thread(_check_keyspace, session, keyspace)
        except BaseException as error:
            await asyncio.to_thread(cluster.shutdown)
            if isinstance(error, _FAILURES):
                places = ", ".join(settings.contact_points)
                raise StoreUnavailable(
                    f"cannot connect to Cassandra at {places} ({_short(error)}): check cassandra.contact_points, "
                    "and the user name and password"
                ) from error
            raise
        return cls(cluster, session)

    async def prepare(self, cql: str) -> PreparedStatement:
        """Parsed by the server once and remembered. Raises StoreUnavailable."""
        statement = self._prepared.get(cql)
        if statement is None:
            self._check_open()
            with _errors_explained(Kind.READ):
                statement = await asyncio.to_thread(self._session.prepare, cql)
            self._prepared[cql] = statement
        return statement

    async def execute(self, statement: PreparedStatement, values: Sequence[Any], kind: Kind) -> list[Row]:
        """Raises StoreUnavailable, and for conditional writes OutcomeUnknown."""
        bound = statement.bind(values)
        bound.is_idempotent = kind is not Kind.CONDITIONAL
        return await self._send(bound, kind)

    async def execute_batch(self, statements: Sequence[Bound], kind: Kind) -> list[Row]:
        """All in one partition: then a batch is one mutation, all or nothing."""
        batch = BatchStatement(BatchType.UNLOGGED)
        for statement, values in statements:
            batch.add(statement, values)
        batch.is_idempotent = kind is not Kind.CONDITIONAL
        return await self._send(batch, kind)

    async def run(self, cql: str, kind: Kind = Kind.SCHEMA) -> list[Row]:
        """An unprepared statement without values: schema changes and questions about the schema."""
        return await self._send(cql, kind)

    async def close(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_exception(StoreUnavailable("the store is closed"))
        await asyncio.to_thread(self._cluster.shutdown)

    # --- sending

    async def _send(self, statement: Any, kind: Kind) -> list[Row]:
        self._check_open()
        loop = asyncio.get_running_loop()
        if self._in_flight < IN_FLIGHT_MAX:
            self._in_flight += 1
        else:
            await self._wait_for_turn(loop)
        answer: asyncio.Future[list[Row]] = loop.create_future()

        def settle(rows: list[Row] | None, error: Exception | None) -> None:
            self._pass_on()
            if answer.done():
                return
            if error is None:
                answer.set_result(rows or [])
            else:
                answer.set_exception(error)

        def arrived(rows: list[Row] | None, error: Exception | None) -> None:
            try:
                loop.call_soon_threadsafe(settle, rows, error)
            except RuntimeError:  # the loop is closed: nobody waits for this any more
                self._in_flight -= 1

        with _errors_explained(kind):
            try:
                request = self._session.execute_async(statement, execution_profile=kind)
            except BaseException:
                self._pass_on()
                raise
            request.add_callbacks(arrived, lambda error: arrived(None, error), callback_args=(None,))
            return await answer

    async def _wait_for_turn(self, loop: asyncio.AbstractEventLoop) -> None:
        if len(self._waiting) >= WAITING_MAX:
            raise StoreUnavailable(f"Cassandra is slow: {WAITING_MAX} requests wait already")
        turn: asyncio.Future[None] = loop.create_future()
        self._waiting.append(turn)
        try:
            async with asyncio.timeout(WAITING_S_MAX):
                await turn
        except TimeoutError:
            self._give_up(turn)
            raise StoreUnavailable(f"Cassandra is slow: no turn within {WAITING_S_MAX:.0f} s") from None
        except asyncio.CancelledError:
            self._give_up(turn)
            raise

    def _give_up(self, turn: asyncio.Future[None]) -> None:
        if turn.cancelled() or not turn.done():
            with contextlib.suppress(ValueError):
                self._waiting.remove(turn)
        elif turn.exception() is None:
            self._pass_on()  # the permit came at the same moment

    def _pass_on(self) -> None:
        """Give a permit back, to the next in line if there is one."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._in_flight -= 1

    def _check_open(self) -> None:
        if self._is_closed:
            raise StoreUnavailable("the store is closed")


def _check_data_centre(cluster: Cluster, local: str) -> None:
    names = sorted({str(host.datacenter) for host in cluster.metadata.all_hosts()})
    if local not in names:
        raise StoreUnavailable(
            f"Cassandra has no data centre {local!r}, only {', '.join(names)}: correct cassandra.local_data_centre"
        )


def _check_keyspace(session: Session, keyspace: str) -> None:
    """Blocks."""
    names = {row[0] for row in session.execute("SELECT keyspace_name FROM system_schema.keyspaces")}
    if keyspace not in names:
        raise SchemaMismatch(
            f"Cassandra has no keyspace {keyspace!r}: check cassandra.keyspace, or run `plexus schema apply`"
        )


def _cluster(settings: CassandraSettings) -> Cluster:
    authentication = None
    if settings.username:
        authentication = PlainTextAuthProvider(settings.username, settings.password.get_secret_value())
    return Cluster(
        contact_points=[split_address(place) for place in settings.contact_points],
        connection_class=_Connection,
        sockopts=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
        protocol_version=PROTOCOL_VERSION,
        compression=False,
        auth_provider=authentication,
        ssl_context=_tls(settings),
        execution_profiles=_profiles(settings),
        reconnection_policy=ConstantReconnectionPolicy(RECONNECT_EVERY_S, max_attempts=None),
        connect_timeout=CONNECT_TIMEOUT_S,
        control_connection_timeout=CONNECT_TIMEOUT_S,
        idle_heartbeat_interval=10,
        idle_heartbeat_timeout=10,
    )


def _profiles(settings: CassandraSettings) -> dict[Any, ExecutionProfile]:
    is_local = settings.consistency == "local"
    quorum = ConsistencyLevel.LOCAL_QUORUM if is_local else ConsistencyLevel.QUORUM
    serial = ConsistencyLevel.LOCAL_SERIAL if is_local else ConsistencyLevel.SERIAL
    nearest = TokenAwarePolicy(DCAwareRoundRobinPolicy(local_dc=settings.local_data_centre))

    def profile(consistency: int, timeout_s: float = REQUEST_TIMEOUT_S, **options: Any) -> ExecutionProfile:
        return ExecutionProfile(
            load_balancing_policy=nearest,
            consistency_level=consistency,
            serial_consistency_level=serial,
            request_timeout=timeout_s,
            row_factory=tuple_factory,
            **options,
        )

    return {
        Kind.READ: profile(quorum),
        Kind.SERIAL_READ: profile(serial),
        # The library's own policy repeats a write on another host, with the same timestamp: harmless for plain ones.
        Kind.WRITE: profile(quorum),
        # A repeated conditional write may meet its own first try and report that as a defeat: no repeats.
        Kind.CONDITIONAL: profile(quorum, retry_policy=FallthroughRetryPolicy()),
        Kind.SCHEMA: profile(quorum, SCHEMA_TIMEOUT_S),
    }


def _tls(settings: CassandraSettings) -> ssl.SSLContext | None:
    if settings.tls_ca_file is None and settings.tls_certificate_file is None:
        return None
    context = ssl.create_default_context(cafile=settings.tls_ca_file)
    context.check_hostname = False  # nodes find each other by address; the authority is ours alone
    if settings.tls_certificate_file is not None:
        context.load_cert_chain(settings.tls_certificate_file, settings.tls_key_file)
    return context


@contextlib.contextmanager
def _errors_explained(kind: Kind) -> Iterator[None]:
    """The library's errors as ours. Mistakes of the caller stay what they are."""
    try:
        yield
    except InvalidRequest as error:
        raise StoreUnavailable(f"Cassandra refuses a {kind.value}: {_short(error)}") from error
    except _FAILURES as error:
        short = _lack_of_replicas(error, kind)
        if short is not None:
            raise StoreUnavailable(
                f"Cassandra has no quorum for a {kind.value}, {short.alive_replicas} of {short.required_replicas} "
                "replicas live: start the nodes that `nodetool status` shows as down, or compare cassandra.replication "
                "with it"
            ) from error
        message = f"Cassandra did not answer a {kind.value}: {_short(error)}"
        if kind is Kind.CONDITIONAL:
            raise OutcomeUnknown(message) from error
        raise StoreUnavailable(message) from error


def _lack_of_replicas(error: Exception, kind: Kind) -> Unavailable | None:
    """A coordinator knew before it began that too few live. The library asks others then, and wraps what they say."""
    if isinstance(error, Unavailable):
        return error
    if isinstance(error, NoHostAvailable) and kind is not Kind.CONDITIONAL and isinstance(error.errors, dict):
        return next((inner for inner in error.errors.values() if isinstance(inner, Unavailable)), None)
    return None


def _short(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error)[:200]}"
