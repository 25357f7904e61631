from __future__ import annotations

import pytest

from api_gateway.new_rooms import CreateEventWish, NewRooms
from matrix_protocol.errors import BadJson, UnsupportedRoomVersion
from matrix_protocol.identifiers import is_valid_room_id
from service_kit.clock import ManualClock
from service_kit.hosted_servers import HostedServers
from tests.factories.users import signing_key_of

ALICE = "@alice:a.example"


def wish(version: str | None = None, **content: object) -> CreateEventWish:
    return CreateEventWish(version, dict(content), "private_chat", [])


@pytest.fixture
def new_rooms() -> NewRooms:
    servers = HostedServers("a.example", {"a.example": signing_key_of("a.example")})
    return NewRooms(servers, ManualClock(), "12")


@pytest.mark.parametrize("version", ["10", "11", "12"])
def test_room_id_is_of_the_versions_kind_and_never_twice_the_same(new_rooms: NewRooms, version: str) -> None:
    rooms = [new_rooms.choose(wish(version), ALICE) for _ in range(50)]
    assert len({room.room_id for room in rooms}) == 50
    assert all(is_valid_room_id(room.room_id) for room in rooms)
    assert {room.room_id.endswith(":a.example") for room in rooms} == {version != "12"}


def test_time_of_creation_is_now_as_far_as_it_can(new_rooms: NewRooms) -> None:
    start_ms = ManualClock().now_ms()
    assert [new_rooms.choose(wish(), ALICE).origin_server_ts_ms - start_ms for _ in range(3)] == [0, 1, 2]


def test_default_version_is_taken_where_none_is_wished(new_rooms: NewRooms) -> None:
    assert new_rooms.choose(wish(), ALICE).room_version == "12"


def test_unknown_version_is_refused(new_rooms: NewRooms) -> None:
    with pytest.raises(UnsupportedRoomVersion):
        new_rooms.choose(wish("org.example.unknown"), ALICE)


def test_content_without_canonical_form_is_refused(new_rooms: NewRooms) -> None:
    with pytest.raises(BadJson):
        new_rooms.choose(wish(x=1.5), ALICE)
