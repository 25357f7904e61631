from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service_kit.words import WORDS_MAX, closeness, spellings_of, wanted_words, words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Martians, and MEN!", ["martians", "and", "men"]),
        ("Café naïve ﬁne Straße", ["cafe", "naive", "fine", "strasse"]),
        ("snake_case e-mail 4.5", ["snake", "case", "e", "mail", "4", "5"]),
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
        ("Ёлка", ["елка"]),
        ("…", []),
    ],
)
def test_words_have_no_case_accents_or_marks_between_them(text: str, words: list[str]) -> None:
    assert words_of(text) == words
    assert wanted_words(text) == list(dict.fromkeys(words))


def test_scripts_without_spaces_are_found_by_every_two_characters() -> None:
    assert wanted_words("東京都") == ["東京", "京都"]
    assert wanted_words("京") == ["京"]
    assert set(wanted_words("東京都")) | set(wanted_words("京")) <= set(words_of("住所は東京都です"))


@given(st.text(max_size=60))
def test_every_text_is_found_by_itself(text: str) -> None:
    words = set(words_of(text))
    assert words.issuperset(wanted_words(text))
    assert not any(word != word.strip() or " " in word or '"' in word for word in words)


def test_long_texts_and_words_are_cut() -> None:
    assert len(words_of("word " * 100_000)) == WORDS_MAX
    assert wanted_words("x" * 1000) == words_of("x" * 1000) == ["x" * 64]


def test_highlights_are_spelled_as_in_the_text() -> None:
    assert spellings_of("A CAFÉ, a cafe and 東京都", frozenset({"cafe", "東京"})) == {"café", "cafe", "東京"}


def test_a_text_is_closer_the_more_often_it_has_the_word_and_the_shorter_it_is() -> None:
    texts = ["cat cat", "cat", "cat and dog", "a cat and some other animals that live in this house here"]
    ranks = [closeness(text, ["cat"]) for text in texts]
    assert ranks == sorted(ranks, reverse=True)
    assert all(0 < rank < 1 for rank in ranks)
