"""Addresses that prove who somebody is: their canonical form, and which shard knows whose they are.

Each hosted server name is a homeserver of its own to its users: an address may belong to one account of each.
Spec: https://spec.matrix.org/v1.19/appendices/#3pid-types
"""

from __future__ import annotations

import hmac
import re
from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import NamedTuple

from matrix_protocol.errors import InvalidParam
from service_kit.hosted_servers import HostedServers
from service_kit.rpc.pb.user_commands_pb2 import Address
from service_kit.shards import USER, Shard, ShardMap

EMAIL = "email"
MSISDN = "msisdn"
ADDRESS_BYTES_MAX = 254
"""RFC 5321, 4.5.3.1.3: the longest path has 256, with its angle brackets."""
CLIENT_SECRET_CHARACTERS_MAX = 255
SUBMIT_TOKEN_PATH = "/_plexus/client/email/submit_token"
"""Of the page that the link in a mail leads to."""

_LOCAL = r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_EMAIL = re.compile(rf"{_LOCAL}@{_LABEL}(\.{_LABEL})*", re.ASCII)
_CLIENT_SECRET = re.compile(r"[0-9a-zA-Z.=_-]+", re.ASCII)
_SID = re.compile(r"(0|[1-9][0-9]{0,4})\.[A-Za-z0-9_-]{32}", re.ASCII)


def canonical_email(text: str) -> str:
    """ "In addition to lowercasing the domain component of an email address, implementations are expected to apply the
    unicode case-folding algorithm".

    Only addresses that every mail server takes: ASCII, nothing quoted. Raises InvalidParam.
    """
    address = text.strip().casefold()
    if len(address) > ADDRESS_BYTES_MAX or not _EMAIL.fullmatch(address) or len(address.partition("@")[0]) > 64:
        raise InvalidParam("This is not an e-mail address")
    return address


def shard_key(address: Address) -> str:
    """What the shard of an address is found by, in place of a user ID."""
    return f"{address.medium} {address.address} {address.server_name}"


def check_client_secret(secret: str) -> bytes:
    """Its SHA-256; the secret itself goes no further. Raises InvalidParam."""
    if len(secret) > CLIENT_SECRET_CHARACTERS_MAX or not _CLIENT_SECRET.fullmatch(secret):
        raise InvalidParam("client_secret must have 1 to 255 of the characters 0-9 a-z A-Z . = _ -")
    return sha256(secret.encode()).digest()


def shard_of_sid(sid: str, shards: ShardMap) -> Shard | None:
    """Where a validation session is kept; None: it cannot be one of this cluster."""
    match = _SID.fullmatch(sid)
    if match is None or int(match[1]) >= shards.user_shards:
        return None
    return Shard(USER, int(match[1]))


class ValidationCodes(NamedTuple):
    """Names and tokens of validation sessions: made, not kept, by whoever has the cluster's key.

    sid     <number of the address's shard>.<32 characters of base64url>
    token   what is mailed
    """

    key: bytes

    @classmethod
    def of_cluster(cls, hosted: HostedServers) -> ValidationCodes:
        return cls(hosted.derived_key("key of validation sessions"))

    def sid(self, address: Address, purpose: str, client_secret_sha256: bytes, shards: ShardMap) -> str:
        """The same for the same attempt: "scoped to that `email` + `client_secret` pair"."""
        code = self._code("sid", shard_key(address), purpose, client_secret_sha256.hex())[:32]
        return f"{shards.of_user(shard_key(address)).number}.{code}"

    def token(self, sid: str, created_at_ms: int) -> str:
        return self._code("token", sid, str(created_at_ms))

    def address_code(self, address: Address) -> str:
        """Under which mails to an address are counted: also those to addresses of nobody's."""
        return self._code("mails", shard_key(address))

    def _code(self, *parts: str) -> str:
        digest = hmac.digest(self.key, "\x00".join(parts).encode("utf-8", "surrogatepass"), "sha256")
        return urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")
