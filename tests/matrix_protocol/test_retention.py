from __future__ import annotations

import pytest

from matrix_protocol.retention import RetentionPolicy, is_expired

DAY_MS = 86_400_000
BOUNDED = RetentionPolicy(
    default_max_lifetime_ms=30 * DAY_MS, min_of_max_lifetime_ms=DAY_MS, max_of_max_lifetime_ms=90 * DAY_MS
)


@pytest.mark.parametrize(
    ("policy", "content", "days"),
    [
        (RetentionPolicy(), None, 0),
        (RetentionPolicy(), {}, 0),
        (RetentionPolicy(), {"max_lifetime": 2 * DAY_MS}, 2),
        (BOUNDED, None, 30),
        (BOUNDED, {"max_lifetime": 7 * DAY_MS}, 7),
        (BOUNDED, {"max_lifetime": 1}, 1),
        (BOUNDED, {"max_lifetime": 2**53}, 90),
        (BOUNDED, {}, 1),
        (BOUNDED, {"max_lifetime": "7"}, 1),
        (BOUNDED, {"max_lifetime": True}, 1),
        (BOUNDED, {"max_lifetime": -5}, 1),
        (BOUNDED, {"min_lifetime": 50 * DAY_MS, "max_lifetime": 60 * DAY_MS}, 60),
    ],
)
def test_a_room_chooses_within_what_the_server_permits(
    policy: RetentionPolicy, content: dict[str, object] | None, days: int
) -> None:
    assert policy.max_lifetime_ms(content) == days * DAY_MS
    assert policy.oldest_ms(content, 1000 * DAY_MS) == ((1000 - days) * DAY_MS if days else 0)


def test_state_never_expires_and_a_message_when_it_is_older_than_that() -> None:
    assert not is_expired("", 0, 100)
    assert not is_expired(None, 100, 100)
    assert is_expired(None, 99, 100)
    assert not is_expired(None, 5, 0)
