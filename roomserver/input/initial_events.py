"""Which events a new room begins with, after its create event: a pure function of the request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

import msgspec
import orjson

from matrix_protocol.errors import BadJson, InvalidParam, TooLarge
from matrix_protocol.identifiers import is_valid_user_id
from matrix_protocol.room_creation import INVITES_MAX, PUBLIC_CHAT, TRUSTED_PRIVATE_CHAT, preset_in_force
from matrix_protocol.room_versions import RoomVersionRules
from roomserver.input.new_event import EventDraft
from roomserver.state.compact import MEMBER
from service_kit.rpc.pb.room_commands_pb2 import CreateRoom

INITIAL_STATE_MAX: Final = 500
"""With INVITES_MAX and the rest less than what one command may put into the ledger (`FACTS_PER_COMMAND_MAX`)."""

JsonObject = dict[str, Any]


class InitialState(msgspec.Struct, frozen=True):
    type: str
    content: JsonObject
    state_key: str = ""


class CreateRoomRequest(msgspec.Struct, frozen=True):
    """The request body."""

    visibility: Literal["public", "private"] | None = None
    name: str | None = None
    topic: str | None = None
    invite: list[str] = []
    creation_content: JsonObject = {}
    initial_state: list[InitialState] = []
    preset: Literal["private_chat", "trusted_private_chat", "public_chat"] | None = None
    is_direct: bool = False
    power_level_content_override: JsonObject = {}

    @property
    def preset_in_force(self) -> str:
        return preset_in_force(self.preset, self.visibility)


_decoder = msgspec.json.Decoder(CreateRoomRequest)

_PRESETS: Final[Mapping[str, Mapping[str, JsonObject]]] = {
    "private_chat": {
        "m.room.join_rules": {"join_rule": "invite"},
        "m.room.history_visibility": {"history_visibility": "shared"},
        "m.room.guest_access": {"guest_access": "can_join"},
    },
    "trusted_private_chat": {
        "m.room.join_rules": {"join_rule": "invite"},
        "m.room.history_visibility": {"history_visibility": "shared"},
        "m.room.guest_access": {"guest_access": "can_join"},
    },
    "public_chat": {
        "m.room.join_rules": {"join_rule": "public"},
        "m.room.history_visibility": {"history_visibility": "shared"},
        "m.room.guest_access": {"guest_access": "forbidden"},
    },
}
"""The table of presets in the specification of `/createRoom`."""


def parse_request(request_json: bytes) -> CreateRoomRequest:
    """Raises BadJson, InvalidParam, TooLarge."""
    try:
        request = _decoder.decode(request_json)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadJson(f"The request is malformed: {error}") from error
    if len(request.invite) > INVITES_MAX:
        raise TooLarge(f"At most {INVITES_MAX} users can be invited at once")
    if len(request.initial_state) > INITIAL_STATE_MAX:
        raise TooLarge(f"initial_state may have at most {INITIAL_STATE_MAX} events")
    for user_id in request.invite:
        if not is_valid_user_id(user_id):
            raise InvalidParam(f"invite holds something that is not a user ID: {user_id[:255]}")
    return request


def initial_events(rules: RoomVersionRules, body: CreateRoom, request: CreateRoomRequest) -> Iterator[EventDraft]:
    """In the order that `input.create_room` lists."""
    creator = body.creator
    profile = _object(body.member_content_json)
    yield EventDraft(MEMBER, creator, creator, {**profile, "membership": "join"})
    levels = power_levels(rules, creator, request)
    yield EventDraft("m.room.power_levels", "", creator, levels)
    if body.alias:
        yield EventDraft("m.room.canonical_alias", "", creator, {"alias": body.alias})
    overridden = {event.type for event in request.initial_state if event.state_key == ""}
    for event_type, content in _PRESETS[request.preset_in_force].items():
        if event_type not in overridden:  # initial_state "takes precedence over events set by preset"
            yield EventDraft(event_type, "", creator, content)
    named = {"m.room.name": request.name, "m.room.topic": request.topic}
    for event in request.initial_state:
        if event.state_key or named.get(event.type) is None:  # else "gets overridden by name and topic keys"
            yield EventDraft(event.type, event.state_key, creator, event.content)
    if request.name is not None:
        yield EventDraft("m.room.name", "", creator, {"name": request.name})
    if request.topic is not None:
        yield EventDraft("m.room.topic", "", creator, _topic(request.topic))
    is_direct = {"is_direct": True} if request.is_direct else {}
    for user_id in dict.fromkeys(request.invite):
        profile = _object(body.invitee_content_json.get(user_id, b""))
        yield EventDraft(MEMBER, user_id, creator, {**profile, **is_direct, "membership": "invite"})


def power_levels(rules: RoomVersionRules, creator: str, request: CreateRoomRequest) -> JsonObject:
    """The content of the first power levels event."""
    has_creators_above = rules.authorization.creators_above_all
    users: dict[str, int] = {}
    if not has_creators_above:
        # "In room versions 1 through 11, the room creator (and not other members) will be given permission to send
        # state events." "trusted_private_chat: All invitees are given the same power level as the room creator."
        users[creator] = 100
        if request.preset_in_force == TRUSTED_PRIVATE_CHAT:
            users.update(dict.fromkeys(request.invite, 100))
    content: JsonObject = {
        "ban": 50,
        "events": {
            "m.room.avatar": 50,
            "m.room.canonical_alias": 50,
            "m.room.encryption": 100,
            "m.room.history_visibility": 100,
            "m.room.name": 50,
            "m.room.power_levels": 100,
            "m.room.server_acl": 100,
            # "If the room's version is 12 or higher, the power level for sending `m.room.tombstone` events MUST
            # explicitly be higher than `state_default`. For example, set to 150 instead of 100."
            "m.room.tombstone": 150 if has_creators_above else 100,
        },
        "events_default": 0,
        "invite": 50 if request.preset_in_force == PUBLIC_CHAT else 0,
        "kick": 50,
        "redact": 50,
        "state_default": 50,
        "users": users,
        "users_default": 0,
    }
    # "This object is applied on top of the generated m.room.power_levels event content"
    return {**content, **request.power_level_content_override}


def _topic(topic: str) -> JsonObject:
    """ "an `m.room.topic` event with a `text/plain` mimetype" """
    return {"m.topic": {"m.text": [{"body": topic, "mimetype": "text/plain"}]}, "topic": topic}


def _object(json: bytes) -> JsonObject:
    try:
        value = orjson.loads(json or b"{}")
    except orjson.JSONDecodeError as error:
        raise BadJson("A member's profile is not JSON") from error
    if not isinstance(value, dict):
        raise BadJson("A member's profile must be a JSON object")
    return value
