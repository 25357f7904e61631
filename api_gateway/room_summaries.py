"""What rooms look like from outside, asked of all the workers that own them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from service_kit.rpc.pb.room_directory_pb2 import SummariesRequest, SummaryAnswer
from service_kit.rpc.queries import GET_SUMMARIES, Asker

ROOMS_MAX: Final = 100
"""In one question (`roomserver.queries.outside`)."""


async def summaries(
    asker: Asker,
    room_ids: Iterable[str],
    as_user_id: str,
    *,
    with_children: bool = False,
    suggested_only: bool = False,
) -> dict[str, SummaryAnswer]:
    """Of each of these rooms, at most ROOMS_MAX, there or not. One question for each worker that owns some."""
    answers: dict[str, SummaryAnswer] = {}
    waiting = list(dict.fromkeys(room_ids))
    while waiting:
        request = SummariesRequest(
            room_ids=waiting, as_user_id=as_user_id, with_children=with_children, suggested_only=suggested_only
        )
        async for answer in asker.stream(GET_SUMMARIES, request):
            answers[answer.room_id] = answer
        waiting = [room_id for room_id in waiting if room_id not in answers]
    return answers
