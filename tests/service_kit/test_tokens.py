from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matrix_protocol.errors import InvalidParam
from service_kit.shards import ROOM, USER, Shard, ShardMap
from service_kit.tokens import POSITION_MAX, SyncToken, TimelineToken, timeline_position

SHARDS = ShardMap(room_shards=4, user_shards=4)
positions = st.integers(min_value=0, max_value=POSITION_MAX)


@given(st.tuples(positions, positions, positions, positions), positions)
def test_sync_token_survives_the_trip_to_the_client(rooms: tuple[int, ...], user: int) -> None:
    token = SyncToken(rooms, user)
    assert SyncToken.parse(str(token), SHARDS) == token


@given(positions)
def test_timeline_token_survives_the_trip_to_the_client(position: int) -> None:
    assert TimelineToken.parse(str(TimelineToken(position))).position == position


def test_tokens_are_opaque_identifiers_that_need_no_url_escape() -> None:
    text = str(SyncToken((1, 300, 70000, POSITION_MAX), 5))
    assert text.replace("-", "").replace("_", "").isalnum()


@given(st.text(max_size=40))
def test_anything_else_is_an_invalid_parameter(text: str) -> None:
    for given_text in (text, "s" + text, "t" + text):
        try:
            timeline_position(given_text, SHARDS, "!room:example.org")
        except InvalidParam:
            continue
        assert given_text[0] in "st"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "s",
        "t",
        "t-1",
        "t1_0",
        "t+1",
        "t١",
        "t99999999999999999999",
        f"t{2**63}",
        "sAAAA",
        "s" + "A" * 20000,
        "s____",
    ],
)
def test_bad_token_is_refused(text: str) -> None:
    with pytest.raises(InvalidParam):
        timeline_position(text, SHARDS, "!room:example.org")


def test_token_of_another_number_of_shards_is_refused() -> None:
    text = str(SyncToken((1, 2), 3))
    with pytest.raises(InvalidParam, match="another number of shards"):
        SyncToken.parse(text, SHARDS)


def test_either_token_means_a_position_in_the_room() -> None:
    room_id = "!room:example.org"
    rooms = [10, 20, 30, 40]
    here = SHARDS.of_room(room_id).number
    assert timeline_position(str(SyncToken(tuple(rooms), 7)), SHARDS, room_id) == rooms[here]
    assert timeline_position("t12", SHARDS, room_id) == 12


def test_position_by_shard() -> None:
    token = SyncToken((10, 20, 30, 40), 7)
    assert token.position(Shard(ROOM, 2)) == 30
    assert token.position(Shard(USER, 2)) == 7
