"""The nats-server that we run: private, on loopback, watched, and never left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import sys
from pathlib import Path

import pytest

from service_kit.bus.interface import BusDisconnected
from service_kit.bus.nats import NatsBus
from service_kit.bus.nats_server import NatsServer


def is_running(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


async def test_killed_server_comes_back_on_the_same_port_as_another_process(tmp_path: Path) -> None:
    server = await NatsServer.start(tmp_path)
    pid, url = server.pid, server.url
    os.kill(pid, signal.SIGKILL)
    bus = await NatsBus.connect([url], name="test", timeout_s=10)
    await bus.flush()
    assert server.pid != pid
    assert server.url == url
    await bus.close()
    await server.stop()


async def test_stopped_server_is_gone_and_stays_so(tmp_path: Path) -> None:
    server = await NatsServer.start(tmp_path)
    pid = server.pid
    await server.stop()
    assert not is_running(pid)
    with pytest.raises(OSError, match=r".*"):
        await asyncio.open_connection("127.0.0.1", server.port)
    await server.stop()


async def test_only_who_has_the_token_may_connect_and_only_we_can_read_it(tmp_path: Path) -> None:
    server = await NatsServer.start(tmp_path)
    with pytest.raises(BusDisconnected):
        await NatsBus.connect([f"nats://127.0.0.1:{server.port}"], name="stranger", timeout_s=0.2)
    assert stat.S_IMODE((tmp_path / "nats-server.conf").stat().st_mode) == 0o600
    await server.stop()


async def test_two_servers_live_beside_each_other(tmp_path: Path) -> None:
    first = await NatsServer.start(tmp_path / "1")
    second = await NatsServer.start(tmp_path / "2")
    assert first.port != second.port
    await first.stop()
    await second.stop()


PARENT = """
import asyncio, sys
from pathlib import Path
from service_kit.bus.nats_server import NatsServer

async def main():
    server = await NatsServer.start(Path(sys.argv[1]))
    print(server.pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is of Linux")
async def test_server_dies_with_a_killed_parent(tmp_path: Path) -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PARENT, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    pid = int(await asyncio.wait_for(parent.stdout.readline(), 20))
    assert is_running(pid)
    death = os.pidfd_open(pid)
    died = asyncio.Event()
    asyncio.get_running_loop().add_reader(death, died.set)
    parent.kill()
    await parent.wait()
    await asyncio.wait_for(died.wait(), 10)
    asyncio.get_running_loop().remove_reader(death)
    os.close(death)


async def test_server_left_behind_by_a_killed_run_is_ended_by_the_next(tmp_path: Path) -> None:
    left_behind = await NatsServer.start(tmp_path)
    assert left_behind._supervisor is not None
    left_behind._supervisor.cancel()
    server = await NatsServer.start(tmp_path)
    assert left_behind._process is not None
    await asyncio.wait_for(left_behind._process.wait(), 10)
    assert is_running(server.pid)
    await server.stop()
