"""Whom a login, or a password that is asked for once more, is about.

Spec: https://spec.matrix.org/v1.19/client-server-api/#identifier-types
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from api_gateway.third_party_ids import ThirdPartyIds
from api_gateway.user_identifiers import user_id_from
from matrix_protocol.errors import InvalidParam
from service_kit.rpc.pb.user_commands_pb2 import Address
from service_kit.third_party_ids import EMAIL, canonical_email

THIRD_PARTY = "m.id.thirdparty"


class LoginIdentifiers:
    def __init__(self, third_party_ids: ThirdPartyIds) -> None:
        self._third_party_ids = third_party_ids

    async def user_id(self, identifier: dict[str, Any] | None, user: str | None, server_name: str, refusal: str) -> str:
        """The user ID: of any of our server names, perhaps of nobody. Raises as `user_id_from`."""
        if identifier is None or identifier.get("type") != THIRD_PARTY:
            return user_id_from(identifier, user, server_name, refusal)
        address = _address(identifier, server_name)
        owner = None if address is None else await self._third_party_ids.owner_of(address)
        # "In the case that the homeserver does not know about the supplied 3PID, the homeserver must respond with
        # 403 Forbidden": in the time that a wrong password takes, as somebody who does not exist.
        return owner or f"@{sha256(repr(identifier).encode('utf-8', 'replace')).hexdigest()}:{server_name}"


def identifier_of(identifier: dict[str, Any] | None, medium: object, address: object) -> dict[str, Any] | None:
    """The identifier; where there is none, the deprecated `medium` and `address` beside it."""
    if identifier is None and medium is not None:
        return {"type": THIRD_PARTY, "medium": medium, "address": address}
    return identifier


def _address(identifier: dict[str, Any], server_name: str) -> Address | None:
    """None for what no account can have."""
    address = identifier.get("address")
    if identifier.get("medium") != EMAIL or not isinstance(address, str):
        return None
    try:
        return Address(server_name=server_name, medium=EMAIL, address=canonical_email(address))
    except InvalidParam:
        return None
