"""Telephone numbers, with which this server can do nothing."""

from __future__ import annotations

from msgspec import Struct

from matrix_protocol.errors import MatrixError, ThreepidMediumNotSupported


class RequestMsisdnTokenBody(Struct):
    client_secret: str
    country: str
    phone_number: str
    send_attempt: int


def no_phone_numbers() -> MatrixError:
    """ "`M_THREEPID_MEDIUM_NOT_SUPPORTED`: The homeserver does not support adding phone numbers." """
    return ThreepidMediumNotSupported("This server cannot send messages to telephones")
