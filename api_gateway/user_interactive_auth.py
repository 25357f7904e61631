"""User-interactive authentication: proving once more who one is, or that one may register.

    request without `auth`   401 with the flows and a session
    request with `auth`      the stage is checked: the request goes on, or 401 with what there is still to do

The session is a message authentication code over what the request is for, the
time and a random number; whoever holds it has proven nothing yet, and nothing
is kept for it. Most flows have one stage, so there is nothing to remember
between the two requests. Where a flow has more, the stages that were passed are
kept by the shard that the session hashes to (`AuthSessions`): any gateway goes
on where another began.

Spec: https://spec.matrix.org/v1.19/client-server-api/#user-interactive-authentication-api
"""

from __future__ import annotations

import hmac
import re
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from matrix_protocol.errors import MatrixError
from service_kit.clock import Clock
from service_kit.hosted_servers import HostedServers

SESSION_LIFETIME_S = 24 * 3600
"""Somebody may leave a registration form open for long; the session by itself gives no rights."""
_SESSION = re.compile(r"([0-9]{1,12})\.([0-9a-f]{16})\.[A-Za-z0-9_-]{24}", re.ASCII)

DUMMY = "m.login.dummy"
EMAIL = "m.login.email.identity"
PASSWORD = "m.login.password"
RECAPTCHA = "m.login.recaptcha"
REGISTRATION_TOKEN = "m.login.registration_token"
TERMS = "m.login.terms"

AuthData = dict[str, Any]
"""The `auth` member of a request, as the client sent it."""
Check = Callable[[AuthData], Awaitable[object]]
"""Answers what was proven (a small JSON value, kept with the session). Raises StageFailed."""
Passed = dict[str, object]
"""By stage: what its check answered."""


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


class Demand(NamedTuple):
    """What a client has to do."""

    purpose: str
    """The operation and whom it is for: a session serves no other."""
    checks: Mapping[str, Check]
    """By stage."""
    flows: Sequence[Sequence[str]]
    """Each in the order in which its stages must be passed."""
    params: Mapping[str, object]
    """By stage: what the client has to know."""

    @classmethod
    def one_of(cls, purpose: str, checks: Mapping[str, Check]) -> Demand:
        """Any one of these stages."""
        return cls(purpose, checks, [[stage] for stage in checks], {})

    @property
    def is_remembered(self) -> bool:
        return any(len(flow) > 1 for flow in self.flows)

    def may_follow(self, passed: Passed) -> set[str]:
        """The stages that can be next: "the flow's stages must be completed in order"."""
        done = set(passed)
        return {flow[len(done)] for flow in self.flows if len(flow) > len(done) and done == set(flow[: len(done)])}

    def is_met(self, passed: Passed) -> bool:
        return any(set(flow) <= set(passed) for flow in self.flows)


class PassedStages(Protocol):
    """Keeps the stages that were passed, by session."""

    async def get(self, session: str) -> Passed: ...

    async def add(self, session: str, stage: str, detail: object) -> Passed:
        """All that were passed, this one included."""
        ...

    async def end(self, session: str) -> Passed:
        """All that were passed, told for the last time: of several who ask at once, one is told."""
        ...


class UserInteractiveAuth:
    """Gives out and checks sessions, with a key that all gateways of the cluster share."""

    def __init__(self, key: bytes, clock: Clock, passed_stages: PassedStages) -> None:
        self._key = key
        self._clock = clock
        self._passed_stages = passed_stages

    @classmethod
    def of_cluster(cls, hosted: HostedServers, clock: Clock, passed_stages: PassedStages) -> UserInteractiveAuth:
        return cls(hosted.derived_key("key of user-interactive authentication sessions"), clock, passed_stages)

    async def demand(self, demand: Demand, auth: AuthData | None) -> Passed:
        """Return what was proven, if the client has passed a flow. Raises InteractionRequired.

        Of a flow with several stages that is told once: the session begins anew then.
        """
        session = auth.get("session") if auth else None
        # "It must also contain a `session` key with the value of the session key given by the homeserver".
        # NOTSPEC: a request with a stage but without session is taken as its own first step, for the many programs
        # that know the flows beforehand. A session by itself proves nothing, so nothing is lost.
        if session is not None and not self.is_valid(demand.purpose, session):
            raise self._required(demand, None, {}, "M_FORBIDDEN", "This session is unknown, or has expired")
        passed = await self._passed_stages.get(session) if session and demand.is_remembered else {}
        if auth and "type" in auth and not demand.is_met(passed):
            session, passed = await self._attempt(demand, auth, session, passed)
        if not demand.is_met(passed):
            raise self._required(demand, session, passed)
        if not demand.is_remembered:
            return passed
        passed = await self._passed_stages.end(session or "")
        if not demand.is_met(passed):  # the same request came twice, and the other one was first
            raise self._required(demand, session, passed)
        return passed

    async def _attempt(
        self, demand: Demand, auth: AuthData, session: str | None, passed: Passed
    ) -> tuple[str | None, Passed]:
        """The session and what has been passed after this attempt."""
        kind = auth["type"]
        check = demand.checks.get(kind) if isinstance(kind, str) else None
        if check is None:
            raise self._required(demand, session, passed, "M_UNRECOGNIZED", "This type is in none of the flows")
        if kind in passed:
            return session, passed
        # "Failing to follow the flows in order must result in an HTTP 401 response".
        if kind not in demand.may_follow(passed):
            raise self._required(demand, session, passed, "M_FORBIDDEN", "Another stage comes before this one")
        try:
            detail = await check(auth)
        except StageFailed as failure:
            raise self._required(demand, session, passed, failure.errcode, failure.message) from failure
        if not demand.is_remembered:
            return session, {kind: detail}
        session = session or self.new_session(demand.purpose)
        return session, await self._passed_stages.add(session, kind, detail)

    def _required(
        self, demand: Demand, session: str | None, passed: Passed, errcode: str = "", message: str = ""
    ) -> InteractionRequired:
        error = InteractionRequired(
            message,
            flows=[{"stages": list(flow)} for flow in demand.flows],
            params=dict(demand.params),
            session=session or self.new_session(demand.purpose),
            completed=list(passed),
        )
        error.errcode = errcode
        return error

    def new_session(self, purpose: str) -> str:
        """A session for this purpose, made now."""
        return self._session(purpose, str(self._clock.now_ms() // 1000), secrets.token_hex(8))

    def _session(self, purpose: str, made_at_s: str, number: str) -> str:
        text = f"{made_at_s} {number} {purpose}".encode("utf-8", "surrogatepass")
        code = urlsafe_b64encode(hmac.digest(self._key, text, "sha256")[:18]).decode("ascii")
        return f"{made_at_s}.{number}.{code}"

    def is_valid(self, purpose: str, session: object, *, lifetime_s: int = SESSION_LIFETIME_S) -> bool:
        """Whether some gateway of this cluster gave this session out for this purpose, not longer ago than that."""
        parts = _SESSION.fullmatch(session) if isinstance(session, str) else None
        if parts is None:
            return False
        age_s = self._clock.now_ms() // 1000 - int(parts[1])
        fresh = -60 <= age_s <= lifetime_s  # gateways' clocks may differ a little
        return fresh and hmac.compare_digest(parts[0], self._session(purpose, parts[1], parts[2]))


async def nothing_to_prove(auth: AuthData) -> None:
    """`m.login.dummy`: "no credentials"; the request had to be sent twice, that is all.

    And `m.login.terms`: "just the `type` and `session`, […] to indicate that all of the policies have been accepted".
    """
