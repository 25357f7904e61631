"""What users report is kept, and only what they may report."""

from __future__ import annotations

import logging
from urllib.parse import quote

import pytest

from homeserver.reports import as_json, as_text, reports_of_day
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.facts_pb2 import ContentReportFact
from tests.in_process import SHARDS, Client, InProcessServer
from userserver import content_reports
from userserver.report_tables import DAY_MS

REASON = {"reason": "this makes me sad"}


async def reports(server: InProcessServer) -> list[ContentReportFact]:
    commands = CommandClient(server.hub.connect(), SHARDS, server.clock)
    return await reports_of_day(commands, server.clock.now_ms() // DAY_MS)


async def test_reports_are_kept_and_told_to_operators_but_not_to_the_log(
    server: InProcessServer, alice: Client, bob: Client, room_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    await bob.join(room_id)
    event_id = await alice.send(room_id, "something bad")
    await bob.post(f"/rooms/{quote(room_id)}/report/{quote(event_id)}", REASON, expect=200)
    await server.clock.advance(1)
    await bob.post(f"/rooms/{quote(room_id)}/report", REASON, expect=200)
    await server.clock.advance(1)
    await alice.post(f"/users/{quote(bob.user_id)}/report", {"reason": ""}, expect=200)
    kept = await reports(server)
    assert [(r.reporter, r.room_id, r.event_id, r.user_id, r.reason) for r in kept] == [
        (bob.user_id, room_id, event_id, "", REASON["reason"]),
        (bob.user_id, room_id, "", "", REASON["reason"]),
        (alice.user_id, "", "", bob.user_id, ""),
    ]
    assert event_id in caplog.text
    assert "sad" not in caplog.text
    assert "sad" in as_text(kept[0])
    assert event_id in as_json(kept[0])


async def test_the_same_report_again_is_one(server: InProcessServer, alice: Client, room_id: str) -> None:
    event_id = await alice.send(room_id, "x")
    for _ in range(3):
        await alice.post(f"/rooms/{quote(room_id)}/report/{quote(event_id)}", REASON, expect=200)
    assert len(await reports(server)) == 1


async def test_who_is_not_in_the_room_reports_the_room_but_not_its_events(
    alice: Client, bob: Client, room_id: str
) -> None:
    event_id = await alice.send(room_id, "x")
    refused = await bob.post(f"/rooms/{quote(room_id)}/report/{quote(event_id)}", REASON)
    assert (refused.status, refused.errcode) == (404, "M_NOT_FOUND")
    await bob.post(f"/rooms/{quote(room_id)}/report", REASON, expect=200)


@pytest.mark.parametrize(
    "path",
    [
        "/rooms/!nowhere:example.org/report",
        "/rooms/!nowhere:example.org/report/$nothing",
        "/rooms/{room}/report/$nothing",
        "/users/@nobody:example.org/report",
    ],
)
async def test_what_is_not_there_is_not_found(alice: Client, room_id: str, path: str) -> None:
    answer = await alice.post(path.replace("{room}", quote(room_id)), REASON)
    assert (answer.status, answer.errcode) == (404, "M_NOT_FOUND")


async def test_reports_are_bounded(
    server: InProcessServer, alice: Client, room_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(content_reports, "REPORTS_PER_DAY_MAX", 2)
    await alice.post("/users/@someone:elsewhere.example/report", {"reason": "x" * 10_000}, expect=200)
    assert [len(report.reason) for report in await reports(server)] == [2000]
    await alice.post(f"/rooms/{quote(room_id)}/report", REASON, expect=200)
    refused = await alice.post("/users/@other:elsewhere.example/report", REASON)
    assert (refused.status, refused.errcode) == (429, "M_LIMIT_EXCEEDED")
    await server.clock.advance((DAY_MS - server.clock.now_ms() % DAY_MS) / 1000)  # until midnight
    await alice.post("/users/@other:elsewhere.example/report", REASON, expect=200)
