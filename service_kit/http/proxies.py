"""Which address a request really comes from, when there are proxies in between."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from service_kit.http.request import Headers, header_of

FORWARDED_BYTES_MAX = 1024


class TrustedProxies:
    """`X-Forwarded-For` is believed from these networks alone: from others it could be anything."""

    def __init__(self, networks: Sequence[str]) -> None:
        """Raises ValueError for what is neither an address nor a network."""
        self._networks: list[IPv4Network | IPv6Network] = [ip_network(network, strict=False) for network in networks]
        self.trusts = lru_cache(maxsize=4096)(self._trusts)

    def _trusts(self, address: str) -> bool:
        try:
            ip = ip_address(address)
        except ValueError:
            return False
        return any(ip in network for network in self._networks)

    def client_ip(self, peer: str, headers: Headers) -> str:
        """The last address of the chain that is not a trusted proxy's."""
        if not self._networks or not self.trusts(peer):
            return peer
        forwarded = header_of(headers, b"x-forwarded-for")
        if not forwarded or len(forwarded) > FORWARDED_BYTES_MAX:
            return peer
        for hop in reversed(forwarded.decode("latin-1").split(",")):
            address = hop.strip()
            if not _is_address(address):
                return peer
            if not self.trusts(address):
                return address
            peer = address
        return peer


@lru_cache(maxsize=4096)
def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
