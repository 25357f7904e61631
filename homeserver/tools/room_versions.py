"""`plexus tools room-versions`: the table of room versions, made from `matrix_protocol.room_versions` alone.

docs/room-versions.md has the same table; `make docs` puts it there.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from matrix_protocol.room_versions import (
    DEFAULT_ROOM_VERSION,
    ROOM_VERSIONS,
    SPECIFIED_ROOM_VERSIONS,
    EventIdFormat,
    RoomVersionRules,
    StateResolutionAlgorithm,
)

PAGE = Path("docs/room-versions.md")
BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"

_EVENT_IDS = {
    EventIdFormat.CHOSEN_BY_SERVER: "`$opaque:server`",
    EventIdFormat.REFERENCE_HASH: "hash",
    EventIdFormat.URL_SAFE_REFERENCE_HASH: "hash, URL-safe",
}
_ALGORITHMS = {
    StateResolutionAlgorithm.V1: "v1",
    StateResolutionAlgorithm.V2: "v2",
    StateResolutionAlgorithm.V2_1: "v2.1",
}


def _join_rules(rules: RoomVersionRules) -> str:
    authorization = rules.authorization
    found = "invite public"
    found += " knock" if authorization.knocking else ""
    found += " restricted" if authorization.restricted_joins else ""
    found += " knock_restricted" if authorization.knock_restricted_joins else ""
    return found


def _levels(rules: RoomVersionRules) -> str:
    authorization = rules.authorization
    if not authorization.lenient_power_levels:
        return "integers"
    return "integers, strings, floats" if authorization.float_power_levels else "integers, strings"


def _creators(rules: RoomVersionRules) -> str:
    if rules.authorization.creators_above_all:
        return "sender, `additional_creators`; above all levels"
    return "`content.creator`" if rules.authorization.creator_in_create_content else "sender"


def _kept(rules: RoomVersionRules) -> set[str]:
    """What a redaction leaves, by name."""
    kept = set(rules.redaction.top_level_keys)
    for event_type, keys in rules.redaction.content_keys.items():
        names = ["all"] if keys is None else sorted(keys)
        kept |= {f"{event_type.removeprefix('m.room.')}.{name}" for name in names}
    return kept | ({"member.third_party_invite.signed"} if rules.redaction.keep_third_party_invite_signed else set())


def _redaction_changes(rules: RoomVersionRules) -> str:
    """What it leaves, or no longer leaves, other than in the version before."""
    versions = list(SPECIFIED_ROOM_VERSIONS.values())
    place = versions.index(rules)
    if place == 0:
        return "(see the specification)"
    before, now = _kept(versions[place - 1]), _kept(rules)
    changes = [f"+`{name}`" for name in sorted(now - before)] + [f"−`{name}`" for name in sorted(before - now)]
    return " ".join(changes) or "as before"


COLUMNS: Mapping[str, Callable[[RoomVersionRules], str]] = {
    "version": lambda rules: rules.identifier + (" (default)" if rules.identifier == DEFAULT_ROOM_VERSION else ""),
    "hosted": lambda rules: "yes" if rules.identifier in ROOM_VERSIONS else "no",
    "event IDs": lambda rules: _EVENT_IDS[rules.event_format.event_id],
    "room ID": lambda rules: (
        "of the create event" if rules.event_format.room_id_is_create_event_id else "`!opaque:server`"
    ),
    "references": lambda rules: "IDs with hashes" if rules.event_format.references_carry_hashes else "IDs",
    "canonical JSON": lambda rules: "enforced" if rules.event_format.strict_canonical_json else "not enforced",
    "key validity": lambda rules: "enforced" if rules.signatures.enforce_key_validity else "not enforced",
    "join rules": _join_rules,
    "power levels": _levels,
    "creators": _creators,
    "`redacts` in": lambda rules: "content" if rules.event_format.redacts_in_content else "the event",
    "redaction keeps": _redaction_changes,
    "aliases": lambda rules: "special" if rules.authorization.special_case_aliases else "ordinary",
    "state resolution": lambda rules: _ALGORITHMS[rules.state_resolution],
}


def rows() -> list[dict[str, str]]:
    """One for each version of the specification."""
    return [{name: cell(rules) for name, cell in COLUMNS.items()} for rules in SPECIFIED_ROOM_VERSIONS.values()]


def markdown() -> str:
    lines = ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
    lines += ["| " + " | ".join(row.values()) + " |" for row in rows()]
    return "\n".join(lines) + "\n"


def text() -> str:
    """For a terminal: a block a version, of what is not as in the one before it."""
    lines: list[str] = []
    before: dict[str, str] = {}
    for row in rows():
        lines.append(f"version {row['version']}")
        for name, cell in row.items():
            if name != "version" and before.get(name) != cell:
                lines.append(f"  {name.replace('`', ''):<18} {cell.replace('`', '')}")
        before = row
    return "\n".join(lines) + "\n"


def page_with_table(page: str) -> str:
    """The page with the table of today between its marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{markdown()}\n{END}{after}"


def run_room_versions(layout: str) -> int:
    layouts: dict[str, Callable[[], str]] = {
        "text": text,
        "markdown": markdown,
        "json": lambda: json.dumps(rows(), indent=2) + "\n",
    }
    sys.stdout.write(layouts[layout]())
    return 0


def main() -> int:
    """For `make docs` and `make docs-check`: write the table into the page, or say that it is old (`--check`)."""
    page = PAGE.read_text("utf-8")
    wanted = page_with_table(page)
    if "--check" in sys.argv[1:]:
        return 0 if page == wanted else 1
    PAGE.write_text(wanted, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
