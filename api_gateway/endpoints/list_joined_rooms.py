"""`GET /joined_rooms`."""

from __future__ import annotations

from service_kit.http.authentication import Caller
from service_kit.http.endpoint import endpoint
from service_kit.rpc.pb.room_queries_pb2 import RoomsOfUserRequest
from service_kit.rpc.queries import RoomQueries


@endpoint("GET", "/_matrix/client/v3/joined_rooms", operation="getJoinedRooms", guests=True)
async def get_joined_rooms(caller: Caller, queries: RoomQueries) -> dict[str, list[str]]:
    request = RoomsOfUserRequest(user_id=caller.user_id)
    joined: list[str] = []
    async for chunk in queries.get_rooms_of_user(request):
        joined += [room.room_id for room in chunk.rooms if room.membership == "join"]
    return {"joined_rooms": joined}
