"""The answers of the endpoints that /sync has replaced, made of those of /sync.

They are deprecated and seldom used, so that answers are parsed and put together again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

JsonObject = dict[str, Any]


def events_of(answer: JsonObject) -> list[JsonObject]:
    """`chunk` of GET /events: what happened in rooms, room by room; state that a gap has hidden comes first."""
    events: list[JsonObject] = []
    rooms = answer.get("rooms", {})
    for section in ("join", "leave"):
        for room in rooms.get(section, {}).values():
            events += room["state"]["events"]
            events += room["timeline"]["events"]
    return events


def rooms_of(answer: JsonObject, invites: Iterable[JsonObject], user_id: str) -> Iterator[JsonObject]:
    """`rooms` of GET /initialSync; the answer is one with `state_after`. `invites`: the events."""
    rooms = answer.get("rooms", {})
    for section in ("join", "leave"):
        for room_id, room in rooms.get(section, {}).items():
            timeline, state = room["timeline"], room["state_after"]["events"]
            yield {
                "room_id": room_id,
                "membership": "join" if section == "join" else _membership(user_id, [*state, *timeline["events"]]),
                "messages": {
                    "start": timeline["prev_batch"],
                    "end": answer["next_batch"],
                    "chunk": timeline["events"],
                },
                "state": state,
                "account_data": room["account_data"]["events"],
            }
    for invite in invites:
        yield {"room_id": invite["room_id"], "membership": "invite", "invite": invite}


def _membership(user_id: str, events: Iterable[JsonObject]) -> str:
    """By their last member event among these, which is there however they left."""
    own = [event for event in events if event["type"] == "m.room.member" and event.get("state_key") == user_id]
    return "ban" if own and own[-1]["content"].get("membership") == "ban" else "leave"
