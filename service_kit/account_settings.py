"""The sections of the configuration about accounts, and what a server tells of itself to those who have one."""

from __future__ import annotations

from pydantic import Field, SecretStr, model_validator

from service_kit.settings_section import Section


class LoginSettings(Section):
    """How people log in."""

    password: bool = Field(default=True, description="Whether one can log in with a password (`m.login.password`).")
    token: bool = Field(
        default=True,
        description="Whether somebody who is logged in can let another device of theirs log in "
        "(`POST /login/get_token`, `m.login.token`); the password is asked for once more.",
    )
    token_lifetime_s: int = Field(
        default=120,
        ge=10,
        le=3600,
        description="How long such a token can be used, in seconds. It is good for one login.",
    )


class ServerNoticeSettings(Section):
    """Messages of the server's operators to its users (`plexus notices send`), each in a room of its own."""

    localpart: str = Field(
        default="",
        pattern=r"^[a-z0-9._=/+-]{0,100}$",
        description="Name of the account that sends them, on each server name: one that nobody has, and that nobody "
        "can register then. Empty: off.",
    )
    display_name: str = Field(default="Server Notices", description="Its display name.")
    avatar_url: str = Field(default="", description="Its avatar, and the room's (`mxc://…`). Empty: none.")
    room_name: str = Field(default="Server Notices", description="Name of the rooms.")

    def sender(self, server_name: str) -> str:
        """The user ID of the account on this server."""
        return f"@{self.localpart}:{server_name}"


class CapabilitySettings(Section):
    """What users may change of their accounts (`GET /capabilities`). Administrators' tools are not concerned."""

    change_password: bool = Field(default=True, description="Whether users may change their password.")
    third_party_id_changes: bool = Field(
        default=True, description="Whether users may add and remove e-mail addresses. Needs `email.smtp_host`."
    )
    profile_fields: bool = Field(default=True, description="Whether users may change their profiles at all.")
    profile_fields_allowed: list[str] = Field(
        default=[], description="Profile fields that they may change, if not all: then no others."
    )
    profile_fields_disallowed: list[str] = Field(
        default=[],
        description="Profile fields that they may not change, where `profile_fields_allowed` is empty.",
    )

    def may_change_profile_field(self, name: str) -> bool:
        if not self.profile_fields:
            return False
        if self.profile_fields_allowed:
            return name in self.profile_fields_allowed
        return name not in self.profile_fields_disallowed


class OpenIdSettings(Section):
    """Tokens with which users prove to other services who they are."""

    token_lifetime_s: int = Field(
        default=3600, ge=60, le=86400, description="How long such a token is good, in seconds."
    )


class SupportContactSettings(Section):
    """Somebody to turn to."""

    role: str = Field(description="`m.role.admin`, `m.role.security`, or a namespaced role of your own.")
    matrix_id: str = Field(default="", description="A user ID, best on another server.")
    email_address: str = Field(default="", description="An e-mail address.")

    @model_validator(mode="after")
    def _can_be_reached(self) -> SupportContactSettings:
        if not self.matrix_id and not self.email_address:
            raise ValueError("support.contacts: give a matrix_id or an email_address for each")
        return self


class SupportSettings(Section):
    """Whom users turn to (`/.well-known/matrix/support`); nothing set: not found."""

    contacts: list[SupportContactSettings] = Field(
        default=[], description="Administrators, and who deals with security."
    )
    page: str = Field(default="", description="URL of a page that helps users.")


class TurnSettings(Section):
    """TURN servers for calls between users who cannot reach each other directly (`/voip/turnServer`)."""

    uris: list[str] = Field(default=[], description="For example `turn:turn.example.org?transport=udp`. Empty: none.")
    shared_secret: SecretStr = Field(
        default=SecretStr(""),
        description="The TURN server's secret for passing credentials (coturn: `static-auth-secret`).",
    )
    username: str = Field(default="", description="Where there is no `shared_secret`: one name for everybody.")
    password: SecretStr = Field(default=SecretStr(""), description="The password of `username`.")
    credentials_lifetime_s: int = Field(
        default=86400, ge=60, description="How long credentials made with the secret are good, in seconds."
    )
    guests: bool = Field(default=True, description="Whether guests get credentials.")

    @model_validator(mode="after")
    def _has_credentials(self) -> TurnSettings:
        if self.uris and not (
            self.shared_secret.get_secret_value() or (self.username and self.password.get_secret_value())
        ):
            raise ValueError("turn.uris needs turn.shared_secret, or turn.username and turn.password")
        return self
