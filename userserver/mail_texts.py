"""What mails say: one row a kind, made into plain text and HTML alike.

Addresses, names and subjects go into headers by way of the standard library, which refuses line breaks in them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from html import escape
from typing import Final, NamedTuple
from urllib.parse import urlencode
from uuid import uuid4

from service_kit.clock import Clock
from service_kit.email_settings import EmailSettings
from service_kit.rpc.pb.facts_pb2 import Mail
from service_kit.third_party_ids import SUBMIT_TOKEN_PATH


class MailText(NamedTuple):
    """`{app_name}`, `{server_name}`, `{address}` and `{minutes}` are filled in."""

    subject: str
    """Name of the setting that has it."""
    paragraphs: Sequence[str]
    link_text: str = ""
    """What the link does; "" = no link."""


IGNORE: Final = "If this was not you, ignore this mail: nothing happens then."
TEXTS: Final = {
    "register": MailText(
        "subject_register",
        (
            "Somebody, probably you, is making an account at {server_name} with the address {address}.",
            "Follow the link within {minutes} minutes to confirm that it is yours. " + IGNORE,
        ),
        "Confirm my address",
    ),
    "register_in_use": MailText(
        "subject_register",
        (
            "Somebody, probably you, wanted to make an account at {server_name} with the address {address}.",
            "There is an account with this address already: log in with it, or have a new password set there.",
            IGNORE,
        ),
    ),
    "add": MailText(
        "subject_add",
        (
            "Somebody, probably you, is adding the address {address} to an account at {server_name}.",
            "Follow the link within {minutes} minutes to confirm that it is yours. " + IGNORE,
        ),
        "Confirm my address",
    ),
    "add_in_use": MailText(
        "subject_add",
        (
            "Somebody, probably you, wanted to add the address {address} to an account at {server_name}.",
            "It belongs to another account there. Remove it from that one first.",
            IGNORE,
        ),
    ),
    "reset": MailText(
        "subject_reset",
        (
            "Somebody, probably you, wants to set a new password for the account at {server_name} that has the "
            "address {address}.",
            "Follow the link within {minutes} minutes to allow it. If this was not you, do not follow the link: "
            "whoever asked for it could take over your account then.",
        ),
        "Allow a new password",
    ),
    "reset_unknown": MailText(
        "subject_reset",
        (
            "Somebody, probably you, wants to set a new password for an account at {server_name} with the address "
            "{address}.",
            "There is no such account. Perhaps you used another address there.",
            IGNORE,
        ),
    ),
}
"""By kind of mail."""


def message_of(mail: Mail, token: str, settings: EmailSettings, clock: Clock) -> EmailMessage:
    """The mail as it is sent. Raises ValueError for what cannot stand in a header, KeyError for an unknown kind."""
    text = TEXTS[mail.kind]
    values = {
        "app_name": settings.app_name,
        "server_name": mail.server_name,
        "address": mail.address,
        "minutes": str(settings.link_lifetime_s // 60),
    }
    paragraphs = [paragraph.format(**values) for paragraph in text.paragraphs]
    link = _link(mail, token) if text.link_text else ""
    message = EmailMessage(policy=SMTP)
    name, sender = parseaddr(settings.from_address)
    message["From"] = Address(name or settings.app_name, addr_spec=sender)
    message["To"] = Address(addr_spec=mail.address)
    message["Subject"] = getattr(settings, text.subject).format(**values)
    message["Date"] = format_datetime(datetime.fromtimestamp(clock.now_ms() / 1000, UTC))
    message["Message-ID"] = f"<{uuid4()}@{sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's holiday notice answers
    message.set_content("\n\n".join([*paragraphs, *([link] if link else [])]) + "\n")
    message.add_alternative(_html(settings.app_name, paragraphs, link, text.link_text), subtype="html")
    return message


def _link(mail: Mail, token: str) -> str:
    return f"{mail.base_url}{SUBMIT_TOKEN_PATH}?{urlencode({'sid': mail.sid, 'token': token})}"


def _html(title: str, paragraphs: Sequence[str], link: str, link_text: str) -> str:
    body = "\n".join(f"<p>{escape(paragraph)}</p>" for paragraph in paragraphs)
    if link:
        body += f'\n<p><a href="{escape(link)}">{escape(link_text)}</a></p>\n<p>{escape(link)}</p>'
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8"><title>{escape(title)}</title></head>\n'
        f'<body style="font-family: sans-serif">\n{body}\n</body>\n</html>\n'
    )
