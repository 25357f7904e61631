"""The query of /sync."""

from __future__ import annotations

import msgspec
import pytest

from sync_api.endpoints.sync import SyncQuery


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ({}, b""),
        ({"use_state_after": "false"}, b""),
        ({"use_state_after": "true"}, b"state_after"),
        ({"org.matrix.msc4222.use_state_after": "true"}, b"org.matrix.msc4222.state_after"),
        ({"org.matrix.msc4222.use_state_after": "true", "use_state_after": "true"}, b"state_after"),
    ],
)
def test_state_after_the_timeline_comes_under_the_name_that_the_client_knows(
    query: dict[str, str], name: bytes
) -> None:
    assert msgspec.convert(query, SyncQuery, strict=False).state_after == name
