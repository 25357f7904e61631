"""Users of invented servers; every server has the same signing key in every test run."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from typing import NamedTuple

from matrix_protocol.signatures import SigningKey

DEFAULT_SERVER = "example.org"


class User(NamedTuple):
    """`str(user)` is the user ID."""

    localpart: str
    server_name: str

    @property
    def id(self) -> str:
        return f"@{self.localpart}:{self.server_name}"

    @property
    def signing_key(self) -> SigningKey:
        """The key of the user's server."""
        return signing_key_of(self.server_name)

    def __str__(self) -> str:
        return self.id


def user(localpart: str, server_name: str = DEFAULT_SERVER) -> User:
    return User(localpart, server_name)


@cache
def signing_key_of(server_name: str) -> SigningKey:
    return SigningKey("ed25519:test", sha256(server_name.encode()).digest())
