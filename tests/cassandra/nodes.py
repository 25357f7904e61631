"""Real Cassandra nodes on loopback addresses, for tests: no container, only Java 17 and Maven.

    nodes = Nodes(directory, count=3)
    nodes.start()                  all of them; returns when each answers on its CQL port
    nodes.kill(2)                  SIGKILL; returns when the process is gone
    nodes.pause(1), nodes.resume(1)
    nodes.start(2)                 again, with the data it had
    nodes.wipe()                   kill all and delete the directory

Node I listens on NET.I; every cluster has a NET of its own, so that several run side by side. All nodes of a cluster
start at once: each has one fixed token and none bootstraps.

By hand: `python -m tests.cassandra.nodes DIRECTORY [COUNT]` runs a cluster until Ctrl-C.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
CLASSPATH_CACHE = HERE.parent.parent / ".pytest_cache" / "cassandra.classpath"
CQL_PORT = 9042
DATA_CENTRE = "datacenter1"
"""What SimpleSnitch calls it."""
READY_TIMEOUT_S = 120.0

# Parts of the JDK that Cassandra reaches into, as its own start script for Java 17 lists them.
_EXPORTS = """
    java.base/java.lang.ref java.base/jdk.internal.misc java.base/sun.nio.ch java.rmi/sun.rmi.registry
    java.management.rmi/com.sun.jmx.remote.internal.rmi java.rmi/sun.rmi.server java.sql/java.sql
    jdk.attach/sun.tools.attach jdk.unsupported/sun.misc
"""
_OPENS = """
    java.base/java.io java.base/java.lang java.base/java.lang.module java.base/java.lang.reflect java.base/java.nio
    java.base/java.util java.base/jdk.internal.loader java.base/jdk.internal.math java.base/jdk.internal.module
    java.base/jdk.internal.ref java.base/jdk.internal.reflect java.base/jdk.internal.util.jar java.base/sun.nio.ch
    jdk.management/com.sun.management.internal
"""
_JAVA_OPTIONS = (
    *(f"--add-exports={name}=ALL-UNNAMED" for name in _EXPORTS.split()),
    *(f"--add-opens={name}=ALL-UNNAMED" for name in _OPENS.split()),
    "-XX:+UseSerialGC",
    "-XX:MaxDirectMemorySize=256M",
    "-XX:+ExitOnOutOfMemoryError",
    "-XX:-UsePerfData",
    "-XX:TieredStopAtLevel=1",  # boots in fewer CPU seconds; a measurement passes `java_options=()`
    "-Xshare:auto",
    "-Xss512k",
)
_PROPERTIES = {
    "jdk.attach.allowAttachSelf": "true",
    "io.netty.tryReflectionSetAccessible": "true",
    "cassandra-foreground": "yes",
    # Loopback needs no settling: nothing is waited for.
    "cassandra.ring_delay_ms": "1000",
    "cassandra.skip_wait_for_gossip_to_settle": "0",
    "cassandra.superuser_setup_delay_ms": "0",
}
_LOGBACK = """<configuration>
  <appender name="file" class="ch.qos.logback.core.FileAppender">
    <file>{file}</file><encoder><pattern>%d{{ISO8601}} %-5level %logger{{0}} - %msg%n</pattern></encoder>
  </appender>
  <root level="INFO"><appender-ref ref="file"/></root>
</configuration>
"""


class CannotRun(Exception):
    """There is no Java or Maven here, or a node died; the message says which."""


def classpath() -> str:
    """Cassandra's jars, from Maven's own repository. Raises CannotRun."""
    for program in ("java", "mvn"):
        if shutil.which(program) is None:
            raise CannotRun(f"a Cassandra node needs Java 17 and Maven, and there is no {program}")
    pom = HERE / "pom.xml"
    if CLASSPATH_CACHE.exists() and CLASSPATH_CACHE.stat().st_mtime > pom.stat().st_mtime:
        cached = CLASSPATH_CACHE.read_text("utf-8")
        if all(map(os.path.exists, cached.split(os.pathsep))):
            return cached
    CLASSPATH_CACHE.parent.mkdir(parents=True, exist_ok=True)
    draft = CLASSPATH_CACHE.with_suffix(f".{os.getpid()}")
    command = ["mvn", "-B", "-q", "-f", str(pom), "dependency:build-classpath", "-DincludeScope=runtime"]
    done = subprocess.run([*command, f"-Dmdep.outputFile={draft}"], capture_output=True, text=True, timeout=600)
    if done.returncode:
        raise CannotRun(f"Maven could not fetch Cassandra: {done.stdout[-1000:]}{done.stderr[-1000:]}")
    found = draft.read_text("utf-8").strip()
    draft.write_text(found, "utf-8")
    draft.replace(CLASSPATH_CACHE)
    return found


class Nodes:
    """A cluster under one directory. Each node keeps its data until `wipe`.

    `settings` go into every node's cassandra.yaml. Another process may hold the same directory's nodes by
    giving the same `count` and `net`.
    """

    def __init__(
        self,
        directory: Path,
        count: int = 1,
        *,
        net: str = "",
        heap: str = "512M",
        settings: Mapping[str, Any] | None = None,
        java_options: Iterable[str] = _JAVA_OPTIONS,
    ) -> None:
        self.directory = directory.resolve()
        self.count = count
        self.net = net or _free_net()
        self._heap = heap
        self._settings = dict(settings or {})
        self._java_options = tuple(java_options)
        self._children: dict[int, subprocess.Popen[bytes]] = {}

    @property
    def all(self) -> range:
        return range(1, self.count + 1)

    def address(self, number: int) -> str:
        return f"{self.net}.{number}"

    @property
    def contact_points(self) -> list[str]:
        return [f"{self.address(number)}:{CQL_PORT}" for number in self.all]

    def pid(self, number: int) -> int | None:
        """The node's process, while it lives. A process that took over its number does not count."""
        child = self._children.get(number)
        if child is not None:
            return child.pid if child.poll() is None else None
        try:
            pid = int((self._home(number) / "pid").read_text())
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except (OSError, ValueError):
            return None
        return pid if str(self._home(number)).encode() in command else None

    def start(self, *numbers: int) -> None:
        """Start these (default: all) that do not run, and wait until they answer. Raises CannotRun."""
        wanted = numbers or tuple(self.all)
        for number in wanted:
            if self.pid(number) is None:
                self._launch(number)
        give_up_s = time.monotonic() + READY_TIMEOUT_S
        waiting = set(wanted)
        while waiting:
            waiting = {number for number in waiting if not self._answers(number)}
            for number in waiting:
                if self.pid(number) is None:
                    raise CannotRun(f"Cassandra node {number} died: {self._last_words(number)}")
            if time.monotonic() > give_up_s:
                raise CannotRun(f"Cassandra nodes {sorted(waiting)} do not answer: {self._last_words(min(waiting))}")
            time.sleep(0.1)

    def kill(self, *numbers: int) -> None:
        self._end(signal.SIGKILL, numbers or tuple(self.all))

    def stop(self, *numbers: int) -> None:
        """With a drain, as an operator would."""
        self._end(signal.SIGTERM, numbers or tuple(self.all))

    def pause(self, number: int) -> None:
        """The node keeps its connections and answers nothing."""
        self._send(number, signal.SIGSTOP)

    def resume(self, number: int) -> None:
        self._send(number, signal.SIGCONT)

    def wipe(self) -> None:
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    # --- one node

    def _home(self, number: int) -> Path:
        return self.directory / f"node{number}"

    def _launch(self, number: int) -> None:
        home = self._home(number)
        home.mkdir(parents=True, exist_ok=True)
        (home / "cassandra.yaml").write_text(json.dumps(self._configuration(number), indent=1))  # JSON is YAML
        (home / "logback.xml").write_text(_LOGBACK.format(file=home / "system.log"))
        jars = classpath()
        jamm = next(jar for jar in jars.split(os.pathsep) if Path(jar).name.startswith("jamm-"))
        properties = _PROPERTIES | {
            "cassandra.config": f"file://{home}/cassandra.yaml",
            "cassandra.storagedir": str(home),
            "cassandra.logdir": str(home),
            "cassandra.jmx.local.port": str(_free_port()),
            "logback.configurationFile": f"file://{home}/logback.xml",
        }
        command = ["java", *self._java_options, f"-javaagent:{jamm}", f"-Xms{self._heap}", f"-Xmx{self._heap}"]
        command += [f"-D{key}={value}" for key, value in properties.items()]
        command += ["-cp", jars, "org.apache.cassandra.service.CassandraDaemon"]
        with open(home / "out.log", "ab") as out:
            child = subprocess.Popen(
                command, cwd=home, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
            )
        self._children[number] = child
        (home / "pid").write_text(str(child.pid))

    def _configuration(self, number: int) -> dict[str, Any]:
        home = self._home(number)
        seeds = ",".join(self.address(other) for other in self.all)
        return {
            "cluster_name": "plexus-tests",
            "partitioner": "org.apache.cassandra.dht.Murmur3Partitioner",
            "num_tokens": 1,
            "initial_token": str(-(2**63) + (number - 1) * (2**64 // self.count)),
            "auto_bootstrap": False,
            "endpoint_snitch": "SimpleSnitch",
            "dynamic_snitch": False,
            "seed_provider": [
                {"class_name": "org.apache.cassandra.locator.SimpleSeedProvider", "parameters": [{"seeds": seeds}]}
            ],
            "listen_address": self.address(number),
            "rpc_address": self.address(number),
            "storage_port": 7000,
            "native_transport_port": CQL_PORT,
            "data_file_directories": [str(home / "data")],
            **{f"{name}_directory": str(home / name) for name in ("commitlog", "saved_caches", "hints", "cdc_raw")},
            # As docs/cassandra.md tells operators: what was acknowledged is on the disk.
            "commitlog_sync": "batch",
            "commitlog_segment_size": "16MiB",
            "commitlog_total_space": "256MiB",
            "paxos_variant": "v2",
            "storage_compatibility_mode": "NONE",
            "memtable_allocation_type": "heap_buffers",
            "memtable_heap_space": "96MiB",
            "file_cache_size": "32MiB",
            "key_cache_size": "8MiB",
            "prepared_statements_cache_size": "8MiB",
            "concurrent_reads": 16,
            "concurrent_writes": 16,
            "concurrent_compactors": 1,
            "auto_snapshot": False,
            **self._settings,
        }

    def _answers(self, number: int) -> bool:
        try:
            with socket.create_connection((self.address(number), CQL_PORT), timeout=0.5):
                return True
        except OSError:
            return False

    def _last_words(self, number: int) -> str:
        words = ""
        for name in ("out.log", "system.log"):
            with contextlib.suppress(OSError):
                words += (self._home(number) / name).read_text("utf-8", "replace")[-1500:]
        return words

    def _send(self, number: int, signal_number: int) -> None:
        pid = self.pid(number)
        if pid is None:
            raise CannotRun(f"Cassandra node {number} does not run")
        os.kill(pid, signal_number)

    def _end(self, signal_number: int, numbers: Iterable[int]) -> None:
        pids = {number: pid for number in numbers if (pid := self.pid(number)) is not None}
        for pid in pids.values():
            os.kill(pid, signal_number)
        while any(self.pid(number) == pid for number, pid in pids.items()):
            time.sleep(0.02)


def _free_net() -> str:
    """Three octets that nobody on this machine listens on."""
    choose = random.Random(os.urandom(8))
    while True:
        net = f"127.{choose.randrange(64, 255)}.{choose.randrange(1, 255)}"
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((f"{net}.1", CQL_PORT))
            return net


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def main() -> None:
    nodes = Nodes(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    try:
        started_s = time.monotonic()
        nodes.start()
        print(f"{' '.join(nodes.contact_points)} ready after {time.monotonic() - started_s:.1f} s", flush=True)
        signal.pause()
    except KeyboardInterrupt:
        pass
    finally:
        nodes.kill()


if __name__ == "__main__":
    main()
