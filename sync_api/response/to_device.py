"""`to_device`: the messages that wait for the client's device.

"When the client calls /sync again with the next_batch token from the first response, the server should infer that
any send-to-device messages in that response have been delivered successfully, and delete them from the store."

If there are more than one answer takes, `next_batch` goes only as far as the last one in it, and the rest comes with
the next request, which need not wait. Account data that is newer than that is told twice then, which changes nothing.

Spec: https://spec.matrix.org/v1.19/client-server-api/#send-to-device-messaging
"""

from __future__ import annotations

from sync_api.scope import SyncScope
from sync_api.to_device import Inbox, InboxSource


async def to_device_events(scope: SyncScope, source: InboxSource) -> list[bytes]:
    """The last part of an answer to be made: it may take `scope.through.user` back."""
    user, device_id = scope.user, scope.device_id
    if not device_id:
        return []
    inbox = user.inboxes.get(device_id)
    if inbox is None:
        inbox = user.inboxes[device_id] = Inbox(user.user_id, device_id, source)
    after = scope.since.user if scope.since is not None else 0
    inbox.acknowledge(after)
    if inbox.is_empty:
        return []
    events, through = await inbox.take(after, scope.through.user, user.ignored_user_ids)
    scope.through = scope.through._replace(user=through)
    return events
