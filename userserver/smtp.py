"""Sending mails: the only file that speaks SMTP. See ADR-0018."""

from __future__ import annotations

import ssl
from email.errors import MessageError
from typing import TYPE_CHECKING

from service_kit.clock import Clock
from service_kit.email_settings import EmailSettings
from service_kit.rpc.pb.facts_pb2 import ChoreFact
from service_kit.third_party_ids import ValidationCodes
from userserver.chores import GiveUp, TryAgain
from userserver.mail_texts import message_of

if TYPE_CHECKING:
    from aiosmtplib import SMTPResponseException


class Mailer:
    """Sends each mail over a connection of its own: there are few."""

    def __init__(self, settings: EmailSettings, codes: ValidationCodes, clock: Clock) -> None:
        self._settings = settings
        self._codes = codes
        self._clock = clock

    async def do(self, chore: ChoreFact) -> None:
        """Implements `chores.Doer`: the mail server has taken the mail on return."""
        import aiosmtplib  # only where mails are sent

        settings, mail = self._settings, chore.mail
        domain = mail.address.rpartition("@")[2]
        try:
            message = message_of(mail, self._codes.token(mail.sid, mail.created_at_ms), settings, self._clock)
        except (KeyError, ValueError, MessageError) as error:
            raise GiveUp(f"the mail cannot be written: {type(error).__name__}") from error
        try:
            await aiosmtplib.send(
                message,
                hostname=settings.smtp_host,
                port=settings.smtp_port,
                username=settings.smtp_username or None,
                password=settings.smtp_password.get_secret_value() or None,
                use_tls=settings.smtp_security == "tls",
                start_tls=settings.smtp_security == "starttls",
                tls_context=self._tls(),
                timeout=settings.smtp_timeout_s,
            )
        except aiosmtplib.SMTPRecipientsRefused as error:
            _judge(error.recipients[0], domain)
        except aiosmtplib.SMTPAuthenticationError as error:
            raise TryAgain(f"the mail server does not accept our user name and password ({error.code})") from error
        except aiosmtplib.SMTPResponseException as error:
            _judge(error, domain)
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            raise TryAgain(f"the mail server {settings.smtp_host} cannot be reached: {type(error).__name__}") from error

    def _tls(self) -> ssl.SSLContext | None:
        if self._settings.smtp_security == "none":
            return None
        return ssl.create_default_context(cafile=self._settings.smtp_ca_file)


def _judge(error: SMTPResponseException, domain: str) -> None:
    """ "4yz: Transient Negative Completion", "5yz: Permanent Negative Completion" (RFC 5321, 4.2.1)."""
    words = f"the mail server refuses a mail to {domain} with {error.code}"
    if 500 <= error.code < 600:
        raise GiveUp(words) from error
    raise TryAgain(words) from error
