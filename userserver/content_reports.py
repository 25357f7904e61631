"""Reports of rooms, events and users, kept with who reported: written, and listed for administrators.

Spec: https://spec.matrix.org/v1.19/client-server-api/#reporting-content
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from matrix_protocol.errors import LimitExceeded
from service_kit.ledger.domain import Batch
from service_kit.rpc.pb.facts_pb2 import ContentReportFact, Fact
from service_kit.rpc.pb.user_commands_pb2 import ListContentReports, ReportContent, UserReply
from service_kit.shards import Shard
from service_kit.store.interface import Range, Store
from userserver.report_tables import CONTENT_REPORTS, DAY_MS, ContentReportRow

REPORTS_PER_DAY_MAX: Final = 10_000
"""In one shard, since its owner has it: more would be nobody's to read."""
RETRY_AFTER_MS: Final = 3600 * 1000
LISTED_MAX: Final = 500


class ContentReports:
    def __init__(self, store: Store, shard: Shard) -> None:
        self._store = store
        self._shard = shard
        self._day = 0
        self._reports_today = 0

    def prepare(self, command: ReportContent) -> None:
        """Nothing is needed."""

    def report(self, command: ReportContent, prepared: None, batch: Batch) -> UserReply:
        """Raises LimitExceeded."""
        day = batch.now_ms // DAY_MS
        if day != self._day:
            self._day, self._reports_today = day, 0
        if self._reports_today >= REPORTS_PER_DAY_MAX:
            raise LimitExceeded("Too much was reported today", retry_after_ms=RETRY_AFTER_MS)
        self._reports_today += 1
        fact = ContentReportFact(
            report_id=_report_id(command),
            received_at_ms=batch.now_ms,
            reporter=command.reporter,
            room_id=command.room_id,
            event_id=command.event_id,
            user_id=command.user_id,
            reason=command.reason,
        )
        batch.add(Fact(content_report=fact))
        return UserReply()

    async def prepare_list(self, command: ListContentReports) -> Sequence[ContentReportRow]:
        """In order of their IDs, which is none that means anything."""
        where = Range(after=command.after_report_id or None)
        limit = min(max(command.limit, 1), LISTED_MAX)
        return await self._store.scan(CONTENT_REPORTS, (self._shard.number, command.day), range=where, limit=limit)

    def list_reports(self, command: ListContentReports, rows: Sequence[ContentReportRow], batch: Batch) -> UserReply:
        return UserReply(content_reports=[_fact(row) for row in rows])


def _report_id(command: ReportContent) -> str:
    """The same report again is the same row."""
    named = (command.reporter, command.room_id, command.event_id, command.user_id)
    digest = sha256(b"\0".join(part.encode() for part in named)).digest()
    return urlsafe_b64encode(digest[:18]).decode("ascii")


def _fact(row: ContentReportRow) -> ContentReportFact:
    return ContentReportFact(
        report_id=row.report_id,
        received_at_ms=row.received_at_ms,
        reporter=row.reporter,
        room_id=row.room_id,
        event_id=row.event_id,
        user_id=row.user_id,
        reason=row.reason,
    )
