"""What a user has set for a room goes with them into the room that replaces it: tags, push rules.

"When a user joins the new room, the server should automatically transfer/replicate some of the user's personalized
settings such as notifications, tags, etc."
Spec: https://spec.matrix.org/v1.19/client-server-api/#room-upgrades

Best effort: the user has joined, whatever becomes of the settings.
"""

from __future__ import annotations

import logging
from typing import Any, Final

import orjson

from matrix_protocol.errors import MatrixError, NotFound
from matrix_protocol.power_levels import TOMBSTONE
from matrix_protocol.push_rules import PUSH_RULES
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.room_queries_pb2 import StateKey, StateRequest
from service_kit.rpc.pb.user_commands_pb2 import ChangePushRule, GetAccountData, PutPushRule, SetTag, UserCommand
from service_kit.rpc.queries import GET_STATE, Asker

TAG: Final = "m.tag"
KINDS: Final = ("override", "room")
"""Of the rules whose ID is the room's: those that the specification has, and what clients mute a room with."""
TIMEOUT_S: Final = 10.0
_logger = logging.getLogger(__name__)


async def carry_settings(commands: CommandClient, asker: Asker, user_id: str, old_id: str, new_id: str) -> None:
    """Only if the old room itself says that the new one replaces it, to somebody who was in it."""
    try:
        if await _replacement(asker, user_id, old_id) == new_id:
            await _carry_tags(commands, user_id, old_id, new_id)
            await _carry_push_rules(commands, user_id, old_id, new_id)
    except MatrixError as error:
        _logger.info("settings of %s for %s were not all carried to %s: %s", user_id, old_id, new_id, error.errcode)


async def _replacement(asker: Asker, user_id: str, room_id: str) -> object:
    """Raises Forbidden."""
    request = StateRequest(room_id=room_id, as_user_id=user_id, keys=[StateKey(type=TOMBSTONE, state_key="")])
    entries = [entry async for chunk in asker.stream(GET_STATE, request) for entry in chunk.entries]
    return orjson.loads(entries[0].client_json)["content"].get("replacement_room") if entries else None


async def _carry_tags(commands: CommandClient, user_id: str, old_id: str, new_id: str) -> None:
    old, new = [await _tags(commands, user_id, room_id) for room_id in (old_id, new_id)]
    for tag, content in old.items():
        if tag not in new:
            wish = SetTag(user_id=user_id, room_id=new_id, tag=tag, content_json=orjson.dumps(content))
            await commands.user(user_id, UserCommand(set_tag=wish), timeout_s=TIMEOUT_S)


async def _tags(commands: CommandClient, user_id: str, room_id: str) -> dict[str, Any]:
    tags = (await _account_data(commands, user_id, room_id, TAG)).get("tags")
    return tags if isinstance(tags, dict) else {}


async def _carry_push_rules(commands: CommandClient, user_id: str, old_id: str, new_id: str) -> None:
    rules = (await _account_data(commands, user_id, "", PUSH_RULES)).get("global", {})
    for kind in KINDS:
        by_id = {rule["rule_id"]: rule for rule in rules.get(kind, ())}
        rule = by_id.get(old_id)
        if rule is None or new_id in by_id:
            continue
        body = {"actions": rule["actions"]}
        if conditions := rule.get("conditions"):
            body["conditions"] = [_of_room(condition, old_id, new_id) for condition in conditions]
        put = ChangePushRule(user_id=user_id, kind=kind, rule_id=new_id, put=PutPushRule(body_json=orjson.dumps(body)))
        await commands.user(user_id, UserCommand(change_push_rule=put), timeout_s=TIMEOUT_S)
        if not rule.get("enabled", True):
            disable = ChangePushRule(user_id=user_id, kind=kind, rule_id=new_id, set_enabled=False)
            await commands.user(user_id, UserCommand(change_push_rule=disable), timeout_s=TIMEOUT_S)


def _of_room(condition: dict[str, Any], old_id: str, new_id: str) -> dict[str, Any]:
    return {key: new_id if value == old_id else value for key, value in condition.items()}


async def _account_data(commands: CommandClient, user_id: str, room_id: str, event_type: str) -> dict[str, Any]:
    wish = GetAccountData(user_id=user_id, room_id=room_id, type=event_type)
    try:
        reply = await commands.user(user_id, UserCommand(get_account_data=wish), timeout_s=TIMEOUT_S)
    except NotFound:
        return {}
    content: dict[str, Any] = orjson.loads(reply.json)
    return content
