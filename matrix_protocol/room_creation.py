"""What `POST /createRoom` makes of the create event: its content, the same for whoever works it out.

Since room version 12 the room ID is the hash of the create event. So the
gateway must know the event to choose the owner of the room, and the owner
builds it again; this is the one place that says what it contains.

Spec: https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3createroom
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matrix_protocol.json_types import JsonObject
from matrix_protocol.room_versions import RoomVersionRules

PRIVATE_CHAT = "private_chat"
TRUSTED_PRIVATE_CHAT = "trusted_private_chat"
PUBLIC_CHAT = "public_chat"
PRESETS = (PRIVATE_CHAT, TRUSTED_PRIVATE_CHAT, PUBLIC_CHAT)

INVITES_MAX = 300
"""In one request; the specification has no limit, but a new room is made as a whole or not at all."""


def preset_in_force(preset: str | None, visibility: str | None) -> str:
    """ "If unspecified, the server should use the `visibility` to determine which preset to use. A visibility of
    `public` equates to a preset of `public_chat` and `private` visibility equates to a preset of `private_chat`."
    """
    return preset or (PUBLIC_CHAT if visibility == "public" else PRIVATE_CHAT)


def create_event_content(
    rules: RoomVersionRules, creator: str, creation_content: Mapping[str, object], preset: str, invited: Sequence[str]
) -> JsonObject:
    """The content to give to `build_create_event` (which adds `room_version` and, where it belongs, `creator`)."""
    # "The server will overwrite the following keys: `creator`, `room_version`."
    content = {key: value for key, value in creation_content.items() if key not in ("creator", "room_version")}
    if rules.authorization.creators_above_all and preset == TRUSTED_PRIVATE_CHAT:
        # "the server SHOULD combine `additional_creators` specified here and the `invite` array into the eventual
        # `m.room.create` event's `additional_creators`, deduplicating between the two parameters."
        given = content.get("additional_creators", [])
        if isinstance(given, list) and all(isinstance(user, str) for user in given):  # else the auth rules refuse it
            creators = dict.fromkeys([*given, *invited])
            creators.pop(creator, None)
            content["additional_creators"] = list(creators)
    return content
