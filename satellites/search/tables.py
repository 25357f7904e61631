"""The tables of the search component. They say nothing that facts do not say: they can be made anew."""

from __future__ import annotations

from typing import Any, NamedTuple

from service_kit.store.schema import Table

WRITER = "search"


class DirectoryUserRow(NamedTuple):
    user_id: str
    displayname: str
    """"" = none"""
    avatar_url: str
    """"" = none"""
    words: str
    """of display name and localpart, with a space between two; "" = not in the directory (deactivated)"""


class DirectoryWordRow(NamedTuple):
    """About 60 bytes a word: ten million users make some 600 partitions of 3 MB, if names begin with all letters."""

    beginning: str
    """the first `BEGINNING_CHARACTERS` of the word"""
    word: str
    user_id: str


class DocumentRow(NamedTuple):
    """Of one event that can be found; a partition has at most `BUCKET_POSITIONS` of them, some 30 MB."""

    shard: str
    bucket: int
    position: int
    event_id: str
    room_id: str
    sender: str
    type: str
    sent_at_ms: int
    has_url: bool
    words: str
    shown: str | None = None
    """the words of the latest edit; None: there is none"""


class EditRow(NamedTuple):
    shard: str
    edited_position: int
    event_id: str
    sent_at_ms: int
    words: str


class PlaceRow(NamedTuple):
    """Where an event of the index is."""

    event_id: str
    position: int
    """of the event that it edits, if it does"""
    is_edit: bool


class PostingsRow(NamedTuple):
    """Where a word is, in some events that came together: packed pairs of a room's number and a position."""

    shard: str
    word: str
    bucket: int
    first_position: int
    """of the facts that were taken together"""
    pairs: bytes


DOCUMENTS = Table("search_documents", DocumentRow, partition_key=2, clustering_key=1, writer=WRITER)
EDITS = Table("search_edits", EditRow, partition_key=2, clustering_key=1, writer=WRITER)
PLACES = Table("search_places", PlaceRow, partition_key=1, clustering_key=0, writer=WRITER)
POSTINGS = Table("search_postings", PostingsRow, partition_key=3, clustering_key=1, writer=WRITER)
DIRECTORY_USERS = Table("directory_users", DirectoryUserRow, partition_key=1, clustering_key=0, writer=WRITER)
DIRECTORY_WORDS = Table("directory_words", DirectoryWordRow, partition_key=1, clustering_key=2, writer=WRITER)

TABLES: tuple[Table[Any], ...] = (DOCUMENTS, EDITS, PLACES, POSTINGS, DIRECTORY_USERS, DIRECTORY_WORDS)
