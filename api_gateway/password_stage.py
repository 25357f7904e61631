"""The `m.login.password` stage for somebody who is logged in already: only their own password counts."""

from __future__ import annotations

from api_gateway.login_identifiers import LoginIdentifiers, identifier_of
from api_gateway.user_commands import is_password_of
from api_gateway.user_interactive_auth import PASSWORD, AuthData, Check, Demand, StageFailed, UserInteractiveAuth
from matrix_protocol.errors import MatrixError
from matrix_protocol.identifiers import server_name_of
from service_kit.http.authentication import Caller
from service_kit.http.rate_limits import LOGIN, RateLimits
from service_kit.rpc.commands import CommandClient

WRONG = "Wrong user name or password"


class PasswordAuth:
    """Demands the caller's password."""

    def __init__(
        self,
        interactive_auth: UserInteractiveAuth,
        users: CommandClient,
        rate_limits: RateLimits,
        identifiers: LoginIdentifiers,
    ) -> None:
        self._interactive_auth = interactive_auth
        self._identifiers = identifiers
        self._users = users
        self._rate_limits = rate_limits

    async def demand(self, operation: str, caller: Caller, auth: AuthData | None) -> None:
        """Return if the request came with the caller's password; `operation` says what it is for.

        Raises InteractionRequired, LimitExceeded.
        """
        demand = Demand.one_of(f"{operation} {caller.user_id}", {PASSWORD: self.check_of(caller)})
        await self._interactive_auth.demand(demand, auth)

    def check_of(self, caller: Caller) -> Check:
        """The stage by itself."""

        async def check(given: AuthData) -> None:
            self._rate_limits.check(LOGIN, caller.user_id)
            with self._rate_limits.login_attempt(caller.user_id, "", StageFailed):
                is_for_caller = await self._is_for(caller, given)
                if not is_for_caller or not await is_password_of(self._users, caller, given.get("password")):
                    raise StageFailed("M_FORBIDDEN", WRONG)

        return check

    async def _is_for(self, caller: Caller, auth: AuthData) -> bool:
        """Whether the identifier, if there is one, names the caller."""
        identifier = identifier_of(auth.get("identifier"), auth.get("medium"), auth.get("address"))
        user = auth.get("user")
        if identifier is None and user is None:
            return True
        if not (identifier is None or isinstance(identifier, dict)):
            return False
        server_name = server_name_of(caller.user_id)
        try:
            return await self._identifiers.user_id(identifier, user, server_name, WRONG) == caller.user_id
        except MatrixError as error:
            if error.http_status >= 500:
                raise
            return False
