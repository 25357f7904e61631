"""Text to words, the same way for what is written and for what is looked for.

    "Café, naïve CAFÉ"     cafe naive cafe        case and accents make no difference
    "東京都"                東 京 都 東京 京都        scripts without spaces: every character, and every two in a row

No stemming: it differs from language to language, and a text does not say which one it is in.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

WORDS_MAX = 4000
"""Of one text; an event of 64 KiB has at most some 10,000."""
WORD_CHARACTERS_MAX = 64
"""Longer ones are cut: both when written and when looked for."""

_ACCENTS = re.compile("[\u0300-\u036f]+")
_MARKS = "".join(
    chr(code)
    for first, end in ((0x370, 0x2100), (0x3099, 0x309B), (0xA66F, 0xAC00), (0xFE20, 0xFE30))
    for code in range(first, end)
    if unicodedata.category(chr(code))[0] == "M"
)
"""Vowel signs and the like: `\\w` does not have them, and words of many scripts would be torn apart."""
_WORD = re.compile(rf"[^\W_](?:[^\W_]|[{_MARKS}])*")
_WITHOUT_SPACES = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+"
)
"""Thai, Lao, Burmese, Khmer, kana, Han."""


def normal(text: str) -> str:
    """Without case, accents, and the differences of width and ligature."""
    if text.isascii():
        return text.lower()
    return _ACCENTS.sub("", unicodedata.normalize("NFKD", text).casefold())


def words_of(text: str) -> list[str]:
    """What a text is found by, in order, with repetitions; at most `WORDS_MAX`."""
    words: list[str] = []
    for word in _WORD.findall(normal(text)):
        words.append(word[:WORD_CHARACTERS_MAX])
        if not word.isascii():
            words.extend(_parts(word, singly=True))
        if len(words) >= WORDS_MAX:
            return words[:WORDS_MAX]
    return words


def wanted_words(search_term: str) -> list[str]:
    """The different words that a text must have, all of them, to be found."""
    wanted: dict[str, None] = {}
    for word in _WORD.findall(normal(search_term)):
        parts = [] if word.isascii() else list(_parts(word, singly=False))
        wanted.update(dict.fromkeys(parts or [word[:WORD_CHARACTERS_MAX]]))
    return list(wanted)


def _parts(word: str, *, singly: bool) -> Iterator[str]:
    """Of each run without spaces: every two characters in a row; every single one `singly`, or if there is no other."""
    for run in _WITHOUT_SPACES.findall(word):
        if singly or len(run) == 1:
            yield from run
        yield from (run[index : index + 2] for index in range(len(run) - 1))


def spellings_of(text: str, wanted: frozenset[str]) -> set[str]:
    """The words of a text that are among the wanted ones, as the text spells them, in lower case: for highlighting."""
    found: set[str] = set()
    for spelled in _WORD.findall(unicodedata.normalize("NFC", text).lower()):
        word = normal(spelled)
        if word[:WORD_CHARACTERS_MAX] in wanted:
            found.add(spelled)
        elif not word.isascii():
            found.update(part for part in _parts(word, singly=True) if part in wanted)
    return found


def closeness(words: str, wanted: list[str]) -> float:
    """How close a text (its words, between spaces) is to the wanted words, all of which it has: 0 to 1.

    Each word counts more the more often it is there, and less the longer the text is, as in BM25; how rare a word is
    makes no difference between texts that have them all. So the number depends on the text alone, not on the index.
    """
    framed = f" {words.replace(' ', '  ')} "  # two of the same in a row share no space
    length = words.count(" ") + 1
    damping = 0.3 + 0.9 * length / 12
    score = 0.0
    for word in wanted:
        times = framed.count(f" {word} ")
        score += times / (times + damping)
    return score / max(len(wanted), 1)
