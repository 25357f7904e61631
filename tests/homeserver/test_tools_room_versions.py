"""The table of room versions, as operators and readers see it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from homeserver.cli import main
from homeserver.tools.room_versions import BEGIN, END, markdown, page_with_table, rows
from matrix_protocol.room_versions import DEFAULT_ROOM_VERSION, SPECIFIED_ROOM_VERSIONS

PAGE = Path(__file__).parents[2] / "docs" / "room-versions.md"


def test_every_version_has_a_row_and_one_is_the_default() -> None:
    versions = [row["version"] for row in rows()]
    assert [version.partition(" ")[0] for version in versions] == list(SPECIFIED_ROOM_VERSIONS)
    assert [version for version in versions if "default" in version] == [f"{DEFAULT_ROOM_VERSION} (default)"]


def test_no_two_versions_look_the_same() -> None:
    cells = {tuple(row.values())[1:] for row in rows()}
    assert len(cells) == len(SPECIFIED_ROOM_VERSIONS)


@pytest.mark.parametrize("option", [[], ["--markdown"], ["--json"]])
def test_the_table_is_printed(option: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tools", "room-versions", *option]) == 0
    printed = capsys.readouterr().out
    if option == ["--json"]:
        assert json.loads(printed) == rows()
    elif option:
        assert printed == markdown()
    else:
        assert "version 12" in printed
        assert "v2.1" in printed


def test_page_has_the_table_of_today() -> None:
    page = PAGE.read_text("utf-8")
    assert page.count(BEGIN) == page.count(END) == 1
    assert page_with_table(page) == page
