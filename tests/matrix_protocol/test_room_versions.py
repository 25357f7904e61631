"""The table of room versions, read column by column as the specification's pages describe the changes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from matrix_protocol.room_versions import (
    DEFAULT_ROOM_VERSION,
    ROOM_VERSIONS,
    SPECIFIED_ROOM_VERSIONS,
    EventIdFormat,
    RoomVersionRules,
    StateResolutionAlgorithm,
)

Column = Callable[[RoomVersionRules], object]

SINCE: list[tuple[str, int, Column]] = [
    ("references are plain event IDs", 3, lambda rules: not rules.event_format.references_carry_hashes),
    ("the server of the event ID need not sign", 3, lambda rules: not rules.signatures.event_id_server_signs),
    ("redactions are ordinary events", 3, lambda rules: not rules.authorization.special_case_redactions),
    ("key validity is enforced", 5, lambda rules: rules.signatures.enforce_key_validity),
    ("canonical JSON is enforced", 6, lambda rules: rules.event_format.strict_canonical_json),
    ("depth ends at 2**53 - 1", 6, lambda rules: rules.event_format.depth_max == 2**53 - 1),
    ("aliases are ordinary", 6, lambda rules: not rules.authorization.special_case_aliases),
    ("aliases are redacted", 6, lambda rules: "m.room.aliases" not in rules.redaction.content_keys),
    ("notification levels are checked", 6, lambda rules: rules.authorization.check_notification_levels),
    ("levels are no floats", 6, lambda rules: not rules.authorization.float_power_levels),
    ("knocking", 7, lambda rules: rules.authorization.knocking),
    ("restricted joins", 8, lambda rules: rules.authorization.restricted_joins),
    ("the authorising server signs", 8, lambda rules: rules.signatures.authorising_server_signs),
    ("allow survives", 8, lambda rules: "allow" in (rules.redaction.content_keys["m.room.join_rules"] or ())),
    (
        "join_authorised_via_users_server survives",
        9,
        lambda rules: "join_authorised_via_users_server" in (rules.redaction.content_keys["m.room.member"] or ()),
    ),
    ("knock_restricted joins", 10, lambda rules: rules.authorization.knock_restricted_joins),
    ("levels are integers", 10, lambda rules: not rules.authorization.lenient_power_levels),
    ("create content survives", 11, lambda rules: rules.redaction.content_keys["m.room.create"] is None),
    (
        "invite level survives",
        11,
        lambda rules: "invite" in (rules.redaction.content_keys["m.room.power_levels"] or ()),
    ),
    ("origin is redacted", 11, lambda rules: "origin" not in rules.redaction.top_level_keys),
    ("membership is redacted", 11, lambda rules: "membership" not in rules.redaction.top_level_keys),
    ("prev_state is redacted", 11, lambda rules: "prev_state" not in rules.redaction.top_level_keys),
    ("redacts survives", 11, lambda rules: "m.room.redaction" in rules.redaction.content_keys),
    ("signed survives", 11, lambda rules: rules.redaction.keep_third_party_invite_signed),
    ("redacts is content", 11, lambda rules: rules.event_format.redacts_in_content),
    ("no creator in the content", 11, lambda rules: not rules.event_format.creator_in_create_content),
    ("the sender is the creator", 11, lambda rules: not rules.authorization.creator_in_create_content),
    ("creators above all", 12, lambda rules: rules.authorization.creators_above_all),
    ("create is no auth event", 12, lambda rules: not rules.authorization.create_event_in_auth_events),
    ("room ID is the create event's", 12, lambda rules: rules.authorization.room_id_is_create_event_id),
    ("create has no room ID", 12, lambda rules: rules.event_format.room_id_is_create_event_id),
]


@pytest.mark.parametrize(
    ("since", "column"), [(since, column) for _, since, column in SINCE], ids=[s[0] for s in SINCE]
)
def test_change_holds_since_its_version(since: int, column: Column) -> None:
    for version, rules in SPECIFIED_ROOM_VERSIONS.items():
        assert bool(column(rules)) is (int(version) >= since)


def test_event_ids_by_version() -> None:
    formats = [rules.event_format.event_id for rules in SPECIFIED_ROOM_VERSIONS.values()]
    assert formats == [
        *[EventIdFormat.CHOSEN_BY_SERVER] * 2,
        EventIdFormat.REFERENCE_HASH,
        *[EventIdFormat.URL_SAFE_REFERENCE_HASH] * 9,
    ]


def test_state_resolution_by_version() -> None:
    algorithms = [rules.state_resolution for rules in SPECIFIED_ROOM_VERSIONS.values()]
    v1, v2, v2_1 = StateResolutionAlgorithm.V1, StateResolutionAlgorithm.V2, StateResolutionAlgorithm.V2_1
    assert algorithms == [v1, *[v2] * 10, v2_1]


def test_versions_are_complete_and_stable() -> None:
    assert list(SPECIFIED_ROOM_VERSIONS) == [str(number) for number in range(1, 13)]
    assert all(rules.identifier == version and rules.stable for version, rules in SPECIFIED_ROOM_VERSIONS.items())
    assert ROOM_VERSIONS == SPECIFIED_ROOM_VERSIONS
    assert DEFAULT_ROOM_VERSION in ROOM_VERSIONS
