"""TLS to a NATS server: its certificate is checked, and so is ours where it asks for one."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from service_kit.bus.interface import BusDisconnected, Message
from service_kit.bus.nats import NatsBus
from service_kit.bus.nats_server import _free_port, find_binary

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="makes its certificates with openssl")

CONFIGURATION = """
host: "127.0.0.1"
port: {port}
tls {{ cert_file: "{directory}/server.pem", key_file: "{directory}/server.key" }}
authorization {{ user: plexus, password: "s3cret" }}
"""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("tls")
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=DNS:localhost", "-keyout", "server.key", "-out", "server.pem"]
    subprocess.run([*command.split(), *names], cwd=directory, check=True, capture_output=True)
    return directory


@pytest.fixture
async def port(certificate: Path, tmp_path: Path) -> AsyncIterator[int]:
    port = _free_port()
    configuration = tmp_path / "nats.conf"
    configuration.write_text(CONFIGURATION.format(port=port, directory=certificate))
    process = await asyncio.create_subprocess_exec(
        str(find_binary()), "--config", str(configuration), stderr=asyncio.subprocess.DEVNULL
    )
    yield port
    process.terminate()
    await process.wait()


def trusting(certificate: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certificate / "server.pem")


async def test_request_is_answered_over_tls(port: int, certificate: Path) -> None:
    bus = await NatsBus.connect(
        [f"nats://localhost:{port}"], name="test", tls=trusting(certificate), user="plexus", password="s3cret"
    )

    async def echo(message: Message) -> None:
        await message.reply(message.payload)

    await bus.subscribe("command.room.1", echo)
    large = b"x" * 900_000
    answers = await asyncio.gather(*(bus.request("command.room.1", large, timeout_s=10) for _ in range(10)))
    assert answers == [large] * 10
    await bus.close()


async def test_certificate_of_another_name_or_signer_is_refused(port: int, certificate: Path) -> None:
    for server, tls in ((f"tls://127.0.0.1:{port}", trusting(certificate)), (f"tls://localhost:{port}", None)):
        with pytest.raises(BusDisconnected, match="certificate verify failed"):
            await NatsBus.connect([server], name="test", tls=tls, user="plexus", password="s3cret", timeout_s=0.4)
