"""Heroes."""

from __future__ import annotations

from collections.abc import Iterator

from matrix_protocol.room_summary import heroes


def test_heroes_are_the_first_five_joined_or_invited_others() -> None:
    members = [(f"u{number}", "join" if number % 2 else "invite") for number in range(8)]
    assert heroes(members, "u1") == ["u0", "u2", "u3", "u4", "u5"]


def test_users_who_are_gone_are_no_heroes_while_somebody_is_there() -> None:
    assert heroes([("a", "leave"), ("b", "ban"), ("me", "join"), ("c", "join")], "me") == ["c"]


def test_room_of_the_user_alone_has_those_who_left_or_were_banned_as_heroes() -> None:
    members = [
        ("me", "join"),
        ("k", "knock"),
        *[(f"u{number}", "leave" if number % 2 else "ban") for number in range(7)],
    ]
    assert heroes(members, "me") == ["u0", "u1", "u2", "u3", "u4"]


def test_members_are_read_no_further_than_needed() -> None:
    def members() -> Iterator[tuple[str, str]]:
        for number in range(5):
            yield f"u{number}", "join"
        raise AssertionError("read too far")

    assert len(heroes(members(), "me")) == 5
