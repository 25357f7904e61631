"""Server discovery: where clients find the server of a server name."""

from __future__ import annotations

from matrix_protocol.errors import NotFound
from service_kit.config import Settings
from service_kit.hosted_servers import HostedServers
from service_kit.http.endpoint import Auth, endpoint
from service_kit.http.request import Request


@endpoint("GET", "/.well-known/matrix/client", operation="getWellknown", auth=Auth.NONE)
async def get_wellknown(request: Request, settings: Settings, hosted: HostedServers) -> dict[str, object]:
    server_name = hosted.for_host(request.header(b"host"))
    discovery = client_discovery(settings, server_name)
    if discovery is None and server_name == settings.server_name:
        return _discovery(settings.client_base_url)
    if discovery is None:
        raise NotFound("There is no discovery information for this server name")
    return discovery


def client_discovery(settings: Settings, server_name: str) -> dict[str, object] | None:
    """The discovery object of a server name of ours; None if its public URL is not configured."""
    urls = {server.server_name: server.public_base_url for server in settings.further_servers}
    url = urls.get(server_name, settings.public_base_url)
    return _discovery(url) if url else None


def _discovery(base_url: str) -> dict[str, object]:
    return {"m.homeserver": {"base_url": base_url.rstrip("/")}}
