"""The search of the user directory: by the beginnings of words of display names and user IDs.

    "al sm"   finds Alice Smith and @smith.alan:example.org: every word of the term begins one of theirs

Spec: https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3user_directorysearch
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from matrix_protocol.identifiers import parse_user_id
from satellites.search.directory import BEGINNING_CHARACTERS
from satellites.search.tables import DIRECTORY_USERS, DIRECTORY_WORDS, DirectoryUserRow
from service_kit.store.interface import Range, Store
from service_kit.words import normal, wanted_words, words_of

CANDIDATES_MAX = 1000
"""Users with a word that begins as wanted who are looked at for one question."""
CANDIDATES_PER_PAGE = 200
_LAST_CHARACTER = "\U0010ffff"

Visible = Callable[[Sequence[str]], Awaitable[Sequence[str]]]
"""Those of the users (at most `CANDIDATES_PER_PAGE`) whom the asker may know of."""


class Found:
    def __init__(self, users: list[DirectoryUserRow], *, limited: bool) -> None:
        self.users = users
        self.limited = limited


async def find_users(store: Store, search_term: str, limit: int, visible: Visible) -> Found:
    """The best `limit` of the users whom the asker may know of, in order."""
    wanted = wanted_words(search_term)
    found: list[DirectoryUserRow] = []
    looked_at = 0
    # Enough of them to choose the best from; all of them where there are few.
    enough = 3 * limit + 20
    async for rows in _candidates(store, search_term, wanted):
        looked_at += len(rows)
        fitting = {row.user_id: row for row in rows if _fits(row, wanted)}
        if fitting:
            found.extend(fitting[user_id] for user_id in await visible(list(fitting)))
        if len(found) >= enough or looked_at >= CANDIDATES_MAX:
            break
    else:
        return _best(found, search_term, wanted, limit, limited=False)
    return _best(found, search_term, wanted, limit, limited=True)


def _best(found: list[DirectoryUserRow], search_term: str, wanted: list[str], limit: int, *, limited: bool) -> Found:
    term = normal(search_term).strip().removeprefix("@")
    found.sort(key=lambda row: _order(row, term, wanted))
    return Found(found[:limit], limited=limited or len(found) > limit)


async def _candidates(store: Store, search_term: str, wanted: list[str]) -> AsyncIterator[list[DirectoryUserRow]]:
    """Users with a word that begins with one of the wanted ones, each once, page by page."""
    for word in _by_promise(search_term, wanted):
        window = Range(at_least=word, before=word + _LAST_CHARACTER)
        rows = await store.scan(DIRECTORY_WORDS, (word[:BEGINNING_CHARACTERS],), range=window, limit=CANDIDATES_MAX)
        user_ids = list(dict.fromkeys(row.user_id for row in rows))
        for first in range(0, len(user_ids), CANDIDATES_PER_PAGE):
            keys = [(user_id,) for user_id in user_ids[first : first + CANDIDATES_PER_PAGE]]
            yield [row for row in await store.get_many(DIRECTORY_USERS, keys) if row is not None]
        if user_ids:
            return  # whoever has all the words was among them


def _by_promise(search_term: str, wanted: list[str]) -> list[str]:
    """The word that fewest have comes first: the longest, but for a user ID, which ends in what all have."""
    return wanted if search_term.lstrip().startswith("@") else sorted(wanted, key=len, reverse=True)


def _fits(row: DirectoryUserRow, wanted: list[str]) -> bool:
    """Whether every wanted word begins one of the user's, or of the user's server."""
    words = [*row.words.split(), *words_of(parse_user_id(row.user_id).server_name)]
    return bool(row.words) and all(any(word.startswith(beginning) for word in words) for beginning in wanted)


def _order(row: DirectoryUserRow, term: str, wanted: list[str]) -> tuple[object, ...]:
    """ "Ordered by rank and then whether or not profile info is available." Whoever is called just so comes first, then
    who has the most of the words in full, then who is called little else."""
    localpart = parse_user_id(row.user_id).localpart
    is_called_so = term in (normal(row.displayname).strip(), localpart, row.user_id[1:])
    words = row.words.split()
    in_full = sum(word in words for word in wanted)
    has_profile = bool(row.displayname) + bool(row.avatar_url)
    return (not is_called_so, -in_full, -has_profile, len(words), row.user_id)
