"""Accounts on real processes, two of each component, with a real mail server: proofs, locks, and a worker that dies."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest

from tests.end_to_end.client import Client
from tests.end_to_end.conftest import TWO_OF_EACH
from tests.end_to_end.server import PlexusServer, free_port
from tests.mail_server import MailServer

pytestmark = pytest.mark.slow
Json = dict[str, Any]
MAIL_PORT = free_port()
SECRET = "client-secret"
EMAIL = {
    "PLEXUS_EMAIL__SMTP_HOST": "127.0.0.1",
    "PLEXUS_EMAIL__SMTP_PORT": str(MAIL_PORT),
    "PLEXUS_EMAIL__SMTP_SECURITY": "none",
    "PLEXUS_EMAIL__FROM_ADDRESS": "plexus@example.org",
    "PLEXUS_REGISTRATION__EMAIL": "optional",
}
EVERYWHERE_S = 2.0
"""Until every process has heard of a lock, generously."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlexusServer]:
    started = PlexusServer(tmp_path_factory.mktemp("accounts"), *TWO_OF_EACH, environment=EMAIL)
    try:
        yield started.start()
    finally:
        started.close()


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session
    await asyncio.sleep(0)


async def ask(
    http: aiohttp.ClientSession, method: str, url: str, body: Json | None = None, token: str = ""
) -> tuple[int, Json]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with http.request(method, url, json=body, headers=headers) as answer:
        return answer.status, await answer.json()


def mail_server() -> MailServer:
    mails = MailServer()
    mails.port = MAIL_PORT
    return mails


def kill_owner(server: PlexusServer, shard: str) -> None:
    """The userserver that owns it."""
    shards = json.loads(server.plexus("shards", "list", "--json").stdout)
    owner = next(each["owner"] for each in shards if each["shard"] == shard)
    running = json.loads((server.data_dir / "run" / f"{owner}.json").read_text("utf-8"))
    os.kill(running["pid"], signal.SIGKILL)


async def follow(http: aiohttp.ClientSession, link: str) -> None:
    async with http.get(link) as page:
        assert (page.status, "<form" in await page.text()) == (200, True)
    url, _, query = link.partition("?")
    form = dict(pair.split("=") for pair in query.split("&"))
    async with http.post(url, data=form) as page:
        assert page.status == 200


async def test_mail_and_its_proof_outlive_the_userserver_that_promised_them(
    server: PlexusServer, http: aiohttp.ClientSession
) -> None:
    v3 = f"{server.base_url}/_matrix/client/v3"
    asked = {"client_secret": SECRET, "email": "Alice@example.org", "send_attempt": 1}
    # There is no mail server yet: the mail waits, at the shard that the session's ID begins with.
    status, answer = await ask(http, "POST", f"{v3}/register/email/requestToken", asked)
    assert status == 200, answer
    shard = f"user.{answer['sid'].partition('.')[0]}"
    await asyncio.to_thread(kill_owner, server, shard)
    async with mail_server() as mails:
        mail = await mails.next(timeout_s=30.0)
        assert mail.recipient == "alice@example.org"
        await follow(http, mail.link)
        credentials = {"sid": answer["sid"], "client_secret": SECRET}
        auth = {"type": "m.login.email.identity", "threepid_creds": credentials}
        body = {"username": "alice", "password": "secret of alice", "auth": auth}
        status, session = await ask(http, "POST", f"{v3}/register", body)
        assert status == 200, session
        status, listed = await ask(http, "GET", f"{v3}/account/3pid", token=session["access_token"])
        assert [each["address"] for each in listed["threepids"]] == ["alice@example.org"]
        # And once more to set a new password, by somebody who has forgotten the old one.
        status, answer = await ask(http, "POST", f"{v3}/account/password/email/requestToken", asked)
        assert status == 200, answer
        await follow(http, (await mails.next(timeout_s=30.0)).link)
        auth = {"type": "m.login.email.identity", "threepid_creds": {"sid": answer["sid"], "client_secret": SECRET}}
        status, answer = await ask(http, "POST", f"{v3}/account/password", {"new_password": "new one", "auth": auth})
        assert status == 200, answer
    identifier = {"type": "m.id.thirdparty", "medium": "email", "address": "alice@example.org"}
    login = {"type": "m.login.password", "identifier": identifier, "password": "new one"}
    status, answer = await ask(http, "POST", f"{v3}/login", login)
    assert (status, answer.get("user_id")) == (200, session["user_id"])


async def test_lock_holds_at_every_process_at_once_and_so_does_its_end(
    server: PlexusServer, http: aiohttp.ClientSession
) -> None:
    added = await asyncio.to_thread(
        server.plexus, "user", "add", "root", "--admin", "--password-file", "-", input_text="secret of root"
    )
    assert added.returncode == 0, added.stderr
    async with AsyncExitStack() as stack:
        root, carol = [await stack.enter_async_context(Client(server.base_url)) for _ in range(2)]
        await root.log_in("root", "secret of root")
        await carol.register("carol")
        whoami = [f"{address}/_matrix/client/v3/account/whoami" for address in server.addresses("api_gateway")]
        syncs = [f"{address}/_matrix/client/v3/sync" for address in server.addresses("sync_api")]
        assert (len(whoami), len(syncs)) == (2, 2)
        since = (await carol.sync())["next_batch"]
        waiting = asyncio.create_task(carol.sync(since, timeout_ms=30_000))
        for url in (*whoami, *syncs):
            assert (await ask(http, "GET", url, token=carol.access_token))[0] == 200
        lock = f"{server.base_url}/_matrix/client/v1/admin/lock/{carol.user_id}"
        for locked, expected in ((True, (401, "M_USER_LOCKED")), (False, (200, ""))):
            status, answer = await ask(http, "PUT", lock, {"locked": locked}, root.access_token)
            assert (status, answer) == (200, {"locked": locked})
            async with asyncio.timeout(EVERYWHERE_S):
                for url in (*whoami, *syncs):
                    await _until(http, url, carol.access_token, expected)
            if locked:
                await asyncio.wait_for(waiting, EVERYWHERE_S)  # the long poll has ended by itself


async def _until(http: aiohttp.ClientSession, url: str, token: str, expected: tuple[int, str]) -> None:
    while True:
        status, answer = await ask(http, "GET", url, token=token)
        if (status, answer.get("errcode", "")) == expected:
            return
        await asyncio.sleep(0.02)
