"""Mails go to a real mail server: in the clear, with STARTTLS, over TLS, with a user name."""

import ssl
from email.errors import MessageError
from pathlib import Path

import pytest
import trustme
from pydantic import ValidationError

from service_kit.clock import ManualClock
from service_kit.email_settings import EmailSettings
from service_kit.rpc.pb.facts_pb2 import ChoreFact, Mail
from tests.mail_server import MailServer
from tests.userserver.cluster import CODES
from userserver.chores import GiveUp, TryAgain
from userserver.mail_texts import TEXTS, message_of
from userserver.smtp import Mailer


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def certificate(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    return context


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return path


def chore(**changes: object) -> ChoreFact:
    given = {"kind": "register", "server_name": "a.example", "address": "alice@example.org", "sid": "0.abc"}
    mail = Mail(**{**given, "base_url": "https://a.example", "created_at_ms": 5, **changes})  # type: ignore[arg-type]
    return ChoreFact(mail=mail)


def mailer(settings: dict[str, object]) -> Mailer:
    return Mailer(EmailSettings.model_validate(settings), CODES, ManualClock())


async def test_mail_is_told_in_text_and_html_with_the_same_link() -> None:
    async with MailServer() as mails:
        await mailer(mails.settings()).do(chore())
        mail = await mails.next()
    message = mail.message
    assert (mail.recipient, message["To"]) == ("alice@example.org", "alice@example.org")
    assert message["From"] == "Tea House <noreply@example.org>"
    assert message["Subject"] == "Confirm your e-mail address for Tea House"
    assert message["Auto-Submitted"] == "auto-generated"
    assert mail.link.startswith("https://a.example/_plexus/client/email/submit_token?sid=0.abc&token=")
    assert mail.parameters == {"sid": "0.abc", "token": CODES.token("0.abc", 5)}
    assert mail.link.replace("&", "&amp;") in mail.text("html")


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_mail_is_sent_encrypted_and_with_a_user_name(
    security: str, certificate: ssl.SSLContext, ca_file: Path
) -> None:
    async with MailServer(security=security, certificate=certificate, wants_login=security == "starttls") as mails:
        await mailer(mails.settings(smtp_ca_file=str(ca_file))).do(chore())
        assert (await mails.next()).recipient == "alice@example.org"


async def test_certificate_of_somebody_else_is_not_taken(certificate: ssl.SSLContext) -> None:
    async with MailServer(security="starttls", certificate=certificate) as mails:
        with pytest.raises(TryAgain):
            await mailer(mails.settings()).do(chore())
        assert mails.received.empty()


async def test_server_without_starttls_is_told_nothing(ca_file: Path) -> None:
    async with MailServer() as mails:
        with pytest.raises(TryAgain):
            await mailer(mails.settings(smtp_security="starttls", smtp_ca_file=str(ca_file))).do(chore())
        assert mails.attempts == 0


async def test_wrong_password_is_a_matter_of_the_configuration(certificate: ssl.SSLContext, ca_file: Path) -> None:
    async with MailServer(security="starttls", certificate=certificate, wants_login=True) as mails:
        settings = mails.settings(smtp_ca_file=str(ca_file), smtp_password="wrong")
        with pytest.raises(TryAgain, match="user name and password"):
            await mailer(settings).do(chore())


@pytest.mark.parametrize(("answer", "error"), [("451 later", TryAgain), ("550 never", GiveUp)])
async def test_refusals_are_for_now_or_for_good(answer: str, error: type[Exception]) -> None:
    async with MailServer() as mails:
        mails.refusals.append(answer)
        with pytest.raises(error) as raised:
            await mailer(mails.settings()).do(chore())
        assert "alice" not in str(raised.value)


async def test_mail_server_that_is_not_there_is_asked_again_later() -> None:
    with pytest.raises(TryAgain):
        await mailer(MailServer().settings(smtp_port=9)).do(chore())


@pytest.mark.parametrize("kind", TEXTS)
def test_every_kind_of_mail_can_be_written(kind: str) -> None:
    message = message_of(chore(kind=kind).mail, "t", _settings(), ManualClock())
    part = message.get_body(preferencelist=("plain",))
    assert part is not None
    text = part.get_content()
    assert ("token=t" in text) == bool(TEXTS[kind].link_text)
    assert "{" not in text


def test_nothing_from_outside_makes_a_header_or_markup() -> None:
    for address in ("a@example.org\r\nBcc: b@example.org", "a@example.org, b@example.org", "<b>@example.org"):
        with pytest.raises((ValueError, MessageError)):
            message_of(chore(address=address).mail, "t", _settings(), ManualClock())
    settings = _settings(app_name='Tea <script>alert("x")</script> House')
    html = message_of(chore().mail, "t", settings, ManualClock()).get_body(preferencelist=("html",))
    assert html is not None
    assert "<script>" not in html.get_content()


@pytest.mark.parametrize(
    "changes",
    [{"app_name": "Tea\nHouse"}, {"subject_add": "a {nobody}"}, {"subject_reset": "{"}, {"from_address": ""}],
)
def test_settings_that_make_no_mail_are_refused_at_the_start(changes: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        _settings(**changes)


def _settings(**changes: object) -> EmailSettings:
    return EmailSettings.model_validate(MailServer().settings(smtp_port=25, **changes))
