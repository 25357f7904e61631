"""`plexus tools check-room`: what it finds in rooms that are right, wrong, or no rooms."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from homeserver import cli
from homeserver.tools import room_file

DATA = Path(__file__).parent.parent / "matrix_protocol" / "state_resolution" / "data"
Lines = list[dict[str, Any]]
pytestmark = pytest.mark.timeout(600)  # whichever test comes first compiles the kernels


def recorded(name: str = "v11-small") -> Lines:
    return [json.loads(line) for line in gzip.decompress((DATA / f"{name}.jsonl.gz").read_bytes()).splitlines()]


@pytest.fixture
def check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, dict[str, Any]]]:
    def run(lines: Lines, *options: str) -> tuple[int, dict[str, Any]]:
        path = tmp_path / "room.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
        status = cli.main(["tools", "check-room", str(path), "--json", *options])
        return status, json.loads(capsys.readouterr().out)

    return run


def event_at(lines: Lines, event_type: str, number: int = 0) -> dict[str, Any]:
    return [line["event"] for line in lines if "event" in line and line["event"]["pdu"]["type"] == event_type][number]


def failures(report: dict[str, Any]) -> dict[str, str]:
    return {failure["event_id"]: failure["step"] for failure in report["details"]["failures"]}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["v3-small", "v8-small", "v11-small", "v12-small"])
@pytest.mark.parametrize("options", [[], ["--shuffle", "7"], ["--reference"]])
def test_recorded_rooms_are_right_in_any_order(name: str, options: list[str], check: Any) -> None:
    lines = recorded(name)
    status, report = check(lines, *options)
    counts = [report[key] for key in ("events", "events_accepted", "resolutions", "resolutions_equal")]
    assert (status, counts) == (0, [lines[0]["events"]] * 2 + [lines[0]["resolutions"]] * 2)
    assert 0 < report["ms_p50"] <= report["ms_max"]


def test_json_has_the_figures_and_details(check: Any) -> None:
    _, report = check(recorded()[:5])
    assert list(report) == [
        *("events", "events_accepted", "resolutions", "resolutions_equal", "ms_p50", "ms_max", "details"),
    ]


@pytest.mark.slow
def test_events_may_stand_in_any_order(check: Any) -> None:
    lines = recorded()
    status, report = check([lines[0], *reversed(lines[1:])])
    assert (status, report["events_accepted"]) == (0, lines[0]["events"])


def test_each_step_has_its_failures(check: Any) -> None:
    lines = recorded()[:120]
    topic = event_at(lines, "m.room.topic")
    topic["pdu"]["content"]["topic"] = "forged"
    misnamed = event_at(lines, "m.room.message")
    misnamed["event_id"] = "$" + "A" * 43
    unsigned = event_at(lines, "m.room.message", 1)
    signatures = next(iter(unsigned["pdu"]["signatures"].values()))
    signatures["ed25519:a1"] = "A" * 86
    lines.append({"event": {"event_id": "$odd", "pdu": {"type": 5}}})
    status, report = check(lines)
    assert status == 1
    assert failures(report) == {
        topic["event_id"]: "content_hash",
        misnamed["event_id"]: "event_id",
        unsigned["event_id"]: "signature",
        "$odd": "format",
    }


def test_server_without_key_in_the_header_has_not_signed(check: Any) -> None:
    lines = recorded()[:2]
    lines[0]["verify_keys"] = {}
    assert list(failures(check(lines)[1]).values()) == ["signature"]


def test_event_is_not_accepted_without_its_auth_events(check: Any) -> None:
    lines = recorded()[:12]
    create = lines.pop(1)
    report = check(lines)[1]
    assert report["events_accepted"] == 0
    assert set(failures(report).values()) == {"auth_events"}
    assert report["details"]["missing_prev_events"] == 1
    assert create["event"]["pdu"]["type"] == "m.room.create"


def test_same_event_twice_counts_once(check: Any) -> None:
    lines = recorded()[:4]
    report = check([*lines, lines[2]])[1]
    assert (report["events"], report["events_accepted"]) == (4, 3)
    assert report["details"]["failures"][0]["reason"] == "the file has this event twice"


def with_expected(lines: Lines, change: Callable[[dict[str, Any]], bool]) -> int:
    """Change what the first resolution that will have it expects; its line."""
    for number, line in enumerate(lines, 1):
        if "resolution" in line and change(line["resolution"]):
            return number
    raise AssertionError("no resolution fits")


def expect_a_loser(resolution: dict[str, Any]) -> bool:
    """Expect an event of a state set that did not win."""
    won = {(entry[0], entry[1]): entry for entry in resolution["expected"]}
    for entries in resolution["sets"]:
        for entry in entries:
            winner = won.get((entry[0], entry[1]))
            if winner is not None and winner[2] != entry[2]:
                winner[2] = entry[2]
                return True
    return False


@pytest.mark.slow
def test_differing_resolution_says_which_rule_decided(check: Any) -> None:
    lines = recorded()
    line = with_expected(lines, expect_a_loser)
    status, report = check(lines)
    [problem] = report["details"]["differences"]
    assert (status, report["resolutions_equal"]) == (1, report["resolutions"] - 1)
    assert (problem["line"], problem["differing_entries"]) == (line, 1)
    got, expected = problem["reasons"]
    assert got.startswith(f"got {problem['difference']['got']}: number ")
    assert got.endswith("was the last that the auth rules allowed")
    assert expected.startswith(f"expected {problem['difference']['expected']}: number ")
    assert "took its place" in expected or "was refused by the auth rules: " in expected


@pytest.mark.slow
def test_expected_event_outside_the_conflict_is_told(check: Any) -> None:
    lines = recorded()
    create = deepcopy(event_at(lines, "m.room.create"))

    def change(resolution: dict[str, Any]) -> bool:
        resolution["expected"].append(["m.room.create", "x", create["event_id"]])
        return True

    with_expected(lines, change)
    [problem] = check(lines)[1]["details"]["differences"]
    assert problem["reasons"] == [f"expected {create['event_id']}: is an event of type m.room.create and state key ''"]


@pytest.mark.slow
def test_resolution_of_unknown_events_is_not_equal(check: Any) -> None:
    lines = recorded()

    def change(resolution: dict[str, Any]) -> bool:
        resolution["sets"][0].append(["m.room.topic", "x", "$unknown"])
        return True

    with_expected(lines, change)
    [problem] = check(lines)[1]["details"]["differences"]
    assert problem["reasons"] == ["it cannot be resolved: $unknown is not in the file, or was not accepted"]


HEADER = {"room_version": "11", "room_id": "!r:a.example", "verify_keys": {}}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "it is empty"),
        (b"\xff\xfe\n", "line 1 is not JSON"),
        (b"[]\n", "line 1 is not a JSON object"),
        (b'{"room_version": "99"}\n', "`room_version` must be one of"),
        (json.dumps({**HEADER, "verify_keys": {"a": {"ed25519:1": "AA"}}}).encode(), "is not the base64 of 32 bytes"),
        (json.dumps(HEADER).encode() + b"\n\n{}\n", "line 3 holds neither"),
        (json.dumps(HEADER).encode() + b'\n{"event": 1}\n', "line 2: an `event` must have"),
        (json.dumps(HEADER).encode() + b'\n{"resolution": {"sets": []}}\n', "line 2: a `resolution` must have"),
        (json.dumps(HEADER).encode() + b'\n{"resolution": {"sets": [[["a"]]]}}\n', "line 2: `sets` must hold"),
        (json.dumps(HEADER).encode() + b"\n" + b"[" * 5000, "line 2 is not JSON"),
        (json.dumps(HEADER).encode() + b"\n" + b" " * 5001, "line 2 has more than 5000 bytes"),
        (gzip.compress(b"{}" * 1000, mtime=0)[:20], "cannot be read"),
    ],
)
def test_file_that_is_no_room_ends_with_status_2(
    content: bytes, complaint: str, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room_file, "LINE_BYTES_MAX", 5000)
    path = tmp_path / "room"
    path.write_bytes(content)
    assert cli.main(["tools", "check-room", str(path)]) == 2
    printed = capsys.readouterr()
    assert complaint in printed.err
    assert (printed.out, printed.err.count("\n")) == ("", 1)


def test_file_that_is_not_there_ends_with_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["tools", "check-room", "no-such-file"]) == 2
    assert "no-such-file cannot be read" in capsys.readouterr().err


def test_names_from_the_file_write_no_control_characters(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "room"
    event = {"event": {"event_id": "$\x1b[2J\n$", "pdu": 1}}
    path.write_text(json.dumps(HEADER) + "\n" + json.dumps(event) + "\n", "utf-8")
    assert cli.main(["tools", "check-room", str(path)]) == 1
    printed = capsys.readouterr().out
    assert "\x1b" not in printed
    assert printed.splitlines()[-1].endswith("fails at format: A PDU must be a JSON object")


@pytest.mark.slow
@pytest.mark.parametrize("gzipped", [False, True])
def test_room_comes_from_standard_input(gzipped: bool) -> None:
    content = (DATA / "v12-small.jsonl.gz").read_bytes()
    command = [sys.executable, "-m", "homeserver", "tools", "check-room", "-", "--reference"]
    root = Path(__file__).parent.parent.parent
    given = content if gzipped else gzip.decompress(content)
    ended = subprocess.run(command, input=given, capture_output=True, check=True, cwd=root)
    assert ended.stdout.startswith(b"events ")
