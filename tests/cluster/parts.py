"""The real parts: Cassandra nodes, a cluster of NATS servers, toxiproxy in front of them, and Plexus with two of each.

Everything listens on loopback, is started here, and is ended here by its process ID.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

from service_kit.bus.interface import PAYLOAD_BYTES_MAX
from service_kit.bus.nats_server import find_binary
from tests.cassandra.nodes import DATA_CENTRE, Nodes
from tests.end_to_end.server import PlexusServer, free_port, is_alive, wait_until

COMPONENTS = ("api_gateway", "sync_api", "roomserver", "userserver")
NATS_TIMEOUT_S = 15.0
KEYSPACE = "plexus"


def find_toxiproxy() -> str | None:
    """The server of toxiproxy, if it is installed: `go install github.com/Shopify/toxiproxy/v2/cmd/server@latest`,
    named `toxiproxy-server` on the PATH, or by $TOXIPROXY."""
    return os.environ.get("TOXIPROXY") or shutil.which("toxiproxy-server")


class NatsServers:
    """Servers that form a cluster. Each keeps its ports for the whole run."""

    def __init__(self, directory: Path, count: int) -> None:
        self._directory = directory
        self._token = "cluster-test"
        self._ports = [(free_port(), free_port()) for _ in range(count)]
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self.restart_all()

    @property
    def all(self) -> range:
        return range(len(self._ports))

    def address(self, number: int) -> str:
        return f"127.0.0.1:{self._ports[number][0]}"

    def url(self, number: int, address: str = "") -> str:
        return f"nats://{self._token}@{address or self.address(number)}"

    def kill(self, *numbers: int) -> None:
        for number in numbers or self.all:
            process = self._processes.pop(number)
            process.kill()
            process.wait()

    def start(self, *numbers: int) -> None:
        for number in numbers or self.all:
            self._launch(number)
        for number in numbers or self.all:
            wait_until(f"nats-server {number}", lambda n=number: _answers(self.address(n)), NATS_TIMEOUT_S)

    def restart_all(self) -> None:
        if self._processes:
            self.kill()
        self.start()

    def _launch(self, number: int) -> None:
        port, cluster_port = self._ports[number]
        routes = [f'"nats://127.0.0.1:{other}"' for _, other in self._ports if other != cluster_port]
        path = self._directory / f"nats-{number}.conf"
        path.write_text(
            f'host: "127.0.0.1"\nport: {port}\nserver_name: "nats-{number}"\n'
            f'authorization {{ token: "{self._token}" }}\nmax_payload: {PAYLOAD_BYTES_MAX}\n'
            f"max_pending: {8 * PAYLOAD_BYTES_MAX}\n"
            f'cluster {{ name: "test", listen: "127.0.0.1:{cluster_port}", no_advertise: true,'
            f" routes: [{', '.join(routes)}] }}\n"
        )
        with (self._directory / f"nats-{number}.log").open("ab") as log:
            self._processes[number] = subprocess.Popen([find_binary(), "-c", path], stdout=log, stderr=log)

    def close(self) -> None:
        for number in list(self._processes):
            self.kill(number)


def _answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=0.5):
            return True
    except OSError:
        return False


class Toxiproxy:
    """In front of each NATS server, if it is installed: links that are slow, or break."""

    def __init__(self, directory: Path, program: str, nats: NatsServers) -> None:
        self._api = f"127.0.0.1:{free_port()}"
        host, _, port = self._api.rpartition(":")
        with (directory / "toxiproxy.log").open("wb") as log:
            self._process = subprocess.Popen([program, "-host", host, "-port", port], stdout=log, stderr=log)
        wait_until("toxiproxy", lambda: _answers(self._api), NATS_TIMEOUT_S)
        self.addresses = [f"127.0.0.1:{free_port()}" for _ in nats.all]
        for number, address in enumerate(self.addresses):
            self._ask("/proxies", {"name": f"nats{number}", "listen": address, "upstream": nats.address(number)})

    def poison(self, kind: str, **attributes: int) -> None:
        """Every link, both ways."""
        for number in range(len(self.addresses)):
            for stream in ("upstream", "downstream"):
                toxic = {"name": f"{kind}-{stream}", "type": kind, "stream": stream, "attributes": attributes}
                self._ask(f"/proxies/nats{number}/toxics", toxic)

    def cure(self) -> None:
        self._ask("/reset", {})

    def _ask(self, path: str, body: dict[str, Any]) -> None:
        request = urllib.request.Request(
            f"http://{self._api}{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=10):
            pass

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(10)


class Parts:
    """All of them, started. `close` ends them."""

    def __init__(self, directory: Path, *, cassandra_nodes: int = 3, nats_servers: int = 3) -> None:
        self.nats = NatsServers(directory, nats_servers)
        self.cassandra = Nodes(directory / "cassandra", cassandra_nodes, heap="768M" if cassandra_nodes > 1 else "512M")
        self.toxiproxy: Toxiproxy | None = None
        self._config = directory / "plexus.yaml"
        self.server = PlexusServer(
            directory,
            *("--processes", "--replicas", ",".join(f"{name}=2" for name in COMPONENTS)),
            *("--config", str(self._config)),
        )
        try:
            if program := find_toxiproxy():
                self.toxiproxy = Toxiproxy(directory, program, self.nats)
            self._config.write_text(json.dumps(self._settings()))
            self.cassandra.start()
            applied = self.server.plexus("schema", "apply", "--config", str(self._config))
            assert applied.returncode == 0, applied.stdout + applied.stderr
            self.server.start()
        except BaseException:
            self.close()
            raise

    def _settings(self) -> dict[str, Any]:
        addresses = self.toxiproxy.addresses if self.toxiproxy else [""] * len(self.nats.all)
        return {
            "nats": {"servers": [self.nats.url(number, address) for number, address in enumerate(addresses)]},
            "store": {"engine": "cassandra"},
            "cassandra": {
                "contact_points": self.cassandra.contact_points,
                "keyspace": KEYSPACE,
                "local_data_centre": DATA_CENTRE,
                "replication": {DATA_CENTRE: self.cassandra.count},
            },
            "sync": {"timeline_limit_max": 1000},
            "passwords": {"argon2_memory_kib": 8, "argon2_iterations": 1},
        }

    def workers(self, component: str) -> list[int]:
        """Process IDs, in the order of their names."""
        running = sorted(self.server.running(), key=lambda process: str(process["name"]))
        return [each["pid"] for each in running if each["component"] == component and is_alive(each["pid"])]

    def kill_worker(self, component: str) -> None:
        os.kill(self.workers(component)[0], signal.SIGKILL)

    def wait_for_workers(self) -> None:
        """Until two of each are there again."""
        for component in COMPONENTS:
            wait_until(f"two of {component}", lambda c=component: len(self.workers(c)) == 2, 60)

    def close(self) -> None:
        self.server.close()
        if self.toxiproxy is not None:
            self.toxiproxy.close()
        self.nats.close()
        self.cassandra.wipe()


def stutter(cassandra: Nodes, number: int, seconds: float) -> None:
    """A node that stands still for 300 of every 600 ms: slow, not dead."""
    deadline_s = time.monotonic() + seconds
    while time.monotonic() < deadline_s:
        cassandra.pause(number)
        time.sleep(0.3)
        cassandra.resume(number)
        time.sleep(0.3)
