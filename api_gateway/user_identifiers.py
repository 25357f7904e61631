"""From what a person typed as user name to a user ID of ours.

Spec: https://spec.matrix.org/v1.19/client-server-api/#identifier-types
"""

from __future__ import annotations

import secrets
from base64 import b32encode
from typing import Any

from matrix_protocol.errors import Forbidden, InvalidUsername, MissingParam, error_from
from matrix_protocol.identifiers import (
    IDENTIFIER_BYTES_MAX,
    is_valid_new_localpart,
    is_valid_user_id,
    server_name_of,
)
from service_kit.hosted_servers import HostedServers

USER_ID_TYPE = "m.id.user"
THIRD_PARTY_ID_TYPES = ("m.id.thirdparty", "m.id.phone")


def new_user_id(username: str, server_name: str) -> str:
    """The user ID for a new account, in lower case. Raises InvalidUsername.

    "The server MUST either map the provided username onto a user_id in a logical manner, or reject": capitals are
    mapped to small letters, for a keyboard wrote them; everything else outside the grammar is refused.
    """
    localpart = username.lower()
    user_id = f"@{localpart}:{server_name}"
    if not is_valid_new_localpart(localpart):
        raise InvalidUsername("A user name may have the characters a-z, 0-9, and . _ = - / + only")
    if len(user_id) > IDENTIFIER_BYTES_MAX:
        raise InvalidUsername("This user name is too long: the whole user ID may have 255 characters")
    return user_id


def random_user_id(server_name: str) -> str:
    """60 bits: a clash is possible, but nobody will see one."""
    localpart = b32encode(secrets.token_bytes(8))[:12].decode("ascii").lower()
    return f"@{localpart}:{server_name}"


def user_id_from(identifier: dict[str, Any] | None, user: str | None, server_name: str, refusal: str) -> str:
    """Whom a login or password check is for; any historical user ID of any of our server names.

    `user` is the deprecated way to say it, beside the identifier. Raises MissingParam, M_UNKNOWN (400), and Forbidden
    with the text `refusal` for what cannot be a user of ours.
    """
    if identifier is not None:
        kind = identifier.get("type")
        if kind in THIRD_PARTY_ID_TYPES:
            # "In the case that the homeserver does not know about the supplied 3PID, the homeserver must respond
            # with 403 Forbidden." No account has a telephone number; e-mail addresses: see `login_identifiers`.
            raise Forbidden(refusal)
        if kind != USER_ID_TYPE:
            raise error_from("M_UNKNOWN", "This type of identifier is not known here", 400)
        user = identifier.get("user")
    if not isinstance(user, str) or not user:
        raise MissingParam('Say who you are: "identifier": {"type": "m.id.user", "user": "…"}')
    user_id = user if user.startswith("@") else f"@{user}:{server_name}"
    if not is_valid_user_id(user_id):
        raise Forbidden(refusal)
    return user_id


def is_our_user(user_id: str, hosted: HostedServers) -> bool:
    return is_valid_user_id(user_id) and hosted.is_ours(server_name_of(user_id))
