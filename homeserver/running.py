"""The life of one process: start, say so, wait for a signal, drain, stop.

SIGTERM, SIGINT   no new connections; requests under way are finished, long polls answered; shards are handed
                  over; exit status 0
a second one      everything is dropped at once: what was acknowledged is in the ledger
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from typing import Any

from homeserver.cluster import WrongCluster
from homeserver.components import ALL, Composition
from homeserver.data_directory import DataDirectory, DataDirectoryInUse, RunningProcess, RunningServer
from homeserver.health import health_application
from homeserver.kit import Kit, open_kit
from service_kit.bus.interface import BusError
from service_kit.bus.local_first import LocalFirstBus
from service_kit.bus.nats_server import NatsServer
from service_kit.config import Settings, split_address
from service_kit.http.server import HttpApplication, HttpServer, serve
from service_kit.ledger.leases import clear_leases
from service_kit.store.interface import StoreError
from service_kit.telemetry import configure_logging, configure_tracing, stop_tracing

ALL_IN_ONE = "plexus"
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 120
HURRY_TIMEOUT_S = 10

log = logging.getLogger(__name__)


class CannotStart(Exception):
    """Told to the operator as it is."""


def run_all_in_one(settings: Settings) -> int:
    """Everything in this process, beside a nats-server; the exit status."""
    return _run(settings, ALL_IN_ONE, lambda signals: _all_in_one(settings, signals))


def run_component(settings: Settings, component: str, name: str, *, supervised: bool) -> int:
    """One component, on a bus that is there already; the exit status."""
    if supervised:
        from homeserver.processes import die_with_parent

        die_with_parent()
    return _run(settings, name, lambda signals: _one_component(settings, component, name, signals))


def _run(settings: Settings, name: str, main: Callable[[StopSignals], Coroutine[Any, Any, None]]) -> int:
    configure_logging(settings.log, name)
    configure_tracing(settings.telemetry, name)
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_until_stopped(main))
    except (CannotStart, WrongCluster, DataDirectoryInUse, BusError, StoreError, OSError, ValueError) as error:
        print(f"plexus: {error}", file=sys.stderr)
        return 1
    finally:
        stop_tracing()
    return 0


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # not on every system
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


class StopSignals:
    """`stop` is set by the first SIGTERM or SIGINT, `hurry` by the second.

    Each sets the system's alarm clock too, which ends the process if it has not ended by itself until then: one that
    hangs must not keep its shards' leases, or a supervisor, waiting.
    """

    def __init__(self, set_alarm_s: Callable[[int], object] = signal.alarm) -> None:
        self.stop = asyncio.Event()
        self.hurry = asyncio.Event()
        self._set_alarm_s = set_alarm_s
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal)

    def _on_signal(self) -> None:
        self._set_alarm_s(HURRY_TIMEOUT_S if self.stop.is_set() else STOP_TIMEOUT_S)
        (self.hurry if self.stop.is_set() else self.stop).set()

    async def unless_hurried(self, work: Coroutine[Any, Any, None]) -> None:
        """Do this, but drop it when the second signal comes."""
        task = asyncio.ensure_future(work)
        hurry = asyncio.ensure_future(self.hurry.wait())
        try:
            await asyncio.wait({task, hurry}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                log.warning("told to hurry: the rest is dropped")
                task.cancel()
            await asyncio.gather(task, return_exceptions=self.hurry.is_set())
        finally:
            hurry.cancel()


async def _until_stopped(main: Callable[[StopSignals], Coroutine[Any, Any, None]]) -> None:
    await main(StopSignals())


async def _all_in_one(settings: Settings, signals: StopSignals) -> None:
    directory = DataDirectory(settings.data_dir)
    directory.lock()
    async with AsyncExitStack() as stack:
        stack.callback(directory.unlock)
        servers = list(settings.nats.servers)
        if not servers:
            nats = await NatsServer.start(directory.path)
            stack.push_async_callback(nats.stop)
            servers = [nats.url]
        kit = await open_kit(settings, servers, ALL_IN_ONE, stack)
        kit = kit._replace(bus=LocalFirstBus(kit.bus))
        if settings.store.engine != "cassandra":
            # The lock says that nobody else is alive: leases of a killed process need not be waited for.
            await clear_leases(kit.store)
        directory.announce_server(RunningServer(os.getpid(), settings.server_name, servers))
        process = _Process(kit, ALL, ALL_IN_ONE, ALL_IN_ONE, directory)
        await process.live(signals, lambda url: print(_welcome(settings, url), flush=True))


async def _one_component(settings: Settings, component: str, name: str, signals: StopSignals) -> None:
    directory = DataDirectory(settings.data_dir)
    directory.make()
    if not settings.nats.servers:
        server = directory.running_server()
        if server is None:
            raise CannotStart("nats.servers is empty: a component on its own needs to know where NATS is")
        settings = settings.model_copy(
            update={"nats": settings.nats.model_copy(update={"servers": server.bus_servers})}
        )
    async with AsyncExitStack() as stack:
        kit = await open_kit(settings, settings.nats.servers, name, stack)
        process = _Process(kit, [component], component, name, directory)
        await process.live(signals, lambda url: log.info("ready%s", f" on {url}" if url else ""))


class _Process:
    """The listeners and components of this process."""

    def __init__(self, kit: Kit, names: Sequence[str], component: str, name: str, directory: DataDirectory) -> None:
        self._kit = kit
        self._component = component
        self._name = name
        self._directory = directory
        self._composition = Composition(kit, names, worker=name)
        self._listener: HttpServer | None = None
        self._health: HttpServer | None = None

    async def live(self, signals: StopSignals, on_ready: Callable[[str], None]) -> None:
        """From start to end. Raises what made a start impossible."""
        try:
            start = asyncio.ensure_future(self._start())
            stop = asyncio.ensure_future(signals.stop.wait())
            await asyncio.wait({start, stop}, timeout=START_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
            stop.cancel()
            if not start.done():
                start.cancel()
                await asyncio.gather(start, return_exceptions=True)
                if signals.stop.is_set():
                    return
                raise CannotStart(f"not ready after {START_TIMEOUT_S:.0f} s")
            await start
            _settle_memory()
            on_ready(self._client_url)
            await signals.stop.wait()
            log.info("stopping")
            await signals.unless_hurried(self._drain())
        finally:
            await self._stop()

    @property
    def _client_url(self) -> str:
        return _url(self._listener) if self._listener is not None else ""

    async def _start(self) -> None:
        settings, composition = self._kit.settings, self._composition
        if composition.applications:
            _check_is_free(settings.listen)
        self._health = await self._listen(
            health_application(composition.readiness, self._kit.clock), settings.telemetry.listen, "telemetry.listen"
        )
        await composition.start()
        if composition.applications:
            application = HttpApplication.merge(composition.applications)
            self._listener = await self._listen(application, settings.listen, "listen")
        self._directory.announce(
            RunningProcess(self._name, self._component, os.getpid(), _url(self._health), self._client_url)
        )

    async def _listen(self, application: HttpApplication, address: str, key: str) -> HttpServer:
        host, port = split_address(address)
        try:
            return await serve(application, host, port, clock=self._kit.clock)
        except OSError as error:
            raise CannotStart(f"cannot listen on {address} ({key}): {error.strerror or error}") from error

    async def _drain(self) -> None:
        self._directory.withdraw(self._name)
        # Long polls are told first: the listener waits for every request that is under way.
        await self._composition.drain_fronts()
        if self._listener is not None:
            await self._listener.drain(self._kit.settings.http.drain_timeout_s)
        await self._composition.drain_owners()

    async def _stop(self) -> None:
        self._directory.withdraw(self._name)
        if self._listener is not None:
            await self._listener.stop()
        await self._composition.stop()
        if self._health is not None:
            await self._health.stop()


def _check_is_free(address: str) -> None:
    """Before anything is begun: a port that is taken is the commonest mistake. Raises CannotStart."""
    host, port = split_address(address)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise CannotStart(f"cannot listen on {address} (listen): {error.strerror or error}") from error


def _url(server: HttpServer) -> str:
    host = f"[{server.host}]" if ":" in server.host else server.host
    return f"http://{host}:{server.port}"


def _settle_memory() -> None:
    """What is there now stays: keep the garbage collector from looking at it again."""
    gc.collect()
    gc.freeze()


def _welcome(settings: Settings, url: str) -> str:
    place = f"--data-dir {settings.data_dir}"
    lines = [
        f"Plexus is ready on {url} (server name {settings.server_name}, registration {settings.registration.mode})"
    ]
    if settings.registration.mode == "open":
        lines.append("  next: give a Matrix client this URL as its homeserver and register an account")
    else:
        lines.append(f"  next: plexus user add NAME {place}")
    lines += [f"        plexus status {place}", "  Ctrl-C stops it"]
    return "\n".join(lines)
