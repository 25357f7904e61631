"""The section of the configuration about who may make an account."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, Field, SecretStr, model_validator

from service_kit.settings_section import Section


class LimitedTokenSettings(Section):
    """A registration token that does not hold for ever."""

    token: SecretStr = Field(description="The token, at most 64 characters.")
    uses_max: int = Field(default=0, ge=0, description="For how many accounts it is good. 0: any number.")
    expires_at: AwareDatetime | None = Field(
        default=None, description="From when on it is good no longer, for example `2026-12-31T23:59:59Z`."
    )


class PolicyTranslationSettings(Section):
    """A policy in one language."""

    language: str = Field(description="As in `en` or `pt-BR`.")
    name: str = Field(description="The policy's title.")
    url: str = Field(description="Where it can be read.")


class PolicySettings(Section):
    """Something that new users agree to."""

    id: str = Field(
        pattern="^[a-z0-9_]{1,64}$", description="Its name among the policies, for example `privacy_policy`."
    )
    version: str = Field(min_length=1, max_length=64, description="Which version: kept with each account that agreed.")
    translations: list[PolicyTranslationSettings] = Field(min_length=1, description="At least one; `en` is best first.")


class RegistrationSettings(Section):
    """Who may make an account."""

    mode: Literal["closed", "token", "open"] = Field(
        default="closed",
        description="`closed`: operators only (`plexus user add`). `token`: whoever has one of `tokens` or "
        "`limited_tokens`. `open`: everyone.",
    )
    tokens: list[SecretStr] = Field(default=[], description="Registration tokens, for `mode: token`.")
    limited_tokens: list[LimitedTokenSettings] = Field(
        default=[], description="Registration tokens that are good for some accounts or some time."
    )
    shared_secret: SecretStr = Field(
        default=SecretStr(""),
        description="Lets programs that know it register accounts (`/_synapse/admin/v1/register`). Empty: off.",
    )
    email: Literal["never", "optional", "required"] = Field(
        default="never",
        description="Whether one can, or has to, confirm an e-mail address to register. Needs `email.smtp_host`.",
    )
    guests: bool = Field(default=False, description="Whether guest accounts may be made.")
    policies: list[PolicySettings] = Field(default=[], description="What new users agree to (`m.login.terms`).")
    recaptcha_site_key: str = Field(default="", description="The public key of a captcha, which clients are told.")
    recaptcha_secret_key: SecretStr = Field(
        default=SecretStr(""), description="The key that captchas are verified with. Empty: no captcha."
    )
    recaptcha_verify_url: str = Field(
        default="https://www.google.com/recaptcha/api/siteverify",
        description="Where captchas are verified: any service that speaks as reCAPTCHA does.",
    )

    @model_validator(mode="after")
    def _fits_together(self) -> RegistrationSettings:
        if self.mode == "token" and not self.tokens and not self.limited_tokens:
            raise ValueError("registration.mode is token, but registration.tokens is empty: give at least one token")
        if bool(self.recaptcha_site_key) != bool(self.recaptcha_secret_key.get_secret_value()):
            raise ValueError("registration.recaptcha_site_key and registration.recaptcha_secret_key belong together")
        return self
