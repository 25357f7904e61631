"""`plexus up --processes`: every component a process of its own on this machine, Caddy in front.

    plexus up --processes
      ├── nats-server                     unless the configuration names one
      ├── roomserver, roomserver-2 …      shards move by themselves when one dies
      ├── userserver …
      ├── api_gateway …, sync_api …       each on a loopback port of its own
      └── caddy                           on `listen`, with the configuration that `plexus routes` prints

A child that dies is started again, with growing pauses. On SIGTERM what faces
the clients goes first, so that the requests under way still find the owners of
their shards.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import logging
import os
import shutil
import signal
import socket
import sys
import sysconfig
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from homeserver.data_directory import DataDirectory, DataDirectoryInUse, RunningServer
from homeserver.routes import ROUTES, render
from service_kit.bus.nats_server import NatsServer
from service_kit.config import Settings, split_address
from service_kit.telemetry import configure_logging

READY_TIMEOUT_S = 60.0
PROXY_TIMEOUT_S = 10.0
RESTART_PAUSE_MIN_S = 0.5
RESTART_PAUSE_MAX_S = 30.0
LONG_LIFE_S = 60.0
"""A child that lived so long starts over with the shortest pause."""
DRAIN_MARGIN_S = 10.0
KILL_TIMEOUT_S = 5.0
_PR_SET_PDEATHSIG = 1

# First to stop, last to stop: who faces clients, then who follows facts, then who owns shards.
_FRONT = ("api_gateway", "sync_api")
_SATELLITES = ("search",)
_OWNERS = ("roomserver", "userserver")

log = logging.getLogger(__name__)


def run_processes(settings: Settings, config_file: Path | None, replicas: Mapping[str, int]) -> int:
    """Run until a signal; the exit status."""
    configure_logging(settings.log, "supervisor")
    directory = DataDirectory(settings.data_dir)
    try:
        directory.lock()
    except DataDirectoryInUse as error:
        print(f"plexus: {error}", file=sys.stderr)
        return 1
    caddy = find_program("caddy")
    if caddy is None:
        print("plexus: --processes needs Caddy: pip install 'plexus-homeserver[proxy]'", file=sys.stderr)
        return 1
    return asyncio.run(_Supervisor(settings, config_file, directory, replicas, caddy).run())


def find_program(name: str) -> str | None:
    """A program that a Python package brought along, or one of the system's."""
    beside = Path(sysconfig.get_path("scripts")) / name
    return str(beside) if beside.exists() else shutil.which(name)


def die_with_parent() -> None:
    """Have the kernel send this process SIGTERM when its parent dies, however it dies (Linux; elsewhere nothing)."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


class Child:
    """One process that is kept alive until it is told to stop."""

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.name = name
        self._command = list(command)
        self._environment = dict(environment)
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = False
        self._keeper: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._keeper = asyncio.get_running_loop().create_task(self._keep_alive())

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    async def _keep_alive(self) -> None:
        pause_s = RESTART_PAUSE_MIN_S
        while not self._stopping:
            started_s = time.monotonic()
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                env=self._environment,
                stdin=asyncio.subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C in a terminal is for the supervisor, which stops all in order
                preexec_fn=die_with_parent,
            )
            if self._stopping:
                self._process.send_signal(signal.SIGTERM)
            status = await self._process.wait()
            if self._stopping:
                return
            if time.monotonic() - started_s > LONG_LIFE_S:
                pause_s = RESTART_PAUSE_MIN_S
            log.error("%s ended with status %d; starting it again in %.1f s", self.name, status, pause_s)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, RESTART_PAUSE_MAX_S)

    async def stop(self, timeout_s: float) -> None:
        """SIGTERM, and SIGKILL if that is not enough."""
        self._stopping = True
        process, keeper = self._process, self._keeper
        if keeper is None:
            return
        if process is None or process.returncode is not None:
            keeper.cancel()
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), timeout_s)
        except TimeoutError:
            log.error("%s did not stop in %.0f s: killing it", self.name, timeout_s)
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


class _Supervisor:
    def __init__(
        self,
        settings: Settings,
        config_file: Path | None,
        directory: DataDirectory,
        replicas: Mapping[str, int],
        caddy: str,
    ) -> None:
        self._settings = settings
        self._config_file = config_file or _path_or_none(os.environ.get("PLEXUS_CONFIG", ""))
        self._directory = directory
        self._replicas = replicas
        self._caddy = caddy
        self._children: dict[str, list[Child]] = {}
        self._signals = 0
        self._stop_signal = asyncio.Event()

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal)
        nats = None
        try:
            servers = list(self._settings.nats.servers)
            if not servers:
                nats = await NatsServer.start(self._directory.path)
                servers = [nats.url]
            self._directory.announce_server(RunningServer(os.getpid(), self._settings.server_name, servers))
            upstreams = self._start_components(servers)
            if await self._components_are_ready():
                self._start_caddy(upstreams)
                if await self._is_listening():
                    self._print_ready()
            await self._stop_signal.wait()
            await self._stop_children()
        finally:
            if nats is not None:
                await nats.stop()
            self._directory.unlock()
        return 0

    def _on_signal(self) -> None:
        self._signals += 1
        self._stop_signal.set()
        if self._signals > 1:
            for child in self._all_children():
                if child.pid is not None:
                    os.kill(child.pid, signal.SIGKILL)

    def _all_children(self) -> list[Child]:
        return [child for children in self._children.values() for child in children]

    def _start_components(self, servers: list[str]) -> dict[str, list[str]]:
        """Start all; the addresses of those that clients talk to."""
        upstreams: dict[str, list[str]] = {}
        for component in (*_OWNERS, *_SATELLITES, *_FRONT):
            for index in range(self._replicas.get(component, 1)):
                name = component if index == 0 else f"{component}-{index + 1}"
                command = self._command(component, name)
                if component in _FRONT:
                    address = f"127.0.0.1:{free_port()}"
                    upstreams.setdefault(component, []).append(address)
                    command += ["--listen", address]
                child = Child(name, command, self._environment(servers))
                self._children.setdefault(component, []).append(child)
                child.start()
        return upstreams

    def _command(self, component: str, name: str) -> list[str]:
        settings = self._settings
        command = [sys.executable, "-m", "homeserver", component, "--name", name, "--supervised"]
        command += ["--data-dir", str(settings.data_dir), "--log-level", settings.log.level]
        if self._config_file is not None:
            command += ["--config", str(self._config_file)]
        if settings.registration.mode == "open":
            command.append("--open-registration")
        if not settings.rate_limits.enabled:
            command.append("--no-rate-limits")
        return command

    def _environment(self, servers: list[str]) -> dict[str, str]:
        """What is different for a process behind our own proxy, beside others of its kind."""
        settings = self._settings
        return {
            **os.environ,
            "PLEXUS_NATS__SERVERS": json.dumps(servers),
            "PLEXUS_PUBLIC_BASE_URL": settings.client_base_url,
            "PLEXUS_HTTP__TRUSTED_PROXIES": json.dumps([*settings.http.trusted_proxies, "127.0.0.1"]),
            "PLEXUS_TELEMETRY__LISTEN": _any_port(settings.telemetry.listen),
            "PLEXUS_RPC__LISTEN": _any_port(settings.rpc.listen),
        }

    async def _components_are_ready(self) -> bool:
        """Wait until every process has said so; False if a signal came before."""
        wanted = {child.name for child in self._all_children()}
        deadline_s = time.monotonic() + READY_TIMEOUT_S
        while not wanted <= {process.name for process in self._directory.running_processes()}:
            if self._stop_signal.is_set():
                return False
            if time.monotonic() > deadline_s:
                log.error("not every component is ready after %.0f s; going on without", READY_TIMEOUT_S)
                return True
            await asyncio.sleep(0.05)
        return True

    def _start_caddy(self, upstreams: Mapping[str, Sequence[str]]) -> None:
        path = self._directory.run / "Caddyfile"
        path.write_text(render("caddy", self._settings.listen, upstreams), "utf-8")
        home = str(self._directory.run / "caddy")
        environment = {**os.environ, "XDG_DATA_HOME": home, "XDG_CONFIG_HOME": home}
        command = [self._caddy, "run", "--adapter", "caddyfile", "--config", str(path)]
        self._children["caddy"] = [Child("caddy", command, environment)]
        self._children["caddy"][0].start()

    async def _is_listening(self) -> bool:
        """Wait until Caddy takes connections; False if it does not, or a signal came before."""
        host, port = split_address(self._settings.listen)
        deadline_s = time.monotonic() + PROXY_TIMEOUT_S
        while not self._stop_signal.is_set():
            try:
                _, writer = await asyncio.open_connection(host, port)
            except OSError:
                if time.monotonic() > deadline_s:
                    log.error("caddy does not listen on %s", self._settings.listen)
                    return False
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return True
        return False

    def _print_ready(self) -> None:
        counts = ", ".join(f"{len(children)} {name}" for name, children in self._children.items())
        print(f"Plexus is ready on http://{self._settings.listen} ({counts})", flush=True)

    async def _stop_children(self) -> None:
        timeout_s = self._settings.http.drain_timeout_s + DRAIN_MARGIN_S
        for step in (("caddy", *_FRONT), _SATELLITES, _OWNERS):
            children = [child for component in step for child in self._children.get(component, [])]
            await asyncio.gather(*(child.stop(timeout_s) for child in children))


def free_port() -> int:
    """A port of the loopback interface that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _any_port(address: str) -> str:
    """The same host, any free port: several processes cannot share one."""
    host, _ = split_address(address)
    return f"[{host}]:0" if ":" in host else f"{host}:0"


def _path_or_none(text: str) -> Path | None:
    return Path(text) if text else None


assert {route.component for route in ROUTES} == set(_FRONT), "every component in the routing table gets a port"
