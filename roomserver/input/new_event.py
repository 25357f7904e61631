"""A new event of a local user: built, authorised against the room's current state, signed.

1 the sender is a user of a server that we host
2 auth events are selected from the current state, prev events are the forward extremities
3 the event is built: content hash, signature, event ID, size limits
4 the auth rules, against the current state
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from matrix_protocol.encoding import encode_base64
from matrix_protocol.errors import Forbidden
from matrix_protocol.event_auth import StateKey, auth_event_keys, check_auth_rules
from matrix_protocol.events.builder import build_event
from matrix_protocol.events.format import Event
from matrix_protocol.events.hashes import redacted_bytes
from matrix_protocol.identifiers import server_name_of
from matrix_protocol.signatures import SigningKey
from roomserver.input.restricted_join import AUTHORISED_VIA
from roomserver.state.auth_state import RoomAuthState
from roomserver.state.compact import MEMBER
from roomserver.state.room import RoomInMemory
from service_kit.hosted_servers import HostedServers

PREV_EVENTS_MAX = 20
""" "Its `prev_events` array contains at most 20 events." """


class EventDraft(NamedTuple):
    """What the sender decides about an event."""

    type: str
    state_key: str | None
    sender: str
    content: dict[str, Any]
    redacts: str | None = None
    device_id: str = ""
    client_txn_id: str = ""
    guest: bool = False
    """whether the sender has a guest account"""


def signing_key_of(hosted_servers: HostedServers, sender: str) -> SigningKey:
    server_name = server_name_of(sender)
    if not hosted_servers.is_ours(server_name):
        raise Forbidden(f"{server_name} is not a server name of this server: it cannot speak for its users")
    return hosted_servers.signing_key(server_name)


def new_event(room: RoomInMemory, draft: EventDraft, hosted_servers: HostedServers, now_ms: int) -> Event:
    """Raises Forbidden with the rule's reason, BadJson, TooLarge."""
    signing_key = signing_key_of(hosted_servers, draft.sender)
    auth_state = RoomAuthState(room)
    auth_keys = auth_event_keys(draft.type, draft.state_key, draft.sender, draft.content, room.rules)
    event = build_event(
        room_id=room.room_id,
        event_type=draft.type,
        state_key=draft.state_key,
        sender=draft.sender,
        content=draft.content,
        prev_event_ids=room.forward_extremity_ids[:PREV_EVENTS_MAX],
        auth_event_ids=_auth_event_ids(room, auth_keys),
        depth=room.depth + 1,
        origin_server_ts_ms=now_ms,
        rules=room.rules,
        signing_key=signing_key,
        redacts=draft.redacts,
        reference_hashes=room.reference_hashes(auth_keys) if room.rules.event_format.references_carry_hashes else None,
    )
    _sign_as_authorising_server(event, room, hosted_servers)
    rejection = check_auth_rules(event, auth_state, room.rules)
    if rejection is not None:
        raise Forbidden(rejection.reason)
    return event


def _auth_event_ids(room: RoomInMemory, keys: Sequence[StateKey]) -> list[str]:
    found = [room.state.event_id(event_type, state_key) for event_type, state_key in keys]
    return [event_id for event_id in found if event_id is not None]


def _sign_as_authorising_server(event: Event, room: RoomInMemory, hosted_servers: HostedServers) -> None:
    """A restricted join that a user of another of our servers vouches for carries that server's signature too."""
    if event.type != MEMBER or AUTHORISED_VIA not in event.content:
        return
    server_name = server_name_of(str(event.content[AUTHORISED_VIA]))
    if server_name in event.pdu["signatures"] or not hosted_servers.is_ours(server_name):
        return
    key = hosted_servers.signing_key(server_name)
    signature = encode_base64(key.sign(redacted_bytes(event.pdu, room.rules)))
    event.pdu["signatures"][server_name] = {key.key_id: signature}
