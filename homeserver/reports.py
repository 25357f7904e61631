"""`plexus reports`: what users reported, by commands to the userserver of a running server."""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime

from homeserver.users import connected_commands, exit_status_of
from service_kit.config import Settings
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.facts_pb2 import ContentReportFact
from service_kit.rpc.pb.user_commands_pb2 import ListContentReports, UserCommand
from service_kit.shards import USER

PER_PAGE = 500
DAY_S = 24 * 3600


def run_reports(settings: Settings, options: argparse.Namespace) -> int:
    """Print the reports of the last days, the oldest first; the exit status."""

    async def run() -> None:
        async with connected_commands(settings) as (commands, _):
            today = int(datetime.now(UTC).timestamp()) // DAY_S
            for day in range(today - options.days + 1, today + 1):
                for report in await reports_of_day(commands, day):
                    print(as_json(report) if options.json else as_text(report))

    return exit_status_of(run())


async def reports_of_day(commands: CommandClient, day: int) -> list[ContentReportFact]:
    """Of all shards, in order of time. `day` counts from 1970, in UTC."""
    reports: list[ContentReportFact] = []
    for shard in commands.shards.all_of(USER):
        after = ""
        while True:
            listing = ListContentReports(day=day, after_report_id=after, limit=PER_PAGE)
            reply = await commands.shard(shard, str(shard), UserCommand(list_content_reports=listing))
            reports += reply.content_reports
            if len(reply.content_reports) < PER_PAGE:
                break
            after = reply.content_reports[-1].report_id
    return sorted(reports, key=lambda report: report.received_at_ms)


def as_text(report: ContentReportFact) -> str:
    received = datetime.fromtimestamp(report.received_at_ms / 1000, UTC)
    what = " ".join(filter(None, (report.event_id, report.room_id, report.user_id)))
    return f"{received:%Y-%m-%d %H:%M}  {report.reporter}  {what}  {report.reason!r}"


def as_json(report: ContentReportFact) -> str:
    received = datetime.fromtimestamp(report.received_at_ms / 1000, UTC).isoformat(timespec="seconds")
    named = {"room_id": report.room_id, "event_id": report.event_id, "user_id": report.user_id}
    shown = {"received_at": received, "reporter": report.reporter, **{k: v for k, v in named.items() if v}}
    return json.dumps({**shown, "reason": report.reason})
