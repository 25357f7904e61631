from hypothesis import given
from hypothesis import strategies as st

from service_kit.access_tokens import (
    new_access_token,
    new_refresh_token,
    shard_of_access_token,
    shard_of_refresh_token,
    token_sha256,
)
from service_kit.shards import USER, Shard, ShardMap

SHARDS = ShardMap(room_shards=4, user_shards=64)


@given(st.integers(0, 63), st.binary(min_size=32, max_size=32))
def test_a_token_names_its_shard(number: int, secret: bytes) -> None:
    shard = Shard(USER, number)
    access = new_access_token(shard, lambda length: secret[:length])
    refresh = new_refresh_token(shard, lambda length: secret[:length])
    assert shard_of_access_token(access.text, SHARDS) == shard_of_refresh_token(refresh.text, SHARDS) == shard
    assert shard_of_access_token(refresh.text, SHARDS) is None
    assert shard_of_refresh_token(access.text, SHARDS) is None
    assert access.sha256 == token_sha256(access.text)
    assert len(access.text) < 60


@given(st.text() | st.from_regex(r"pl[xr]_[0-9]{0,7}_[A-Za-z0-9_-]{40,46}"))
def test_any_text_is_a_token_of_a_shard_that_exists_or_none(text: str) -> None:
    shard = shard_of_access_token(text, SHARDS)
    assert shard is None or (shard in SHARDS.all_of(USER) and text.startswith(f"plx_{shard.number}_"))
    assert len(token_sha256(text)) == 32


def test_tokens_of_shards_that_do_not_exist_are_none() -> None:
    assert shard_of_access_token(new_access_token(Shard(USER, 64)).text, SHARDS) is None


def test_no_two_tokens_are_the_same() -> None:
    assert len({new_access_token(Shard(USER, 1)).text for _ in range(100)}) == 100


def test_other_scripts_digits_and_line_ends_are_refused() -> None:
    token = new_access_token(Shard(USER, 1)).text
    for text in (token + "\n", token.replace("_1_", "_١_"), token.replace("_1_", "_01_"), token.upper()):
        assert shard_of_access_token(text, SHARDS) is None
