"""The grammar of identifiers: user IDs, room IDs, aliases, event IDs, server names, key IDs, media URIs.

Identifiers of others are judged by the *historical* grammar, which the
specification obliges servers to accept; only names that we give out ourselves
must keep the current one (`is_valid_new_localpart`).

Spec: https://spec.matrix.org/v1.19/appendices/#identifier-grammar
"""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from typing import NamedTuple

from matrix_protocol.errors import InvalidParam

IDENTIFIER_BYTES_MAX = 255
SERVER_NAME_BYTES_MAX = 230
"""What we ask of our own names ("should not exceed 230 characters"), so that identifiers have room for a localpart."""

# "entirely composed of the characters `[0-9]`, `[A-Z]`, `[a-z]`, `-`, `.`, `_`, and `~`"; 1 to 255 of them
_OPAQUE = re.compile(r"[0-9A-Za-z._~-]{1,255}", re.ASCII)
_NAMESPACED = re.compile(r"[a-z][a-z0-9._-]{0,254}", re.ASCII)
# "The version must have characters matching the regular expression [a-zA-Z0-9_]."
_KEY_ID = re.compile(r"[a-z0-9_]{1,32}:[a-zA-Z0-9_]{1,128}", re.ASCII)
_MEDIA_ID = re.compile(r"[A-Za-z0-9_-]{1,255}", re.ASCII)
_COMPLIANT_LOCALPART = re.compile(r"[\x21-\x7E]+", re.ASCII)
_MAPPED_LOCALPART_BYTE = re.compile(rb"[^a-z0-9._/+-]")
_NEW_LOCALPART = re.compile(r"[a-z0-9._=/+-]+", re.ASCII)
_OPAQUE_ID = re.compile(r"[^:\x00\ud800-\udfff]*")
_EVENT_HASH = re.compile(r"[A-Za-z0-9+/_-]+", re.ASCII)
# server_name = hostname [ ":" port ]; hostname = IPv4address / "[" IPv6address "]" / dns-name
_SERVER_NAME = re.compile(
    r"(?:\[(?P<ipv6>[0-9A-Fa-f:.]{2,45})\]|(?P<host>[0-9A-Za-z.-]{1,255}))(?::[0-9]{1,5})?", re.ASCII
)
_IPV4_SHAPED = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}", re.ASCII)


class UserId(NamedTuple):
    """The two parts of `@localpart:server_name`."""

    localpart: str
    server_name: str

    def __str__(self) -> str:
        return f"@{self.localpart}:{self.server_name}"


def exceeds_bytes(text: str, limit: int) -> bool:
    """Is the text longer than `limit` bytes of UTF-8? Encodes only if the number of characters leaves it open."""
    length = len(text)
    if length * 4 <= limit:
        return False
    return length > limit or (not text.isascii() and len(text.encode("utf-8", "surrogatepass")) > limit)


def server_name_of(identifier: str) -> str:
    """What follows the first colon, unchecked; "" if there is none (event IDs since v3, room IDs since v12)."""
    return identifier.partition(":")[2]


def is_valid_server_name(server_name: str) -> bool:
    return len(server_name) <= IDENTIFIER_BYTES_MAX + len(":65535") and _matches_server_name(server_name)


@lru_cache(maxsize=4096)
def _matches_server_name(server_name: str) -> bool:
    match = _SERVER_NAME.fullmatch(server_name)
    if match is None:
        return False
    if ipv6 := match["ipv6"]:
        return _is_address(ipaddress.IPv6Address, ipv6)
    # "IPv4 literals must be a sequence of four decimal numbers in the range 0 to 255, separated by `.`."
    host = match["host"]
    return not _IPV4_SHAPED.fullmatch(host) or all(int(part) <= 255 for part in host.split("."))


def _is_address(kind: type[ipaddress.IPv6Address], text: str) -> bool:
    try:
        kind(text)
    except ValueError:
        return False
    return True


def parse_user_id(text: str) -> UserId:
    """The parts of a user ID, by the historical grammar. Raises `InvalidParam`."""
    if not is_valid_user_id(text):
        raise InvalidParam("This is not a user ID: it must look like @localpart:server.name")
    localpart, _, server_name = text[1:].partition(":")
    return UserId(localpart, server_name)


def is_valid_user_id(text: str) -> bool:
    """Historical grammar: "localparts consisting of any legal non-surrogate Unicode code points except for `:` and
    `NUL`, including other control characters and the empty string"."""
    return _is_localpart_and_server(text, "@")


def is_valid_new_localpart(localpart: str) -> bool:
    """May we give this localpart to a new user? (Check the whole ID's length beside it.)"""
    return _NEW_LOCALPART.fullmatch(localpart) is not None


def is_compliant_user_id(text: str) -> bool:
    """May this user ID be shown to clients outside of an event?

    "User IDs with localparts containing characters outside the range U+0021 to U+007E, or with an empty localpart, are
    considered non-compliant. […] they SHOULD NOT forward such user IDs to clients when referenced outside the context
    of an event."
    """
    return is_valid_user_id(text) and _COMPLIANT_LOCALPART.fullmatch(text[1:].partition(":")[0]) is not None


def mapped_localpart(name: str) -> str:
    """A localpart of the current grammar for any name, in the way that the specification suggests.

    "Convert the bytes `A-Z` to lower-case. […] Encode any remaining bytes outside the allowed character set, as well as
    `=`, as their hexadecimal value, prefixed with `=`." Names that differ in case alone get the same one.
    """
    lower = name.encode("utf-8", "surrogatepass").lower()  # of ASCII alone, since these are bytes
    return _MAPPED_LOCALPART_BYTE.sub(lambda match: b"=%02x" % match[0][0], lower).decode("ascii")


def is_valid_room_id(text: str) -> bool:
    """With a server name (versions 1 to 11), or the reference hash of the create event without one (12)."""
    if ":" in text:
        return _is_localpart_and_server(text, "!")
    return text.startswith("!") and _is_event_hash(text[1:])


def is_valid_room_alias(text: str) -> bool:
    return _is_localpart_and_server(text, "#") and not text.startswith("#:")


def is_valid_event_id(text: str) -> bool:
    """With a server name (versions 1 and 2), or a reference hash without one."""
    if ":" in text:
        return _is_localpart_and_server(text, "$")
    return text.startswith("$") and _is_event_hash(text[1:])


def is_valid_opaque_id(text: str) -> bool:
    """Of the Opaque Identifier Grammar: session IDs of user-interactive authentication, and others."""
    return _OPAQUE.fullmatch(text) is not None


def is_valid_namespaced_id(text: str) -> bool:
    """Of the Common Namespaced Identifier Grammar: `m.login.password`, `com.example.custom`."""
    return _NAMESPACED.fullmatch(text) is not None


def is_valid_key_id(text: str) -> bool:
    """`algorithm:version`, as servers name their signing keys: `ed25519:a_abcd`."""
    return _KEY_ID.fullmatch(text) is not None


class MxcUri(NamedTuple):
    """The two parts of `mxc://server_name/media_id`."""

    server_name: str
    media_id: str

    def __str__(self) -> str:
        return f"mxc://{self.server_name}/{self.media_id}"


def parse_mxc_uri(text: str) -> MxcUri:
    """Raises InvalidParam.

    "Homeservers MUST sanitise `mxc://` URIs by: restricting the `server-name` segment to valid server names; allowing
    only alphanumeric (`A-Za-z0-9`), `_` and `-` characters in the `media-id` segment".
    """
    server_name, slash, media_id = text.removeprefix("mxc://").partition("/")
    if not text.startswith("mxc://") or not slash or not is_valid_server_name(server_name):
        raise InvalidParam("This is not a media URI: it must look like mxc://server.name/media_id")
    if _MEDIA_ID.fullmatch(media_id) is None:
        raise InvalidParam("The media ID of an mxc URI may have letters, digits, `_` and `-`, at most 255 of them")
    return MxcUri(server_name, media_id)


def _is_event_hash(text: str) -> bool:
    return len(text) < IDENTIFIER_BYTES_MAX and _EVENT_HASH.fullmatch(text) is not None


def _is_localpart_and_server(text: str, sigil: str) -> bool:
    if not text.startswith(sigil) or exceeds_bytes(text, IDENTIFIER_BYTES_MAX):
        return False
    localpart, colon, server_name = text[1:].partition(":")
    return bool(colon) and _OPAQUE_ID.fullmatch(localpart) is not None and is_valid_server_name(server_name)
