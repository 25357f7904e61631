"""What a client remembers of members is what has reached it."""

from __future__ import annotations

from sync_api.lazy_members import CONNECTIONS_MAX, LazyMembers, SentMembers


def answer(sent: SentMembers, since: str, next_batch: str, *user_ids: str) -> None:
    sent.begin(since)
    for user_id in user_ids:
        sent.add("!r", user_id, f"${user_id}")
    sent.end(next_batch)


def test_members_count_as_sent_when_the_client_comes_back_with_the_answers_token() -> None:
    sent = SentMembers()
    answer(sent, "", "s1", "@a:b")
    sent.begin("s1")
    assert sent.has("!r", "@a:b", "$@a:b")
    assert not sent.has("!r", "@a:b", "$other")


def test_answer_that_was_lost_counts_for_nothing() -> None:
    sent = SentMembers()
    answer(sent, "", "s1", "@a:b")
    answer(sent, "s1", "s2", "@c:d")
    sent.begin("s1")
    assert sent.has("!r", "@a:b", "$@a:b")
    assert not sent.has("!r", "@c:d", "$@c:d")


def test_unknown_token_forgets_everything() -> None:
    sent = SentMembers()
    answer(sent, "", "s1", "@a:b")
    sent.begin("s0")
    assert not sent.has("!r", "@a:b", "$@a:b")


def test_fresh_start_forgets_everything() -> None:
    sent = SentMembers()
    answer(sent, "", "s1", "@a:b")
    answer(sent, "s1", "s2")
    sent.begin("")
    assert not sent.has("!r", "@a:b", "$@a:b")


def test_least_recently_used_connections_are_forgotten() -> None:
    members = LazyMembers()
    first = members.connection("@a:b", "D", None)
    for number in range(CONNECTIONS_MAX - 1):
        members.connection("@a:b", str(number), None)
    assert members.connection("@a:b", "D", None) is first
    for number in range(CONNECTIONS_MAX):
        members.connection("@c:d", str(number), None)
    assert members.connection("@a:b", "D", None) is not first
