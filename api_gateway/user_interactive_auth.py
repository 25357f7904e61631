"""User-interactive authentication: proving once more who one is, or that one may register.

    request without `auth`   401 with the flows and a session
    request with `auth`      the stage is checked: the request goes on, or 401 with an errcode and the same flows

Every flow here has one stage, so there is nothing to remember between the two
requests, and any gateway can go on where another began. The session is a
message authentication code over what the request is for and the time; whoever
holds it has proven nothing yet.

Spec: https://spec.matrix.org/v1.19/client-server-api/#user-interactive-authentication-api
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from matrix_protocol.errors import MatrixError
from service_kit.clock import Clock
from service_kit.hosted_servers import HostedServers

SESSION_LIFETIME_S = 24 * 3600
"""Somebody may leave a registration form open for long; the session by itself gives no rights."""
SESSION_CHARACTERS_MAX = 100

DUMMY = "m.login.dummy"
PASSWORD = "m.login.password"
REGISTRATION_TOKEN = "m.login.registration_token"

AuthData = dict[str, Any]
"""The `auth` member of a request, as the client sent it."""
Check = Callable[[AuthData], Awaitable[None]]
"""Raises StageFailed."""


class StageFailed(Exception):
    """The client's attempt at a stage was unsuccessful; it may try again."""

    def __init__(self, errcode: str, message: str) -> None:
        super().__init__(message)
        self.errcode = errcode
        self.message = message


class InteractionRequired(MatrixError):
    """401 with the flows; with an errcode only if an attempt failed."""

    errcode = ""
    http_status = 401

    def body(self) -> dict[str, object]:
        if not self.errcode:
            return dict(self.extra)
        return super().body()


class UserInteractiveAuth:
    """Gives out and checks sessions, with a key that all gateways of the cluster share."""

    def __init__(self, key: bytes, clock: Clock) -> None:
        self._key = key
        self._clock = clock

    @classmethod
    def of_cluster(cls, hosted: HostedServers, clock: Clock) -> UserInteractiveAuth:
        return cls(hosted.derived_key("key of user-interactive authentication sessions"), clock)

    async def demand(self, purpose: str, auth: AuthData | None, stages: Mapping[str, Check]) -> None:
        """Return if the client has passed one of the stages.

        `purpose` names the operation and whom it is for: a session serves no other. Raises InteractionRequired.
        """
        session = auth.get("session") if auth else None
        # "It must also contain a `session` key with the value of the session key given by the homeserver".
        # NOTSPEC: a request with a stage but without session is taken as its own first step, for the many programs
        # that know the flows beforehand. As sessions carry nothing, nothing is lost.
        if session is not None and not self.is_valid(purpose, session):
            raise self._required(purpose, stages, None, "M_FORBIDDEN", "This session is unknown, or has expired")
        if not auth or "type" not in auth:
            raise self._required(purpose, stages, session)
        kind = auth["type"]
        check = stages.get(kind) if isinstance(kind, str) else None
        if check is None:
            raise self._required(purpose, stages, session, "M_UNRECOGNIZED", "This type is in none of the flows")
        try:
            await check(auth)
        except StageFailed as failure:
            raise self._required(purpose, stages, session, failure.errcode, failure.message) from failure

    def _required(
        self, purpose: str, stages: Mapping[str, Check], session: str | None, errcode: str = "", message: str = ""
    ) -> InteractionRequired:
        error = InteractionRequired(
            message,
            flows=[{"stages": [stage]} for stage in stages],
            params={},
            session=session or self.new_session(purpose),
            completed=[],
        )
        error.errcode = errcode
        return error

    def new_session(self, purpose: str) -> str:
        """A session for this purpose, made now."""
        return self._session(purpose, int(self._clock.now_ms() // 1000))

    def _session(self, purpose: str, made_at_s: int) -> str:
        code = hmac.digest(self._key, f"{made_at_s} {purpose}".encode("utf-8", "surrogatepass"), "sha256")
        return f"{made_at_s}.{urlsafe_b64encode(code[:18]).decode('ascii')}"

    def is_valid(self, purpose: str, session: object, *, lifetime_s: int = SESSION_LIFETIME_S) -> bool:
        """Whether some gateway of this cluster gave this session out for this purpose, not longer ago than that."""
        if not isinstance(session, str) or not session.isascii() or len(session) > SESSION_CHARACTERS_MAX:
            return False
        digits = session.partition(".")[0]
        if not digits.isdecimal() or len(digits) > 12:
            return False
        age_s = self._clock.now_ms() // 1000 - int(digits)
        fresh = -60 <= age_s <= lifetime_s  # gateways' clocks may differ a little
        return fresh and hmac.compare_digest(session, self._session(purpose, int(digits)))


async def nothing_to_prove(auth: AuthData) -> None:
    """`m.login.dummy`: "no credentials"; the request had to be sent twice, that is all."""
