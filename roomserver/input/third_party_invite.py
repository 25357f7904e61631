"""Accepting an invitation that was issued to an e-mail address or telephone number.

Whoever owns the address has had their user ID signed by the key that the room's `m.room.third_party_invite` event
names. With that, they are invited by whoever issued it, and then join like anybody who is invited.

Spec: https://spec.matrix.org/v1.19/client-server-api/#third-party-invites
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from matrix_protocol.errors import BadJson, Forbidden
from matrix_protocol.event_auth.third_party_invite import is_signed_as_issued
from roomserver.state.room import RoomInMemory

THIRD_PARTY_INVITE: Final = "m.room.third_party_invite"
_PROFILE: Final = ("avatar_url", "displayname")


class Invitation(NamedTuple):
    inviter: str
    content: dict[str, Any]
    """of the member event"""


def invitation_of(room: RoomInMemory, user_id: str, given: Mapping[str, Any]) -> Invitation:
    """The invite that `third_party_signed` entitles the user to. Raises BadJson, Forbidden.

    "If a `third_party_signed` was supplied, the homeserver must verify that it matches a pending
    `m.room.third_party_invite` event in the room, and perform key validity checking if required by the event."

    NOTSPEC: keys that would have to be asked for at a URL count as revoked: this server asks no identity server, and
    does not fetch addresses that users write into rooms. What the auth rules ask for besides is checked with the event.
    """
    signed = given.get("third_party_signed")
    if not isinstance(signed, Mapping) or not isinstance(signed.get("token"), str):
        raise BadJson("third_party_signed must be an object with mxid, token and signatures")
    issued = room.state_event(THIRD_PARTY_INVITE, signed["token"])
    if issued is None or not issued.content:
        raise Forbidden("There is no such invitation in this room")
    claim = {name: signed[name] for name in ("mxid", "signatures", "token") if name in signed}
    if not is_signed_as_issued(claim, _always_valid(issued.content)):
        raise Forbidden("The invitation is not signed by a key that this server can tell to be valid")
    display_name = issued.content.get("display_name")
    content = {name: given[name] for name in _PROFILE if name in given} | {
        "membership": "invite",
        "third_party_invite": {"display_name": display_name if isinstance(display_name, str) else "", "signed": claim},
    }
    return Invitation(issued.sender, content)


def _always_valid(content: Mapping[str, Any]) -> dict[str, Any]:
    """Its keys without a URL: "If this URL is absent, the key must be considered valid indefinitely." """
    keys = content.get("public_keys")
    listed = [key for key in keys if isinstance(key, Mapping)] if isinstance(keys, list) else []
    kept: dict[str, Any] = {"public_keys": [key for key in listed if key.get("key_validity_url") is None]}
    if content.get("key_validity_url") is None and "public_key" in content:
        kept["public_key"] = content["public_key"]
    return kept
