"""A page of a directory: of all the shards that this worker was asked for and owns.

So who asks hears from each worker once, not from each shard.
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import merge
from itertools import islice
from typing import Final

from matrix_protocol.errors import InvalidParam
from roomserver.state.published import Place, PublishedRooms, Search
from service_kit.rpc.pb.room_directory_pb2 import PublishedRoom, PublishedRoomsAnswer, PublishedRoomsRequest

LIMIT_MAX: Final = 1001


async def page_of(owned: Sequence[tuple[int, PublishedRooms]], request: PublishedRoomsRequest) -> PublishedRoomsAnswer:
    """`owned`: the shards' numbers, and what of them is published. Raises InvalidParam."""
    if not 1 <= request.limit <= LIMIT_MAX:
        raise InvalidParam(f"limit must be between 1 and {LIMIT_MAX}")
    types = frozenset([*request.room_types, *([""] if request.with_untyped else [])])
    search = Search(request.search_term.casefold(), types if request.with_room_types else None)
    beyond = None
    if request.HasField("beyond"):
        beyond = Place(-request.beyond.joined_members, request.beyond.room_id)
    answer = PublishedRoomsAnswer(shard_numbers=[number for number, _ in owned])
    pages = []
    for _, published in owned:
        directory = published.directory(request.server_name)
        if directory is not None:
            answer.total += len(directory)
            pages.append(await directory.page(search, beyond, limit=request.limit, backwards=request.backwards))
    for place, entry in islice(merge(*pages, key=lambda found: found[0], reverse=request.backwards), request.limit):
        answer.rooms.append(
            PublishedRoom(joined_members=-place.fewer_members, room_id=place.room_id, entry_json=entry.entry_json)
        )
    return answer
