"""Step 7: is the event recommended by the room's Policy Server, if it uses one?

Spec: https://spec.matrix.org/v1.19/server-server-api/#policy-servers
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from matrix_protocol.encoding import decode_base64
from matrix_protocol.event_auth import AuthState
from matrix_protocol.events.format import Event
from matrix_protocol.events.signing import verify_event_signature, with_pdu
from matrix_protocol.room_versions import RoomVersionRules
from matrix_protocol.signatures import VERIFY_KEY_BYTES, Verdict, with_signature

POLICY = "m.room.policy"
# "The Key ID for the `ed25519` key in `m.room.policy` is *always* `ed25519:policy_server`."
KEY_ID = "ed25519:policy_server"


class PolicyServer(NamedTuple):
    server_name: str
    verify_key: bytes
    """32 bytes; b"" if what the room says is no key: then nothing that the server signs is valid."""


def policy_server_of(state: AuthState, has_joined_user: Callable[[str], bool]) -> PolicyServer | None:
    """The Policy Server of a room whose current state this is; None if it uses none.

    `has_joined_user` tells whether a server has a joined user in the current state.
    """
    # "The *current state* for the room has a valid `m.room.policy` state event with empty state key. Valid means
    #  `content` contains at least: A string value for `via`. An object value for `public_keys` containing at least a
    #  string value for `ed25519`."
    policy = state.get(POLICY, "")
    if policy is None:
        return None
    via, keys = policy.content.get("via"), policy.content.get("public_keys")
    key = keys.get("ed25519") if isinstance(keys, Mapping) else None
    if not isinstance(via, str) or not isinstance(key, str):
        return None
    # "The server name denoted by the `m.room.policy` state event's `via` has at least one joined user in the room".
    if not has_joined_user(via):
        return None
    return PolicyServer(via, _key_bytes(key))


def _key_bytes(text: str) -> bytes:
    try:
        key = decode_base64(text)
    except ValueError:
        return b""
    return key if len(key) == VERIFY_KEY_BYTES else b""


def needs_no_signature(event: Event) -> bool:
    """ "The Policy Server is not asked to sign `m.room.policy` state events with empty string `state_key`s"."""
    return event.type == POLICY and event.state_key == ""


def with_its_signature(event: Event, policy_server: PolicyServer, signature: str) -> Event:
    return with_pdu(event, with_signature(event.pdu, policy_server.server_name, KEY_ID, signature))


def is_recommended(event: Event, policy_server: PolicyServer, rules: RoomVersionRules) -> Verdict:
    """ "If the Policy Server's signature is valid, the event is recommended for inclusion in the room"."""
    keys = {KEY_ID: policy_server.verify_key}
    return verify_event_signature(event.pdu, policy_server.server_name, keys, rules)
