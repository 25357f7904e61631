"""Between users and those who look after the server: what users reported, where they are told something."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from service_kit.rpc.pb.facts_pb2 import ContentReportFact, NoticeRoomFact
from service_kit.shards import Shard
from service_kit.store.interface import Put, Write
from service_kit.store.schema import Table

REPORT_LIFETIME_S: Final = 180 * 24 * 3600
DAY_MS: Final = 24 * 3600 * 1000


class ContentReportRow(NamedTuple):
    """One day's reports of the users of one shard are a partition: at some 500 bytes each, 10,000 are 5 MiB."""

    shard: int
    day: int
    """since 1970, in UTC"""
    report_id: str
    """the same for the same report of the same user"""
    received_at_ms: int
    reporter: str
    room_id: str
    event_id: str
    user_id: str
    """who was reported, if it is a user"""
    reason: str


class NoticeRoomRow(NamedTuple):
    """The room in which the server tells a user something."""

    user_id: str
    room_id: str
    claimed_at_ms: int


NOTICE_ROOMS = Table("notice_rooms", NoticeRoomRow, partition_key=1, clustering_key=0, writer="userserver")
CONTENT_REPORTS = Table(
    "content_reports",
    ContentReportRow,
    partition_key=2,
    clustering_key=1,
    writer="userserver",
    ttl_s=REPORT_LIFETIME_S,
)
REPORT_TABLES: tuple[Table[Any], ...] = (CONTENT_REPORTS, NOTICE_ROOMS)


def content_report_writes(shard: Shard, position: int, user_id: str, fact: ContentReportFact) -> list[Write]:
    row = ContentReportRow(
        shard.number,
        fact.received_at_ms // DAY_MS,
        fact.report_id,
        fact.received_at_ms,
        fact.reporter,
        fact.room_id,
        fact.event_id,
        fact.user_id,
        fact.reason,
    )
    return [Put(CONTENT_REPORTS, row)]


def notice_room_writes(shard: Shard, position: int, user_id: str, fact: NoticeRoomFact) -> list[Write]:
    return [Put(NOTICE_ROOMS, NoticeRoomRow(fact.user_id, fact.room_id, fact.claimed_at_ms))]
