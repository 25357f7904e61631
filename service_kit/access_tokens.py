"""Access, refresh and login tokens as clients see them: the only file that makes or reads them.

    plx_<number of the user's shard>_<43 characters of base64url>     access token
    plr_<number of the user's shard>_<43 characters of base64url>     refresh token
    plt_<number of the user's shard>_<43 characters of base64url>     login token

The number tells which shard to ask about the token; it is no secret. The rest
is 256 random bits. Only the SHA-256 of the whole text goes any further than the
process that gives the token out or is shown it.
"""

from __future__ import annotations

import re
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Callable
from hashlib import sha256
from typing import NamedTuple

from service_kit.shards import USER, Shard, ShardMap

ACCESS_TOKEN_PREFIX = "plx"
REFRESH_TOKEN_PREFIX = "plr"
LOGIN_TOKEN_PREFIX = "plt"
SECRET_BYTES = 32
_TOKEN = re.compile(r"(plx|plr|plt)_(0|[1-9][0-9]{0,4})_[A-Za-z0-9_-]{43}", re.ASCII)

RandomBytes = Callable[[int], bytes]


class Token(NamedTuple):
    """A token that was just made. `text` is for the client alone."""

    text: str
    sha256: bytes


def new_access_token(shard: Shard, random_bytes: RandomBytes = secrets.token_bytes) -> Token:
    return _new_token(ACCESS_TOKEN_PREFIX, shard, random_bytes)


def new_refresh_token(shard: Shard, random_bytes: RandomBytes = secrets.token_bytes) -> Token:
    return _new_token(REFRESH_TOKEN_PREFIX, shard, random_bytes)


def new_login_token(shard: Shard, random_bytes: RandomBytes = secrets.token_bytes) -> Token:
    return _new_token(LOGIN_TOKEN_PREFIX, shard, random_bytes)


def token_sha256(text: str) -> bytes:
    return sha256(text.encode("utf-8", "surrogatepass")).digest()


def shard_of_access_token(text: str, shards: ShardMap) -> Shard | None:
    """The shard that knows this token; None: it cannot be a token of this cluster."""
    return _shard_of(text, ACCESS_TOKEN_PREFIX, shards)


def shard_of_refresh_token(text: str, shards: ShardMap) -> Shard | None:
    """As `shard_of_access_token`."""
    return _shard_of(text, REFRESH_TOKEN_PREFIX, shards)


def shard_of_login_token(text: str, shards: ShardMap) -> Shard | None:
    """As `shard_of_access_token`."""
    return _shard_of(text, LOGIN_TOKEN_PREFIX, shards)


def _new_token(prefix: str, shard: Shard, random_bytes: RandomBytes) -> Token:
    secret = urlsafe_b64encode(random_bytes(SECRET_BYTES)).rstrip(b"=").decode("ascii")
    text = f"{prefix}_{shard.number}_{secret}"
    return Token(text, token_sha256(text))


def _shard_of(text: str, prefix: str, shards: ShardMap) -> Shard | None:
    match = _TOKEN.fullmatch(text)
    if match is None or match[1] != prefix:
        return None
    number = int(match[2])
    return Shard(USER, number) if number < shards.user_shards else None
