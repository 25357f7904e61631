"""Which servers may take part in a room.

Spec: https://spec.matrix.org/v1.19/client-server-api/#server-access-control-lists-acls-for-rooms
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from matrix_protocol.globs import Glob, fold
from matrix_protocol.identifiers import IDENTIFIER_BYTES_MAX

SERVER_ACL: Final = "m.room.server_acl"

_PORT: Final = re.compile(r":[0-9]{0,5}\Z", re.ASCII)


class ServerAcl:
    """The content of an `m.room.server_acl`, ready to be asked about many servers.

    A room without such an event has none: "allow". What is malformed counts as absent: so without a list `allow`
    nobody is allowed, as the specification warns, and entries that are no strings are ignored.
    """

    __slots__ = ("_allow", "_allows_ip_literals", "_deny")

    def __init__(self, content: Mapping[str, Any]) -> None:
        # "Defaults to `true` if missing or otherwise not a boolean."
        self._allows_ip_literals = content.get("allow_ip_literals") is not False
        self._allow = _Names(content.get("allow"))
        self._deny = _Names(content.get("deny"))

    def allows(self, server_name: str) -> bool:
        """With or without a port: it "must not be considered"."""
        host = fold(_PORT.sub("", server_name, count=1))
        # "2. If the server name is an IP address (v4 or v6) literal, and `allow_ip_literals` is present and `false`,
        #  deny. 3. If the server name matches an entry in the `deny` list, deny. 4. If the server name matches an entry
        #  in the `allow` list, allow. 5. Otherwise, deny."
        if not self._allows_ip_literals and _is_ip_literal(host):
            return False
        return not self._deny.has(host) and self._allow.has(host)


class _Names:
    """A list of globs: the plain names as a set, and the patterns apart."""

    __slots__ = ("_names", "_patterns")

    def __init__(self, entries: object) -> None:
        globs = [Glob(entry) for entry in _strings(entries)]
        self._names = frozenset(glob.pattern for glob in globs if glob.is_literal)
        # A pattern of more characters than any server name has matches none.
        self._patterns = [glob for glob in globs if not glob.is_literal and glob.characters_min <= IDENTIFIER_BYTES_MAX]

    def has(self, host: str) -> bool:
        return host in self._names or any(pattern.matches(host) for pattern in self._patterns)


def _strings(entries: object) -> Iterable[str]:
    return [entry for entry in entries if isinstance(entry, str)] if isinstance(entries, list) else []


def _is_ip_literal(host: str) -> bool:
    """`[…]` is an IPv6 literal, whatever it holds."""
    if host.startswith("["):
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
