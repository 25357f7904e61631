"""Which NATS servers there are, and how to prove to one of them who we are."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from nacl.signing import SigningKey

from service_kit.bus.interface import BusError

DEFAULT_PORT = 4222
DISCOVERED_SERVERS_MAX = 64


class NatsAddress(NamedTuple):
    """One server, as its URL gives it: `nats://[user:password@|token@]host[:port]`, or `tls://…`."""

    host: str
    port: int
    user: str | None
    password: str | None
    wants_tls: bool
    tls_hostname: str
    """The name that the server's certificate must bear."""


def parse_address(url: str) -> NatsAddress:
    try:
        parts = urlsplit(url if "://" in url else f"nats://{url}")
        if parts.scheme not in ("nats", "tls") or not parts.hostname:
            raise ValueError
        user = None if parts.username is None else unquote(parts.username)
        password = None if parts.password is None else unquote(parts.password)
        host = parts.hostname
        return NatsAddress(host, parts.port or DEFAULT_PORT, user, password, parts.scheme == "tls", host)
    except ValueError:
        raise BusError("a NATS server is written nats://host:port or tls://host:port") from None


class ServerPool:
    """Where to connect next: the servers of the configuration, and those of their cluster that they tell of."""

    def __init__(self, urls: Iterable[str]) -> None:
        self._addresses = [parse_address(url) for url in urls]
        if not self._addresses:
            raise BusError("no NATS server is configured")
        self._configured = len(self._addresses)
        self._next = 0

    def __len__(self) -> int:
        return len(self._addresses)

    def next(self) -> NatsAddress:
        address = self._addresses[self._next % len(self._addresses)]
        self._next += 1
        return address

    def stay(self) -> None:
        """The last one given works: begin with it again."""
        self._next -= 1

    def discover(self, connect_urls: Iterable[str], told_by: NatsAddress) -> None:
        """Replace the servers that we were told of before; they take the same credentials."""
        found = self._addresses[: self._configured]
        for url in connect_urls:
            try:
                other = parse_address(url)
            except BusError:
                continue
            if all((other.host, other.port) != (known.host, known.port) for known in found):
                found.append(told_by._replace(host=other.host, port=other.port))
        self._addresses = found[: self._configured + DISCOVERED_SERVERS_MAX]


@dataclass(frozen=True)
class Credentials:
    """What the configuration gives; a URL's own user or token goes first."""

    user: str | None = None
    password: str | None = None
    token: str | None = None
    credentials_file: Path | None = None
    """A .creds file: a JWT and the nkey seed that it belongs to."""

    def connect_fields(self, address: NatsAddress, nonce: str) -> dict[str, str]:
        """The fields of CONNECT that authenticate us."""
        if self.credentials_file is not None:
            jwt, seed = _read_credentials(self.credentials_file)
            signature = _signing_key(seed).sign(nonce.encode()).signature
            return {"jwt": jwt, "sig": base64.urlsafe_b64encode(signature).rstrip(b"=").decode()}
        if address.user is not None and address.password is not None:
            return {"user": address.user, "pass": address.password}
        if address.user is not None:
            return {"auth_token": address.user}
        if self.user is not None:
            return {"user": self.user, "pass": self.password or ""}
        return {} if self.token is None else {"auth_token": self.token}


_SECTION = re.compile(r"-+BEGIN ([A-Z ]+)-+\s+(\S+)\s+-+END [A-Z ]+-+")


def _read_credentials(path: Path) -> tuple[str, str]:
    """JWT and seed. Read anew for each connection, so that they can be rotated."""
    try:
        sections = dict(_SECTION.findall(path.read_text()))
        return sections["NATS USER JWT"], sections["USER NKEY SEED"]
    except (OSError, KeyError, UnicodeDecodeError) as error:
        raise BusError(f"{path} is no NATS credentials file") from error


def _signing_key(seed: str) -> SigningKey:
    """nkeys: base32 of two prefix bytes, 32 bytes of seed, two of checksum.

    Spec: https://docs.nats.io/running-a-nats-service/configuration/securing_nats/auth_intro/nkey_auth
    """
    try:
        raw = base64.b32decode(seed + "=" * (-len(seed) % 8))
        return SigningKey(raw[2:34])
    except ValueError as error:
        raise BusError("the nkey seed is malformed") from error
