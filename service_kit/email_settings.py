"""The section of the configuration about mails."""

from __future__ import annotations

from email.utils import parseaddr
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, model_validator

from service_kit.settings_section import Section


class EmailSettings(Section):
    """Mails that confirm addresses: at registration, for an account's addresses, and to set a new password."""

    smtp_host: str = Field(default="", description="The mail server that takes our mails. Empty: no mails are sent.")
    smtp_port: int = Field(default=587, ge=1, le=65535, description="Its port.")
    smtp_security: Literal["starttls", "tls", "none"] = Field(
        default="starttls",
        description="`starttls`: begins in the clear, and must be encrypted before anything is said. `tls`: encrypted "
        "from the first byte (port 465). `none`: in the clear; for a mail server on the same machine.",
    )
    smtp_username: str = Field(default="", description="Empty: no authentication.")
    smtp_password: SecretStr = Field(default=SecretStr(""), description="Of `smtp_username`.")
    smtp_ca_file: Path | None = Field(
        default=None, description="Certificate authority that signed the mail server's name. Empty: the system's."
    )
    smtp_timeout_s: int = Field(default=30, ge=1, le=300, description="How long to wait for each of its answers.")
    from_address: str = Field(
        default="", description="Who the mails are from, for example `Example Chat <noreply@example.org>`."
    )
    app_name: str = Field(default="Plexus", description="What the mails call this service.")
    subject_register: str = Field(
        default="Confirm your e-mail address for {app_name}",
        description="Subject of mails at registration; `{app_name}` and `{server_name}` are filled in, here and below.",
    )
    subject_add: str = Field(
        default="Confirm your e-mail address for {app_name}",
        description="Subject of mails that confirm an address of an account.",
    )
    subject_reset: str = Field(
        default="Set a new password for {app_name}", description="Subject of mails that let one set a new password."
    )
    link_lifetime_s: int = Field(
        default=3600, ge=300, le=86400, description="How long the link in a mail is good, in seconds."
    )
    hide_accounts: bool = Field(
        default=True,
        description="Whether nobody is told if an address belongs to an account: a mail tells its owner instead.",
    )
    allowed_domains: list[str] = Field(default=[], description="Domains of addresses that are accepted. Empty: all.")
    next_link_hosts: list[str] = Field(
        default=[],
        description="Hosts that people may be sent on to after the link in a mail (clients' `next_link`); others are "
        "ignored.",
    )
    mails_per_hour_max: int = Field(default=5, ge=1, le=100, description="Most mails to one address in an hour.")
    addresses_max: int = Field(default=10, ge=1, le=100, description="Most addresses of one account.")

    @property
    def enabled(self) -> bool:
        return bool(self.smtp_host)

    @model_validator(mode="after")
    def _fits_together(self) -> EmailSettings:
        if self.smtp_host and "@" not in parseaddr(self.from_address)[1]:
            raise ValueError("email.smtp_host needs email.from_address: who the mails are from")
        for subject in (self.subject_register, self.subject_add, self.subject_reset):
            try:
                text = subject.format(app_name=self.app_name, server_name="")
            except (KeyError, IndexError, ValueError) as error:
                raise ValueError(
                    f"email.subject_…: only {{app_name}} and {{server_name}} are filled in: {error}"
                ) from error
            if "\n" in text or "\r" in text:
                raise ValueError("email.subject_… and email.app_name are one line each")
        return self
