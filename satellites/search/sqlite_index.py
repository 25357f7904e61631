"""An index in an SQLite file of its own, by FTS5: for servers whose processes share a disk.

    texts      FTS5, without a copy of the text and without places of words; row = position of the event
    documents  the same events: what is shown of them is judged by, and their words (FTS5 needs them to forget)

A room is a word, too ("·17"), so that few rooms are found without looking at what all others say. Changes and the
position are one transaction, so that a killed process has neither missed nor doubled anything; a second worker that
believes the shard to be its own finds another position there and steps down.

Calls run in a thread of the index's own: SQLite lets the interpreter go meanwhile.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from satellites.search.documents import Change, Document, Removal
from satellites.search.index import MATCHES_MAX, Found, Wanted, page_of
from service_kit.ledger.append import OwnershipLost
from service_kit.store.one_thread import OneThread

VERSION = 1
"""Of the file. Another one is thrown away and made anew."""
ROOM_WORDS_MAX = 16
"""More rooms than this are looked up for each found text instead."""
LOOKED_AT_MAX = 20_000
"""Found texts of whatever room that are looked at for one question."""
BUSY_TIMEOUT_S = 10.0

_SCHEMA = """
CREATE TABLE state (id INTEGER PRIMARY KEY CHECK (id = 0), position INTEGER NOT NULL) STRICT;
CREATE TABLE rooms (number INTEGER PRIMARY KEY, room_id TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE documents (
    position INTEGER PRIMARY KEY, event_id TEXT NOT NULL UNIQUE, room INTEGER NOT NULL, sender TEXT NOT NULL,
    type TEXT NOT NULL, sent_at_ms INTEGER NOT NULL, has_url INTEGER NOT NULL, words TEXT NOT NULL,
    shown TEXT, edits INTEGER
) STRICT;
CREATE INDEX documents_by_edits ON documents (edits) WHERE edits IS NOT NULL;
CREATE VIRTUAL TABLE texts USING fts5 (words, content = '', detail = none, columnsize = 0, tokenize = 'ascii');
INSERT INTO state VALUES (0, 0);
"""
_FIND = """
SELECT d.position, d.event_id, r.room_id, d.sender, d.type, d.sent_at_ms, d.has_url, coalesce(d.shown, d.words)
FROM texts JOIN documents d ON d.position = texts.rowid JOIN rooms r ON r.number = d.room
WHERE texts MATCH ? ORDER BY texts.rowid DESC
"""


class SqliteMessageIndex:
    """Implements `satellites.search.index.MessageIndex`."""

    def __init__(self, path: Path, shard: int) -> None:
        self._path = path
        self._shard = shard
        self._thread = OneThread(f"search index {shard}")
        self._connection: sqlite3.Connection | None = None

    async def open(self, recorded_position: int) -> int:
        return await self._thread.run(self._open)

    async def apply(self, changes: Sequence[Change], *, after_position: int, through_position: int) -> None:
        await self._thread.run(lambda: self._apply(changes, after_position, through_position))

    async def clear(self) -> None:
        await self._thread.run(self._clear)

    async def search(self, wanted: Wanted) -> Found:
        return await self._thread.run(lambda: self._search(wanted))

    async def close(self) -> None:
        await self._thread.run(self._close)
        self._thread.stop()

    # --- in the thread

    def _open(self) -> int:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            return self._read_position()
        except sqlite3.DatabaseError:  # damaged, or of another version: nothing in it is not elsewhere
            self._close()
            for suffix in ("", "-wal", "-shm"):
                self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
            return self._read_position()

    def _read_position(self) -> int:
        connection = self._connection = sqlite3.connect(
            self._path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
        )
        connection.execute("PRAGMA journal_mode = WAL").fetchall()
        # The last transactions may go with the machine's power, and with them the position: they are made again.
        connection.execute("PRAGMA synchronous = NORMAL").fetchall()
        connection.execute("BEGIN IMMEDIATE")
        try:
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version == 0:
                for statement in _SCHEMA.split(";"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {VERSION}")
            elif version != VERSION:
                raise sqlite3.DatabaseError(f"version {version} of the index is not {VERSION}")
        finally:
            connection.execute("COMMIT")
        position: int = connection.execute("SELECT position FROM state").fetchone()[0]
        return position

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _apply(self, changes: Sequence[Change], after_position: int, through_position: int) -> None:
        connection = self._opened()
        connection.execute("BEGIN IMMEDIATE")
        try:
            moved = connection.execute(
                "UPDATE state SET position = ? WHERE position = ?", (through_position, after_position)
            )
            if moved.rowcount != 1:
                raise OwnershipLost(f"another worker keeps {self._path.name}")
            for change in changes:
                if isinstance(change, Removal):
                    self._remove(connection, change.event_id)
                else:
                    self._add(connection, change)
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise

    def _clear(self) -> None:
        connection = self._opened()
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("DELETE FROM documents")
        connection.execute("INSERT INTO texts (texts) VALUES ('delete-all')")
        connection.execute("UPDATE state SET position = 0")
        connection.execute("COMMIT")

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            raise OwnershipLost(f"{self._path.name} was closed")
        return self._connection

    def _add(self, connection: sqlite3.Connection, document: Document) -> None:
        room = _room_number(connection, document.room_id)
        original = None
        if document.edits_event_id:
            original = connection.execute(
                "SELECT position FROM documents "
                "WHERE event_id = ? AND room = ? AND sender = ? AND type = ? AND edits IS NULL",
                (document.edits_event_id, room, document.sender, document.type),
            ).fetchone()
            if original is None:
                return
        row = (
            *(document.position, document.event_id, room, document.sender, document.type, document.sent_at_ms),
            *(document.has_url, document.words, None if original is None else original[0]),
        )
        added = connection.execute(
            "INSERT INTO documents (position, event_id, room, sender, type, sent_at_ms, has_url, words, edits) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            row,
        )
        if added.rowcount != 1:
            return
        if original is None:
            _write_text(connection, document.position, room, document.words)
        else:
            _show_latest(connection, original[0])

    def _remove(self, connection: sqlite3.Connection, event_id: str) -> None:
        found = connection.execute(
            "SELECT position, room, coalesce(shown, words), edits FROM documents WHERE event_id = ?", (event_id,)
        ).fetchone()
        if found is None:
            return
        position, room, words, edits = found
        if edits is None:
            _forget_text(connection, position, room, words)
        connection.execute("DELETE FROM documents WHERE position = ? OR edits = ?", (position, position))
        if edits is not None:
            _show_latest(connection, edits)

    def _search(self, wanted: Wanted) -> Found:
        connection = self._opened()
        documents = list(islice(self._matching(connection, wanted), MATCHES_MAX))
        return Found(page_of(documents, wanted, self._shard), len(documents))

    def _matching(self, connection: sqlite3.Connection, wanted: Wanted) -> Iterator[Document]:
        """The latest first."""
        query = " ".join(f'"{word}"' for word in wanted.words)
        if len(wanted.room_ids) <= ROOM_WORDS_MAX:
            numbers = list(_room_numbers(connection, wanted.room_ids))
            if not numbers:
                return
            query = f"{query} AND ({' OR '.join(_room_word(number, quoted=True) for number in numbers)})"
        cursor = connection.execute(_FIND, (query,))
        try:
            for _, row in zip(range(LOOKED_AT_MAX), cursor, strict=False):
                document = Document(*row)
                if document.room_id in wanted.room_ids and wanted.matches(document):
                    yield document
        finally:
            cursor.close()


def _room_word(number: int, *, quoted: bool = False) -> str:
    """No word of a text has this sign in it; for the tokenizer it is a letter."""
    return f'"·{number}"' if quoted else f"·{number}"


def _room_number(connection: sqlite3.Connection, room_id: str) -> int:
    connection.execute("INSERT INTO rooms (room_id) VALUES (?) ON CONFLICT DO NOTHING", (room_id,))
    number: int = connection.execute("SELECT number FROM rooms WHERE room_id = ?", (room_id,)).fetchone()[0]
    return number


def _room_numbers(connection: sqlite3.Connection, room_ids: Iterable[str]) -> Iterator[int]:
    for room_id in room_ids:
        row = connection.execute("SELECT number FROM rooms WHERE room_id = ?", (room_id,)).fetchone()
        if row is not None:
            yield row[0]


def _write_text(connection: sqlite3.Connection, position: int, room: int, words: str) -> None:
    text = f"{words} {_room_word(room)}"
    connection.execute("INSERT INTO texts (rowid, words) VALUES (?, ?)", (position, text))


def _forget_text(connection: sqlite3.Connection, position: int, room: int, words: str) -> None:
    """FTS5 without a copy of the text has to be told what was there."""
    text = f"{words} {_room_word(room)}"
    connection.execute("INSERT INTO texts (texts, rowid, words) VALUES ('delete', ?, ?)", (position, text))


def _show_latest(connection: sqlite3.Connection, position: int) -> None:
    """Let an event be found by its latest edit, or by its own words if there is none."""
    found = connection.execute(
        "SELECT room, coalesce(shown, words), words FROM documents WHERE position = ?", (position,)
    ).fetchone()
    if found is None:
        return
    room, shown, own = found
    edit = connection.execute(
        "SELECT words FROM documents WHERE edits = ? ORDER BY sent_at_ms DESC, event_id DESC LIMIT 1", (position,)
    ).fetchone()
    words = own if edit is None else edit[0]
    connection.execute("UPDATE documents SET shown = ? WHERE position = ?", (None if edit is None else words, position))
    if words != shown:
        _forget_text(connection, position, room, shown)
        _write_text(connection, position, room, words)
