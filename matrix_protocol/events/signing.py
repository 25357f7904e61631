"""The signatures on events: whose are needed, adding ours to another's event, checking them.

Spec: https://spec.matrix.org/v1.19/server-server-api/#signing-events
"""

from __future__ import annotations

from collections.abc import Mapping

from matrix_protocol.canonical_json import NotCanonical
from matrix_protocol.encoding import encode_base64
from matrix_protocol.events.format import Event
from matrix_protocol.events.hashes import redacted_bytes
from matrix_protocol.identifiers import is_valid_user_id, server_name_of
from matrix_protocol.json_types import JsonObject
from matrix_protocol.room_versions import RoomVersionRules
from matrix_protocol.signatures import SigningKey, Verdict, verify_signed_bytes, with_signature


def servers_that_must_sign(event: Event, rules: RoomVersionRules) -> frozenset[str]:
    """The servers whose valid signature the event needs. Without them it is dropped."""
    servers = set()
    # "For room versions 3 and later, unless the event is a 3rd party invite, only the signature(s) from the originating
    #  server (the server the `sender` belongs to) are required for verification."
    # "If the event is a 3rd party invite, the sender must already match the 3rd party invite, and the server which
    #  actually sends the event may be a different server."
    if not is_third_party_invitation(event):
        servers.add(server_name_of(event.sender))
    # "Room versions 1 and 2 also require that a signature is present from the domain in the `event_id`, if it differs
    #  from the originating server."
    if rules.signatures.event_id_server_signs:
        servers.add(server_name_of(event.event_id))
    # "If the event is not validly signed by the homeserver of the user ID denoted by the key
    #  [`join_authorised_via_users_server`], reject." (version 8 and up)
    if rules.signatures.authorising_server_signs and event.type == "m.room.member":
        # What is no user ID has no server to ask for keys; the auth rules reject the event.
        authorising_user = event.content.get("join_authorised_via_users_server")
        if isinstance(authorising_user, str) and is_valid_user_id(authorising_user):
            servers.add(server_name_of(authorising_user))
    return frozenset(servers)


def is_third_party_invitation(event: Event) -> bool:
    """A member event made from a third-party invite, which another server may have sent in the inviter's name."""
    if event.type != "m.room.member" or event.content.get("membership") != "invite":
        return False
    return "third_party_invite" in event.content


def sign_event_also(event: Event, server_name: str, signing_key: SigningKey, rules: RoomVersionRules) -> Event:
    """The event with one more signature: of the server that authorises a restricted join, or takes an invitation."""
    signature = encode_base64(signing_key.sign(redacted_bytes(event.pdu, rules)))
    pdu = with_signature(event.pdu, server_name, signing_key.key_id, signature)
    return with_pdu(event, pdu)


def with_pdu(event: Event, pdu: JsonObject) -> Event:
    """The event with another PDU that differs in signatures alone."""
    return Event(
        event.event_id,
        event.room_id,
        event.type,
        event.state_key,
        event.sender,
        event.content,
        event.origin_server_ts_ms,
        event.depth,
        event.prev_event_ids,
        event.auth_event_ids,
        event.redacts,
        pdu,
    )


def verify_event_signature(
    pdu: JsonObject, server_name: str, verify_keys: Mapping[str, bytes], rules: RoomVersionRules
) -> Verdict:
    """Has the server signed the PDU? `verify_keys` are its keys, valid at the event's time, by key ID.

    "The event is redacted following the redaction algorithm, and the resultant object is checked for signatures".
    """
    try:
        message = redacted_bytes(pdu, rules)
    except NotCanonical as error:
        return Verdict(False, f"the PDU has no canonical JSON: {error}")
    return verify_signed_bytes(message, pdu, server_name, verify_keys)
