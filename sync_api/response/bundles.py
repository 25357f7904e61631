"""`m.relations` of the events in an answer, if it leaves events out.

"The endpoints where the server *should* include bundled aggregations are: […] `GET /sync` when the relevant section
has a `limited` value of `true`." Otherwise the client gets the children themselves, and counts on.

What is held for all of the room's users serves whoever ignores nobody; in a thread of many, it does not tell whether
somebody in particular takes part; nor what of it somebody may see who was not there yet. For them the roomserver is
asked. It may know of a reply that comes with the next answer only: clients know events by their IDs.

Spec: https://spec.matrix.org/v1.19/client-server-api/#aggregations-of-child-events
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from service_kit.rpc.pb.room_queries_pb2 import Aggregations, AggregationsRequest
from service_kit.rpc.queries import GET_AGGREGATIONS
from sync_api.entries import TimelineEvent
from sync_api.room_contents import RoomContents
from sync_api.scope import SyncScope
from sync_api.user_view import Membership

Bundled = Mapping[int, Aggregations]
"""By position of the event."""
NOTHING: Final[Bundled] = {}
IGNORED_USERS_MAX: Final = 1000


async def bundles_of(
    scope: SyncScope, contents: RoomContents, membership: Membership, events: Sequence[TimelineEvent]
) -> Bundled:
    """What is bundled with these, for the user."""
    room_id, bundles = membership.room_id, contents.bundles
    if stale := bundles.stale(event.position for event in events):
        bundles.asking(stale)
        try:
            found = await _ask(scope, room_id, stale)
        except BaseException:
            bundles.put_back(stale)
            raise
        for position in stale:
            bundles.put(position, found.get(position))
        contents.fragments.clear()
    made: dict[int, Aggregations] = {}
    personal: list[int] = []
    for event in events:
        if event.aggregations is not None:
            made[event.position] = event.aggregations  # read for this user
        elif (known := bundles.get(event.position)) is not None:
            if _is_personal(scope, event, known, membership.joined_at):
                personal.append(event.position)
            else:
                made[event.position] = known
    if personal:
        made |= await _ask(scope, room_id, personal, as_user_id=scope.user.user_id)
    return made


def read_bundles(events: Sequence[TimelineEvent]) -> Bundled:
    """Of events that were read for this user."""
    return {event.position: event.aggregations for event in events if event.aggregations is not None}


def has_threads(bundled: Bundled) -> bool:
    """Whether it is the user's own: who takes part in a thread is told of nobody else."""
    return any(aggregations.replies for aggregations in bundled.values())


def participates(scope: SyncScope, root: TimelineEvent, aggregations: Aggregations) -> bool:
    user_id = scope.user.user_id
    return aggregations.participated or user_id == root.sender or user_id in aggregations.participant_user_ids


def _is_personal(scope: SyncScope, event: TimelineEvent, known: Aggregations, joined_at: int) -> bool:
    if event.position < joined_at:
        return True
    if scope.user.ignored_user_ids and (known.replies or known.reference_event_ids):
        return True
    return known.more_participants and not participates(scope, event, known)


async def _ask(
    scope: SyncScope, room_id: str, positions: Sequence[int], *, as_user_id: str = ""
) -> dict[int, Aggregations]:
    request = AggregationsRequest(room_id=room_id, as_user_id=as_user_id, positions=positions)
    if as_user_id:
        request.ignored_user_ids.extend(list(scope.user.ignored_user_ids)[:IGNORED_USERS_MAX])
    found: dict[int, Aggregations] = {}
    async for chunk in scope.asker.stream(GET_AGGREGATIONS, request):
        found.update((entry.position, entry.aggregations) for entry in chunk.entries)
    return found
