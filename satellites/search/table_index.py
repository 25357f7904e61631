"""An index in tables of the store: for clusters, whose workers share no disk.

    search_postings    (shard, word, bucket)  a row for each batch of facts: in which rooms and events the word is
    search_documents   (shard, bucket)        the events: what is shown of them is judged by, and their words now
    search_places      event ID               where an event is, for edits and redactions
    search_edits       (shard, event)         the edits of an event

What is committed together is indexed together: of fifty messages a common word makes one row. Rows of postings are only
ever added; a word that is no longer in an event (edited, redacted) is found out when its document is looked at. So
nothing is read before a message is indexed, nothing leaves tombstones behind, and doing a batch again changes nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from satellites.search.documents import Change, Document, Removal
from satellites.search.index import Found, Wanted, page_of
from satellites.search.tables import (
    DOCUMENTS,
    EDITS,
    PLACES,
    POSTINGS,
    DocumentRow,
    EditRow,
    PlaceRow,
    PostingsRow,
)
from service_kit.shards import ROOM, Shard
from service_kit.store.interface import Delete, Put, Store, Write

BUCKET_POSITIONS = 100_000
"""Of the followed ledger, in one bucket of documents, and of the postings of a word."""
DOCUMENTS_AT_ONCE = 100
RANKED_MAX = 500
"""Documents that are read to find the closest ones, the latest; by time no more are read than are asked for."""
EDITS_LOOKED_AT_MAX = 1000

_PAIR = np.dtype([("room", "<u8"), ("position", "<i8")])
Pairs = NDArray[np.void]
Positions = NDArray[np.int64]


class TableMessageIndex:
    """Implements `satellites.search.index.MessageIndex`."""

    def __init__(self, store: Store, shard: int) -> None:
        self._store = store
        self._shard = shard
        self._name = str(Shard(ROOM, shard))
        self._through_position = 0

    async def open(self, recorded_position: int) -> int:
        self._through_position = recorded_position
        return recorded_position

    async def apply(self, changes: Sequence[Change], *, after_position: int, through_position: int) -> None:
        self._through_position = max(self._through_position, through_position)
        together: list[Document] = []
        for change in changes:
            if isinstance(change, Document) and not change.edits_event_id:
                together.append(change)
                continue
            await self._add(together)
            together = []
            await (self._remove(change) if isinstance(change, Removal) else self._edit(change))
        await self._add(together)

    async def clear(self) -> None:
        """Nothing: what is made anew is written over what is there, and what is gone comes as a removal."""

    async def search(self, wanted: Wanted) -> Found:
        rooms = np.array([_room_number(room_id) for room_id in wanted.room_ids], dtype=np.uint64)
        found: list[Document] = []
        unread = 0
        for bucket in range(_bucket(self._through_position), -1, -1):
            positions = await self._positions(wanted.words, bucket, rooms)
            for first in range(0, len(positions), DOCUMENTS_AT_ONCE):
                if self._has_enough(found, wanted):
                    unread += len(positions) - first
                    break
                found.extend(await self._documents(positions[first : first + DOCUMENTS_AT_ONCE], wanted))
        return Found(page_of(found, wanted, self._shard), len(found) + unread)

    async def close(self) -> None:
        """Nothing is kept."""

    # --- finding

    def _has_enough(self, found: list[Document], wanted: Wanted) -> bool:
        """Whether what is found has the page in it: documents come the latest first."""
        if wanted.by_rank:
            return len(found) >= RANKED_MAX
        return len(found) >= wanted.limit and len(page_of(found, wanted, self._shard)) >= wanted.limit

    async def _positions(self, words: Sequence[str], bucket: int, rooms: NDArray[np.uint64]) -> Positions:
        """Events of these rooms that have, or had, all the words: the latest first."""
        common: Positions | None = None
        for word in sorted(words, key=len, reverse=True):  # few have the longest
            pieces = [
                row.pairs async for page in self._store.pages(POSTINGS, (self._name, word, bucket)) for row in page
            ]
            pairs: Pairs = np.frombuffer(b"".join(pieces), dtype=_PAIR)
            positions = np.unique(pairs["position"][np.isin(pairs["room"], rooms)])
            common = positions if common is None else np.intersect1d(common, positions, assume_unique=True)
            if not len(common):
                break
        return np.empty(0, np.int64) if common is None else common[::-1]

    async def _documents(self, positions: Positions, wanted: Wanted) -> list[Document]:
        keys = [(self._name, _bucket(position), position) for position in positions.tolist()]
        documents = [_document(row) for row in await self._store.get_many(DOCUMENTS, keys) if row is not None]
        return [
            document
            for document in documents
            if document.room_id in wanted.room_ids
            and set(document.words.split()).issuperset(wanted.words)
            and wanted.matches(document)
        ]

    # --- writing

    async def _add(self, documents: Sequence[Document]) -> None:
        writes: list[Write] = []
        for document in documents:
            position, event_id, room_id, sender, kind, sent_at_ms, has_url, words, _ = document
            row = DocumentRow(
                *(self._name, _bucket(position), position, event_id, room_id, sender, kind, sent_at_ms, has_url),
                words,
            )
            writes += [Put(DOCUMENTS, row), Put(PLACES, PlaceRow(event_id, position, False))]
        writes.extend(self._postings(documents))
        if writes:
            await self._store.write(writes, as_of=documents[-1].position)

    def _postings(self, documents: Sequence[Document]) -> Iterator[Write]:
        pairs: defaultdict[tuple[str, int], list[tuple[int, int]]] = defaultdict(list)
        for document in documents:
            pair = (_room_number(document.room_id), document.position)
            for word in set(document.words.split()):
                pairs[word, _bucket(document.position)].append(pair)
        for (word, bucket), some in pairs.items():
            packed = np.array(some, dtype=_PAIR).tobytes()
            yield Put(POSTINGS, PostingsRow(self._name, word, bucket, some[0][1], packed))

    async def _edit(self, edit: Document) -> None:
        place = await self._store.get(PLACES, (edit.edits_event_id,))
        edited = None if place is None or place.is_edit else await self._read(place.position)
        named = (edit.room_id, edit.sender, edit.type)
        if edited is None or named != (edited.room_id, edited.sender, edited.type):
            return
        writes: list[Write] = [
            Put(EDITS, EditRow(self._name, edited.position, edit.event_id, edit.sent_at_ms, edit.words)),
            Put(PLACES, PlaceRow(edit.event_id, edited.position, True)),
        ]
        # The words lead to the event that is edited; the row is named by the edit, as no other is.
        pair = np.array([(_room_number(edit.room_id), edited.position)], dtype=_PAIR).tobytes()
        bucket = _bucket(edited.position)
        for word in set(edit.words.split()):
            writes.append(Put(POSTINGS, PostingsRow(self._name, word, bucket, edit.position, pair)))
        await self._store.write(writes, as_of=edit.position)
        await self._show_latest(edited, edit.position)

    async def _remove(self, removal: Removal) -> None:
        place = await self._store.get(PLACES, (removal.event_id,))
        document = None if place is None else await self._read(place.position)
        if place is None or document is None:
            return
        writes: list[Write] = [Delete(PLACES, (removal.event_id,))]
        if place.is_edit:
            writes.append(Delete(EDITS, (self._name, place.position, removal.event_id)))
        else:
            writes.append(Delete(DOCUMENTS, DOCUMENTS.key_of(document)))
        await self._store.write(writes, as_of=removal.position)
        if place.is_edit:
            await self._show_latest(document, removal.position)

    async def _show_latest(self, edited: DocumentRow, position: int) -> None:
        edits = await self._store.scan(EDITS, (self._name, edited.position), limit=EDITS_LOOKED_AT_MAX)
        latest = max(edits, key=lambda row: (row.sent_at_ms, row.event_id), default=None)
        shown = None if latest is None else latest.words
        await self._store.write([Put(DOCUMENTS, edited._replace(shown=shown))], as_of=position)

    async def _read(self, position: int) -> DocumentRow | None:
        return await self._store.get(DOCUMENTS, (self._name, _bucket(position), position))


def _document(row: DocumentRow) -> Document:
    words = row.words if row.shown is None else row.shown
    return Document(row.position, row.event_id, row.room_id, row.sender, row.type, row.sent_at_ms, row.has_url, words)


def _bucket(position: int) -> int:
    return position // BUCKET_POSITIONS


def _room_number(room_id: str) -> int:
    """Two rooms with the same one cost a document read in vain."""
    return int.from_bytes(blake2b(room_id.encode(), digest_size=8).digest(), "little")
