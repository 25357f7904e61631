from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from service_kit.config import Settings
from tests.api_gateway.account_gateway import AccountGateway, open_settings
from tests.in_process import Client, InProcessServer, running_server
from tests.userserver.cluster import UserCluster

StartGateway = Callable[..., Awaitable[AccountGateway]]


@pytest.fixture
async def start_gateway() -> AsyncIterator[StartGateway]:
    """Starts further gateways of one cluster, with changed settings."""
    cluster = UserCluster()
    await cluster.start_worker()
    started: list[AccountGateway] = []

    async def start(settings: Settings | None = None, **changes: object) -> AccountGateway:
        gateway = AccountGateway(cluster, settings or open_settings(**changes))
        started.append(gateway)
        await gateway.start()
        return gateway

    yield start
    for gateway in started:
        await gateway.authentication.stop()
    await cluster.stop()


@pytest.fixture
async def gateway(start_gateway: StartGateway) -> AccountGateway:
    return await start_gateway()


@pytest.fixture
async def server() -> AsyncIterator[InProcessServer]:
    """One of each component, in this event loop."""
    async with running_server() as running:
        yield running


@pytest.fixture
async def alice(server: InProcessServer) -> Client:
    return await server.register("alice")


@pytest.fixture
async def bob(server: InProcessServer) -> Client:
    return await server.register("bob")


@pytest.fixture
async def room_id(alice: Client) -> str:
    """A public room of alice's."""
    return await alice.create_room(preset="public_chat")
