"""Invitations through a third party: "If `content` has a `third_party_invite` property", numbered as in version 12.

Spec: https://spec.matrix.org/v1.19/server-server-api/#third-party-invites
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from matrix_protocol.canonical_json import NotCanonical
from matrix_protocol.encoding import decode_base64
from matrix_protocol.event_auth.auth_event import Rejection
from matrix_protocol.event_auth.auth_state import AuthState
from matrix_protocol.events.format import Event
from matrix_protocol.signatures import ALGORITHM, bytes_to_sign, is_valid_signature

SIGNATURES_TRIED_MAX = 50
"""NOTSPEC: an event of 64 KiB could ask for some 250,000 verifications otherwise. Real ones have one of each."""


def check_third_party_invite(event: Event, state: AuthState) -> Rejection | None:
    # "5.4.1.1 If *target user* is banned, reject."
    target = event.state_key or ""
    if state.membership(target) == "ban":
        return Rejection("the invited user is banned")
    # "5.4.1.2 If `content.third_party_invite` does not have a `signed` property, reject."
    invite = event.content["third_party_invite"]
    signed = invite.get("signed") if isinstance(invite, Mapping) else None
    if not isinstance(signed, Mapping):
        return Rejection("the third-party invite has no `signed`")
    # "5.4.1.3 If `signed` does not have `mxid` and `token` properties, reject."
    user_id, token = signed.get("mxid"), signed.get("token")
    if not isinstance(user_id, str) or not isinstance(token, str):
        return Rejection("the third-party invite's `signed` lacks `mxid` or `token`")
    # "5.4.1.4 If `mxid` does not match `state_key`, reject."
    if user_id != target:
        return Rejection("the third-party invite is for another user")
    # "5.4.1.5 If there is no `m.room.third_party_invite` event in the current room state with `state_key` matching
    #  `token`, reject."
    issued = state.get("m.room.third_party_invite", token)
    if issued is None:
        return Rejection("the room has no such third-party invite")
    # "5.4.1.6 If `sender` does not match `sender` of the `m.room.third_party_invite`, reject."
    if event.sender != issued.sender:
        return Rejection("the third-party invite was issued by somebody else")
    # "5.4.1.7 If any signature in `signed` matches any public key in the `m.room.third_party_invite` event, allow."
    if is_signed_as_issued(signed, issued.content):
        return None
    # "5.4.1.8 Otherwise, reject."
    return Rejection("no signature of the third-party invite matches")


def is_signed_as_issued(signed: Mapping[str, Any], issued_content: Mapping[str, Any]) -> bool:
    """Whether a key of this `m.room.third_party_invite` event has signed that."""
    return _is_signed_by_any(signed, list(_public_keys(issued_content)))


def _public_keys(content: Mapping[str, Any]) -> Iterator[bytes]:
    """ "1. A single public key in the `public_key` property. 2. A list of public keys in the `public_keys` property."""
    several = content.get("public_keys")
    entries = (
        [entry.get("public_key") for entry in several if isinstance(entry, Mapping)]
        if isinstance(several, list)
        else []
    )
    for text in (content.get("public_key"), *entries):
        if isinstance(text, str):
            try:
                yield decode_base64(text)
            except ValueError:
                continue


def _is_signed_by_any(signed: Mapping[str, Any], public_keys: list[bytes]) -> bool:
    try:
        message = bytes_to_sign(signed)
    except NotCanonical:
        return False
    pairs = ((signature, key) for signature in _signatures(signed) for key in public_keys)
    return any(is_valid_signature(message, signature, key) for signature, key in islice(pairs, SIGNATURES_TRIED_MAX))


def _signatures(signed: Mapping[str, Any]) -> Iterator[object]:
    signatures = signed.get("signatures")
    for by_key_id in signatures.values() if isinstance(signatures, Mapping) else ():
        if isinstance(by_key_id, Mapping):
            yield from (value for key_id, value in by_key_id.items() if key_id.startswith(f"{ALGORITHM}:"))
