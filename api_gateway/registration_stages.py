"""What somebody has to do to register, as the configuration says.

    registration.mode token     m.login.registration_token
    recaptcha_site_key          m.login.recaptcha
    policies                    m.login.terms
    email: required             m.login.email.identity
    email: optional             that, or m.login.dummy
    nothing of these            m.login.dummy

What is configured is in every flow, in this order.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from api_gateway.email_validation import REGISTER, EmailValidation
from api_gateway.recaptcha import Recaptcha
from api_gateway.registration_tokens import RegistrationTokens
from api_gateway.user_interactive_auth import (
    DUMMY,
    EMAIL,
    RECAPTCHA,
    REGISTRATION_TOKEN,
    TERMS,
    AuthData,
    Check,
    Demand,
    StageFailed,
    nothing_to_prove,
)
from service_kit.registration_settings import PolicySettings, RegistrationSettings


class RegistrationStages:
    def __init__(self, settings: RegistrationSettings, tokens: RegistrationTokens, email: EmailValidation) -> None:
        self._settings = settings
        self._email = email
        self._tokens = tokens
        self._recaptcha = Recaptcha(settings)

    def demand(self, server_name: str, client_ip: str) -> Demand:
        settings = self._settings
        checks: dict[str, Check] = {}
        params: dict[str, object] = {}
        if settings.mode == "token":
            checks[REGISTRATION_TOKEN] = self._check_token
        if settings.recaptcha_site_key:
            checks[RECAPTCHA] = lambda auth: self._recaptcha.check(auth, client_ip)
            params[RECAPTCHA] = {"public_key": settings.recaptcha_site_key}
        if settings.policies:
            checks[TERMS] = nothing_to_prove
            params[TERMS] = {"policies": {policy.id: _shown(policy) for policy in settings.policies}}
        flows = [[*checks, *last] for last in self._last_stages(bool(checks))]
        checks[DUMMY] = nothing_to_prove
        checks[EMAIL] = lambda auth: self._email.stage(auth, REGISTER, server_name)
        wanted = {stage for flow in flows for stage in flow}
        checks = {stage: check for stage, check in checks.items() if stage in wanted}
        return Demand(f"register {server_name}", checks, flows, params)

    def _last_stages(self, has_others: bool) -> list[list[str]]:
        """The ends that flows can have. A dummy stage tells the one without e-mail from the other, "if the client was
        intending to then complete the email auth stage".
        """
        if self._settings.email == "required":
            return [[EMAIL]]
        if self._settings.email == "optional":
            return [[DUMMY], [EMAIL]]
        return [[]] if has_others else [[DUMMY]]

    async def _check_token(self, auth: AuthData) -> object:
        """Whether an account could be made with it is remembered by its hash: it is taken when one is made."""
        known = await self._tokens.holds(auth.get("token"))
        if known is None:
            raise StageFailed("M_UNAUTHORIZED", "This registration token is not valid")
        return {"sha256": known.sha256.hex(), "uses_max": known.uses_max}


def accepted_policies(settings: RegistrationSettings) -> list[str]:
    """ "The server is expected to track which document versions it presented to the user during registration"."""
    return [f"{policy.id} {policy.version}" for policy in settings.policies]


def _shown(policy: PolicySettings) -> Mapping[str, Any]:
    translations = {each.language: {"name": each.name, "url": each.url} for each in policy.translations}
    return {"version": policy.version, **translations}
