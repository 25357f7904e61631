"""`PUT /rooms/{roomId}/state/{eventType}/{stateKey}`."""

from __future__ import annotations

import orjson

from api_gateway.checks import EVENT_BODY_BYTES_MAX, check_room_id, event_content, event_id_answer
from api_gateway.delayed_events import DELAY_PARAMETER, delay_of, schedule
from api_gateway.guests import remove_guests
from api_gateway.invite_permission import check_may_be_invited
from matrix_protocol.errors import BadJson, InvalidParam
from matrix_protocol.identifiers import is_valid_room_alias, is_valid_user_id
from service_kit.config import Settings
from service_kit.hosted_servers import HostedServers
from service_kit.http.authentication import Caller
from service_kit.http.decoding import RawJsonObject
from service_kit.http.endpoint import endpoint
from service_kit.http.rate_limits import MESSAGE
from service_kit.http.request import Request
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.room_commands_pb2 import RoomCommand, SendEvent
from service_kit.rpc.queries import Asker


@endpoint(
    "PUT",
    "/_matrix/client/v3/rooms/{roomId}/state/{eventType}/{stateKey}",
    operation="setRoomStateWithKey",
    rate_limit=MESSAGE,
    # "When an empty string, the trailing slash on this endpoint is optional."
    aliases=("/_matrix/client/v3/rooms/{roomId}/state/{eventType}",),
    body_bytes_max=EVENT_BODY_BYTES_MAX,
    guests=True,
)
async def set_room_state_with_key(
    room_id: str,
    event_type: str,
    body: RawJsonObject,
    caller: Caller,
    request: Request,
    settings: Settings,
    hosted_servers: HostedServers,
    rooms: CommandClient,
    asker: Asker,
    state_key: str = "",
) -> bytes:
    if event_type == "m.room.canonical_alias":
        _check_aliases(body)
    event = SendEvent(
        sender=caller.user_id,
        device_id=caller.device_id,
        event_type=event_type,
        state_key=state_key,
        content_json=event_content(body),
        guest=caller.guest,
    )
    check_room_id(room_id)
    if (
        event_type == "m.room.member"
        and is_valid_user_id(state_key)
        and orjson.loads(body).get("membership") == "invite"
    ):
        await check_may_be_invited([state_key], rooms, hosted_servers, timeout_s=request.timeout_s)
    if delay := request.query_value(DELAY_PARAMETER):
        return await schedule(rooms, settings, room_id, event, delay_of(delay), timeout_s=request.timeout_s)
    reply = await rooms.room(room_id, RoomCommand(send_event=event), timeout_s=request.timeout_s)
    if reply.guests_must_leave:
        await remove_guests(rooms, asker, room_id, timeout_s=request.timeout_s)
    return event_id_answer(reply.event_id)


def _check_aliases(body: bytes) -> None:
    """ "servers SHOULD ensure that any new aliases being listed in the event are valid per their grammar/syntax"; that
    they point to the room is for its owner to see.
    """
    content = orjson.loads(body)
    alias, alt_aliases = content.get("alias"), content.get("alt_aliases", [])
    if not isinstance(alt_aliases, list):
        raise BadJson("Expected `array` - at `$.alt_aliases`")
    for text in [*([] if alias is None else [alias]), *alt_aliases]:
        # "An empty or missing `alias` means that there is none."
        if text != "" and not (isinstance(text, str) and is_valid_room_alias(text)):
            raise InvalidParam("The content names an alias that is not valid")
