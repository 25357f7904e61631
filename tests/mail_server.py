"""A real mail server in the same event loop: it takes mails, keeps them, and refuses as it is told to.

async with MailServer() as mails:
    settings = Settings(email=mails.settings())
    ...
    link = (await mails.next()).link
"""

from __future__ import annotations

import asyncio
import re
import ssl
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from types import TracebackType
from typing import Any, NamedTuple, cast
from urllib.parse import parse_qs, urlsplit

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

USERNAME, PASSWORD = "plexus", "sesame"


class ReceivedMail(NamedTuple):
    recipient: str
    message: EmailMessage

    def text(self, subtype: str = "plain") -> str:
        part = self.message.get_body(preferencelist=(subtype,))
        assert part is not None
        return str(part.get_content())

    @property
    def link(self) -> str:
        """The link in the text."""
        found = re.search(r"https?://\S+", self.text())
        assert found is not None, self.text()
        return found[0]

    @property
    def path(self) -> str:
        """The link's path and query."""
        parts = urlsplit(self.link)
        return f"{parts.path}?{parts.query}"

    @property
    def parameters(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(urlsplit(self.link).query).items()}


class MailServer:
    """`security` as in the settings; `certificate` for all but none."""

    def __init__(
        self, *, security: str = "none", certificate: ssl.SSLContext | None = None, wants_login: bool = False
    ) -> None:
        self.received: asyncio.Queue[ReceivedMail] = asyncio.Queue()
        self.refusals: list[str] = []
        """Answers to the next mails, for example `451 later`."""
        self.attempts = 0
        self.port = 0
        self._security = security
        self._certificate = certificate
        self._wants_login = wants_login
        self._server: asyncio.Server | None = None
        self._sessions: list[SMTP] = []

    def settings(self, **more: Any) -> dict[str, Any]:
        """A section `email` of the configuration that sends mails here."""
        given = {
            "smtp_host": "localhost",
            "smtp_port": self.port,
            "smtp_security": self._security,
            "from_address": "Tea House <noreply@example.org>",
            "app_name": "Tea House",
        }
        if self._wants_login:
            given |= {"smtp_username": USERNAME, "smtp_password": PASSWORD}
        return given | more

    async def next(self, timeout_s: float = 10.0) -> ReceivedMail:
        return await asyncio.wait_for(self.received.get(), timeout_s)

    async def __aenter__(self) -> MailServer:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """On the port of before, if there was one."""
        tls = self._certificate if self._security == "tls" else None
        self._server = await asyncio.get_running_loop().create_server(self._session, "127.0.0.1", self.port, ssl=tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for session in self._sessions:
            if session.transport is not None:
                session.transport.close()
        await self._server.wait_closed()
        await asyncio.sleep(0)

    def _session(self) -> SMTP:
        starts_tls = self._security == "starttls"
        session = SMTP(
            self,
            hostname="localhost",
            enable_SMTPUTF8=False,
            tls_context=self._certificate if starts_tls else None,
            require_starttls=starts_tls,
            auth_required=self._wants_login,
            auth_require_tls=starts_tls,
            authenticator=_authenticate,
        )
        self._sessions.append(session)
        return session

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Called by aiosmtpd."""
        self.attempts += 1
        if self.refusals:
            return self.refusals.pop(0)
        content = envelope.original_content or b""
        message = cast(EmailMessage, message_from_bytes(content, policy=default))
        self.received.put_nowait(ReceivedMail(str(envelope.rcpt_tos[0]), message))
        return "250 taken"


def _authenticate(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object) -> AuthResult:
    right = LoginPassword(USERNAME.encode(), PASSWORD.encode())
    return AuthResult(success=data == right, handled=False)
