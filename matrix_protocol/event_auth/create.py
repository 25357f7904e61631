"""Rule 1: "If type is `m.room.create`", numbered as in version 12."""

from __future__ import annotations

from matrix_protocol.event_auth.auth_event import Rejection
from matrix_protocol.events.format import Event
from matrix_protocol.identifiers import is_valid_user_id, server_name_of
from matrix_protocol.room_versions import SPECIFIED_ROOM_VERSIONS, AuthorizationRules


def check_create(event: Event, rules: AuthorizationRules) -> Rejection | None:
    # "1.1 If it has any `prev_events`, reject."
    if event.prev_event_ids:
        return Rejection("a create event cannot have prev events")
    if rules.room_id_is_create_event_id:
        # "1.2 If the event has a `room_id`, reject." (version 12)
        if "room_id" in event.pdu:
            return Rejection("a create event cannot have a room ID in this room version")
    # "1.2 If the domain of the `room_id` does not match the domain of the `sender`, reject." (versions 1 to 11)
    elif server_name_of(event.room_id) != server_name_of(event.sender):
        return Rejection("the room ID's server is not the creator's")
    # "1.3 If `content.room_version` is present and is not a recognised version, reject."
    version = event.content.get("room_version", "1")
    if not isinstance(version, str) or version not in SPECIFIED_ROOM_VERSIONS:
        return Rejection("the room version is not a recognised one")
    # "1.4 If `content` has no `creator` property, reject." (versions 1 to 10)
    if rules.creator_in_create_content and "creator" not in event.content:
        return Rejection("the create event names no creator")
    # "1.4 If `additional_creators` is present in `content` and is not an array of strings where each string passes the
    #  same user ID validation applied to `sender`, reject." (version 12)
    if rules.creators_above_all and "additional_creators" in event.content:
        return _check_additional_creators(event.content["additional_creators"])
    # "1.5 Otherwise, allow."
    return None


def _check_additional_creators(additional_creators: object) -> Rejection | None:
    if not isinstance(additional_creators, list):
        return Rejection("additional_creators is not an array")
    if not all(isinstance(user_id, str) and is_valid_user_id(user_id) for user_id in additional_creators):
        return Rejection("additional_creators holds something that is not a user ID")
    return None
