"""Which server names are ours, and with which keys they sign.

One cluster may serve many server names, so nothing in the code compares with
"our" name: it asks here. The signing keys lie in the data directory, one file a
server name, readable by the owner of the process alone.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from matrix_protocol.signatures import SigningKey, format_signing_key, generate_signing_key, parse_signing_key
from service_kit.config import Settings


class HostedServers:
    """The server names that this cluster serves. `default` is the one of requests whose Host says nothing."""

    def __init__(
        self, default: str, signing_keys: Mapping[str, SigningKey], server_name_by_host: Mapping[str, str] | None = None
    ) -> None:
        if default not in signing_keys:
            raise ValueError(f"there is no signing key for the server name {default}")
        self.default = default
        self._signing_keys = dict(signing_keys)
        self._server_name_by_host = {name: name for name in signing_keys} | dict(server_name_by_host or {})

    @property
    def names(self) -> list[str]:
        return list(self._signing_keys)

    def is_ours(self, server_name: str) -> bool:
        return server_name in self._signing_keys

    def signing_key(self, server_name: str) -> SigningKey:
        """Raises KeyError for a name that is not ours."""
        return self._signing_keys[server_name]

    def derived_key(self, purpose: str) -> bytes:
        """32 secret bytes that all processes of the cluster know: made from the default server name's signing key."""
        # ed25519 signatures are deterministic, and we never sign such a text for anybody.
        return sha256(self.signing_key(self.default).sign(f"plexus: {purpose}".encode())).digest()

    def for_host(self, host_header: str) -> str:
        """The server name that a request with this Host header is for."""
        host = host_header.lower()
        if (exact := self._server_name_by_host.get(host)) is not None:
            return exact
        without_port = host if host.endswith("]") else host.rpartition(":")[0]
        return self._server_name_by_host.get(without_port, self.default)


def load_hosted_servers(settings: Settings) -> HostedServers:
    """The server names of the configuration with their keys; a missing key is made."""
    names = [settings.server_name, *(server.server_name for server in settings.further_servers)]
    keys = {name: _load_or_make_key(_key_path(settings, name)) for name in names}
    hosts = {host.lower(): server.server_name for server in settings.further_servers for host in server.hosts}
    return HostedServers(settings.server_name, keys, hosts)


def _key_path(settings: Settings, server_name: str) -> Path:
    # A server name holds no slash; ":" and "[]" of ports and IPv6 are not welcome in file names everywhere.
    name = server_name.replace(":", "_").replace("[", "").replace("]", "")
    return settings.data_dir / "signing_keys" / f"{name}.key"


def _load_or_make_key(path: Path) -> SigningKey:
    """Several processes may start at once: whoever makes the file first decides, the others read it."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _write_once(path, format_signing_key(generate_signing_key(f"a_{secrets.token_hex(3)}")) + "\n")
    return parse_signing_key(path.read_text("ascii").strip())


def _write_once(path: Path, text: str) -> None:
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    with contextlib.suppress(FileExistsError):
        os.link(draft, path)
    draft.unlink()
