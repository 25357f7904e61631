"""`ephemeral`: who is typing, and receipts that are new to the client.

Spec: https://spec.matrix.org/v1.19/client-server-api/#typing-notifications and #receipts
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import orjson

from sync_api.room_contents import Receipt, RoomContents
from sync_api.scope import SyncScope

PUBLIC_RECEIPT = "m.read"
TYPING = "m.typing"
RECEIPT = "m.receipt"

ReceiptsContent = dict[str, dict[str, dict[str, Any]]]
"""event ID -> receipt type -> user ID -> {ts, thread_id}"""


def ephemeral_events(
    scope: SyncScope, room_id: str, contents: RoomContents, after_position: int, through_position: int
) -> list[bytes]:
    wanted = scope.filter.ephemeral
    if not wanted.allows_all and not wanted.allows_room(room_id):
        return []
    # "Once ignored, the client will no longer receive events sent by that user".
    ignored = scope.user.ignored_user_ids
    events: list[bytes] = []
    if after_position < contents.typing_position <= through_position and wanted.allows_type(TYPING):
        typing = [
            user_id
            for user_id, expires_at_ms in contents.typing.items()
            if expires_at_ms > scope.now_ms and user_id not in ignored
        ]
        if typing or after_position:
            events.append(b'{"content":{"user_ids":%b},"type":"m.typing"}' % orjson.dumps(typing))
    receipts = contents.receipts_after(after_position, through_position)
    if ignored:
        receipts = [receipt for receipt in receipts if receipt.user_id not in ignored]
    if receipts and wanted.allows_type(RECEIPT):
        for content in receipts_contents(receipts, scope.user.user_id):
            events.append(b'{"content":%b,"type":"m.receipt"}' % orjson.dumps(content))
    return events


def receipts_contents(receipts: list[Receipt], user_id: str) -> Collection[ReceiptsContent]:
    """One for each thread, in which a user has one receipt of a type; private receipts are their user's alone.

    "Receipts SHOULD be batched into one event per room and thread before delivering them to clients." In one event a
    user's threaded and unthreaded receipts of the same event would replace each other.
    """
    by_thread: dict[str, ReceiptsContent] = {}
    for receipt in sorted(receipts):
        if receipt.receipt_type != PUBLIC_RECEIPT and receipt.user_id != user_id:
            continue
        content = by_thread.setdefault(receipt.thread_id, {})
        by_user = content.setdefault(receipt.event_id, {}).setdefault(receipt.receipt_type, {})
        entry: dict[str, Any] = {"ts": receipt.ts_ms}
        if receipt.thread_id:
            entry["thread_id"] = receipt.thread_id
        by_user[receipt.user_id] = entry
    return by_thread.values()
