"""How far somebody has read in a room, by their receipts.

"If the user has both `m.read` and `m.read.private` set in the room then the receipt which is more recent/ahead must be
used to determine where the user has read up to."

Spec: https://spec.matrix.org/v1.19/client-server-api/#marking-notifications-as-read
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from matrix_protocol.errors import NotFound
from service_kit.rpc.pb.room_queries_pb2 import EventRequest, ReceiptsRequest
from service_kit.rpc.queries import RoomQueries
from sync_api.push_events import MAIN
from sync_api.room_contents import Receipt, RoomContents
from sync_api.unread.counter import EVERYWHERE

RECEIPT_TYPES = ("m.read", "m.read.private")
OF_ALL = (EVERYWHERE, MAIN)


def receipts_of(contents: RoomContents, user_id: str, thread_ids: Iterable[str]) -> Iterator[Receipt]:
    receipts = contents.receipts
    for thread_id in thread_ids:
        for receipt_type in RECEIPT_TYPES:
            receipt = receipts.get((user_id, receipt_type, thread_id))
            if receipt is not None:
                yield receipt


async def know_receipts(queries: RoomQueries, room_id: str, contents: RoomContents, user_id: str) -> list[Receipt]:
    """The user's receipts of the main timeline and of all threads at once, with the positions of their events.

    Asks where memory does not tell: receipts of a room with very many of them, and those from before receipts
    told the position of their event.
    """
    receipts = list(receipts_of(contents, user_id, OF_ALL))
    if not contents.receipts_complete:
        async for chunk in queries.get_receipts(ReceiptsRequest(room_id=room_id, user_id=user_id)):
            receipts += [Receipt.from_fact(entry.position, entry.receipt) for entry in chunk.receipts]
    for number, receipt in enumerate(receipts):
        if not receipt.event_position:
            receipts[number] = await _with_position(queries, room_id, receipt)
    return receipts


async def _with_position(queries: RoomQueries, room_id: str, receipt: Receipt) -> Receipt:
    try:
        entry = await queries.get_event(EventRequest(room_id=room_id, event_id=receipt.event_id))
    except NotFound:
        return receipt
    return receipt._replace(event_position=entry.position)
