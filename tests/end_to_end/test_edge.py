"""What holds at the edge whichever gateway a request comes to: limits, and tokens in either place."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack

import pytest

from tests.end_to_end.client import Client, Refused
from tests.end_to_end.server import PlexusServer

pytestmark = pytest.mark.slow

PER_SECOND, BURST = 2, 10
LIMITS = {
    "PLEXUS_RATE_LIMITS__MESSAGE": f'{{"per_second": {PER_SECOND}, "burst": {BURST}}}',
    "PLEXUS_RATE_LIMITS__LOGIN": '{"per_second": 10, "burst": 100}',
    "PLEXUS_RATE_LIMITS__LOGIN_FAILURE": '{"per_second": 0.01, "burst": 4}',
}
TOLD_S = 1.0
"""Until every gateway has heard, generously: 0.1 s and the bus."""


@pytest.fixture(scope="module")
def two_gateways(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlexusServer]:
    options = ("--processes", "--replicas", "api_gateway=2")
    server = PlexusServer(tmp_path_factory.mktemp("edge"), *options, rate_limits=True, environment=LIMITS)
    try:
        yield server.start()
    finally:
        server.close()


async def test_gateways_limit_a_users_messages_together(two_gateways: PlexusServer) -> None:
    async with AsyncExitStack() as stack:
        alice = await stack.enter_async_context(Client(two_gateways.base_url))
        await alice.register("alice")
        room_id = await alice.create_room()
        at_gateways = []
        for address in two_gateways.addresses("api_gateway"):
            client = await stack.enter_async_context(Client(address))
            client.access_token = alice.access_token
            at_gateways.append(client)
        assert len(at_gateways) == 2
        start_s = time.monotonic()
        let_through = [await _sends(at_gateways[0], room_id, f"first {number}") for number in range(BURST)]
        assert all(let_through)
        await asyncio.sleep(TOLD_S)
        # The other one, asked nothing so far, knows: it lets through what has flowed in since, not a burst of its own.
        further = sum([await _sends(at_gateways[1], room_id, f"second {number}") for number in range(BURST)])
        since_s = time.monotonic() - start_s
        assert further <= PER_SECOND * since_s + 1


async def test_failed_logins_are_limited_at_every_gateway_and_the_account_only(two_gateways: PlexusServer) -> None:
    async with AsyncExitStack() as stack:
        first, second = [
            await stack.enter_async_context(Client(address)) for address in two_gateways.addresses("api_gateway")
        ]
        for name in ("carol", "dora"):
            await (await stack.enter_async_context(Client(two_gateways.base_url))).register(name)
        for _ in range(4):
            with pytest.raises(Refused, match="M_FORBIDDEN"):
                await first.log_in("carol", "a guess")
        await asyncio.sleep(TOLD_S)
        for client in (first, second):
            with pytest.raises(Refused, match="M_LIMIT_EXCEEDED"):
                await client.log_in("carol", "secret of carol")
            await client.log_in("dora", "secret of dora")


async def test_a_token_in_the_query_is_good_at_every_gateway_and_in_no_log(two_gateways: PlexusServer) -> None:
    async with Client(two_gateways.base_url) as erin:
        await erin.register("erin")
        token, erin.access_token = erin.access_token, ""
        for address in two_gateways.addresses("api_gateway"):
            erin.base_url = address
            answer = await erin.request("GET", f"/account/whoami?access_token={token}")
            assert answer["user_id"] == erin.user_id
            with pytest.raises(Refused, match="M_UNKNOWN_TOKEN"):
                await erin.request("GET", f"/account/whoami?access_token={token}x")
        assert token not in two_gateways.output


async def _sends(client: Client, room_id: str, txn_id: str) -> bool:
    try:
        await client.send(room_id, txn_id, txn_id)
    except Refused as refused:
        if refused.errcode != "M_LIMIT_EXCEEDED":
            raise
        return False
    return True
