"""`unread_notifications` and `unread_thread_notifications` of a joined room.

Spec: https://spec.matrix.org/v1.19/client-server-api/#receiving-notifications
"""

from __future__ import annotations

import orjson

from sync_api.entries import StateEvent
from sync_api.response.counting import unread_counter
from sync_api.response.state import current_members
from sync_api.room_contents import RoomContents
from sync_api.scope import SyncScope
from sync_api.unread.counter import Counts
from sync_api.unread.reading import OF_ALL, receipts_of
from sync_api.user_view import Membership


async def unread_json(scope: SyncScope, contents: RoomContents, membership: Membership) -> bytes:
    """ "The updated notification count from a new event MUST appear in the same `/sync` response as the event itself."

    Events after the answer's end may be counted already: the answer that brings them has the same number.
    """
    counter = scope.unread.counters.get(membership.room_id)
    member = await own_member(scope, contents, membership.room_id) if counter is None else None
    counter = await unread_counter(scope, contents, membership, member)
    if not scope.filter.timeline.unread_thread_notifications:
        return b'"unread_notifications":%b' % _counts_json(counter.counts())
    main = b'"unread_notifications":%b' % _counts_json(counter.counts_of_main())
    threads = counter.counts_of_threads()
    if not threads:
        return main
    members_json = [b"%b:%b" % (orjson.dumps(thread_id), _counts_json(of)) for thread_id, of in threads.items()]
    return main + b',"unread_thread_notifications":{%b}' % b",".join(members_json)


async def own_member(scope: SyncScope, contents: RoomContents, room_id: str) -> StateEvent | None:
    members = await current_members(scope, contents, room_id, [scope.user.user_id])
    return members[0] if members else None


def has_read_since(contents: RoomContents, user_id: str, after_position: int, through_position: int) -> bool:
    """Servers "MUST update it as it changes": also for a client whose filter leaves out receipts."""
    own = receipts_of(contents, user_id, OF_ALL)
    return any(after_position < receipt.position <= through_position for receipt in own)


def _counts_json(counts: Counts) -> bytes:
    return b'{"highlight_count":%d,"notification_count":%d}' % (counts.highlights, counts.notifications)
