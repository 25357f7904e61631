"""Tags: labels that a user puts on rooms, kept in the `m.tag` account data of the room.

Spec: https://spec.matrix.org/v1.19/client-server-api/#room-tagging
"""

from __future__ import annotations

from typing import Any

import orjson

from matrix_protocol.errors import TooLarge
from service_kit.ledger.domain import Batch
from service_kit.limits import TAGS_PER_ROOM_MAX
from service_kit.rpc.pb.user_commands_pb2 import SetTag, UserReply
from userserver.account_data import AccountData, Edit

TAG = "m.tag"


class Tags:
    def __init__(self, account_data: AccountData) -> None:
        self._account_data = account_data

    async def prepare(self, command: SetTag) -> Edit:
        return await self._account_data.begin_edit(command.user_id, command.room_id, TAG)

    def set(self, command: SetTag, edit: Edit, batch: Batch) -> UserReply:
        content = _object(orjson.loads(edit.document.content_json or b"{}"))
        tags = _object(content.get("tags"))
        if not command.content_json:
            if command.tag not in tags:
                return UserReply()
            del tags[command.tag]
        else:
            tags[command.tag] = orjson.loads(command.content_json)
            if len(tags) > TAGS_PER_ROOM_MAX:
                raise TooLarge(f"A room may have {TAGS_PER_ROOM_MAX} tags")
        self._account_data.put(batch, edit, orjson.dumps({**content, "tags": tags}))
        return UserReply()


def _object(value: object) -> dict[str, Any]:
    """Clients can write `m.tag` themselves: what is no object counts as an empty one."""
    return value if isinstance(value, dict) else {}
