"""Registration tokens: those of the configuration, and how often they may be used.

Spec: https://spec.matrix.org/v1.19/client-server-api/#token-authenticated-registration
"""

from __future__ import annotations

import hmac
from datetime import UTC, datetime
from hashlib import sha256
from typing import NamedTuple

from matrix_protocol.errors import Forbidden
from service_kit.clock import Clock
from service_kit.registration_settings import RegistrationSettings
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.user_commands_pb2 import UserCommand, UseRegistrationToken

TOKEN_CHARACTERS_MAX = 64
""" "with maximum length of 64 characters" """

_Act = UseRegistrationToken.Act


class Known(NamedTuple):
    """A token that holds."""

    sha256: bytes
    uses_max: int
    """0 = any number"""


class RegistrationTokens:
    def __init__(self, settings: RegistrationSettings, users: CommandClient, clock: Clock) -> None:
        self._settings = settings
        self._users = users
        self._clock = clock

    async def holds(self, token: object) -> Known | None:
        """The token, if an account could be made with it now."""
        known = self._known(token)
        if known is None or not known.uses_max or await self._act(known, _Act.ASK):
            return known
        return None

    async def take(self, known: Known) -> None:
        """One use is gone. Raises Forbidden if there was none left."""
        if known.uses_max and not await self._act(known, _Act.TAKE):
            raise Forbidden("This registration token has been used up meanwhile")

    async def give_back(self, known: Known) -> None:
        """Nothing came of it."""
        if known.uses_max:
            await self._act(known, _Act.GIVE_BACK)

    async def _act(self, known: Known, act: _Act) -> bool:
        command = UseRegistrationToken(token_sha256=known.sha256, uses_max=known.uses_max, act=act)
        return (await self._users.user(known.sha256.hex(), UserCommand(use_registration_token=command))).matched

    def _known(self, token: object) -> Known | None:
        if not isinstance(token, str) or not 0 < len(token) <= TOKEN_CHARACTERS_MAX:
            return None
        given = token.encode("utf-8", "surrogatepass")
        settings = self._settings
        now = datetime.fromtimestamp(self._clock.now_ms() / 1000, UTC)
        found: Known | None = None
        # All are compared, so that the time does not tell how much of one was right.
        for limited in settings.limited_tokens:
            if hmac.compare_digest(given, limited.token.get_secret_value().encode()):
                is_over = limited.expires_at is not None and limited.expires_at <= now
                found = None if is_over else Known(sha256(given).digest(), limited.uses_max)
        for unlimited in settings.tokens:
            if hmac.compare_digest(given, unlimited.get_secret_value().encode()):
                found = Known(sha256(given).digest(), 0)
        return found
