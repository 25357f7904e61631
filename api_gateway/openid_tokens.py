"""OpenID tokens: proof for another service that somebody is who they say, and nothing else.

    plo_<when it ends, Unix seconds>_<base64url of the user ID>_<base64url of a message authentication code>

Nothing is kept of them: any gateway can check what another one gave out. That the account is still in use is asked
when the token is exchanged.
"""

from __future__ import annotations

import hmac
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode

from service_kit.clock import Clock
from service_kit.hosted_servers import HostedServers

TOKEN_CHARACTERS_MAX = 600
_TOKEN = re.compile(r"plo_([0-9]{1,12})_([A-Za-z0-9.-]+)_([A-Za-z0-9.-]{43})", re.ASCII)


class OpenIdTokens:
    def __init__(self, hosted: HostedServers, clock: Clock) -> None:
        self._key = hosted.derived_key("key of OpenID tokens")
        self._clock = clock

    def new(self, user_id: str, lifetime_s: int) -> str:
        ends_at_s = self._clock.now_ms() // 1000 + lifetime_s
        return f"plo_{ends_at_s}_{_encoded(user_id.encode())}_{self._code(ends_at_s, user_id)}"

    def user_of(self, token: str) -> str | None:
        """Whose valid token this is."""
        match = _TOKEN.fullmatch(token) if len(token) <= TOKEN_CHARACTERS_MAX else None
        if match is None:
            return None
        ends_at_s = int(match[1])
        try:
            user_id = _decoded(match[2]).decode()
        except ValueError:
            return None
        if not hmac.compare_digest(match[3], self._code(ends_at_s, user_id)):
            return None
        return user_id if self._clock.now_ms() // 1000 < ends_at_s else None

    def _code(self, ends_at_s: int, user_id: str) -> str:
        return _encoded(hmac.digest(self._key, f"{ends_at_s} {user_id}".encode(), "sha256"))


def _encoded(data: bytes) -> str:
    # The underscore is what parts of the token are separated by.
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii").replace("_", ".")


def _decoded(text: str) -> bytes:
    text = text.replace(".", "_")
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
