"""What redactions do."""

from __future__ import annotations

import pytest

from matrix_protocol.event_auth.power_levels import DEFAULT_LEVELS, PowerLevels
from matrix_protocol.redaction_effects import (
    RedactionTarget,
    RedactionVerdict,
    effects_of,
    is_shown_to_clients,
    redacted_content,
    redaction_verdict,
    unsigned_of_redacted,
)
from matrix_protocol.relations import Relation, relation_of
from matrix_protocol.room_versions import SPECIFIED_ROOM_VERSIONS, RoomVersionRules

ROOM = "!room:a.example"
MOD, USER, NEIGHBOUR = "@mod:a.example", "@user:b.example", "@neighbour:b.example"
LEVELS = PowerLevels(DEFAULT_LEVELS, {MOD: 50}, {}, {})
APPLIES, WAITS, NEVER = RedactionVerdict.APPLIES, RedactionVerdict.WAITS, RedactionVerdict.NEVER


@pytest.mark.parametrize("rules", SPECIFIED_ROOM_VERSIONS.values(), ids=list(SPECIFIED_ROOM_VERSIONS))
def test_redaction_needs_the_level_or_the_same_server_since_version_3(rules: RoomVersionRules) -> None:
    by_auth_rules = rules.authorization.special_case_redactions
    assert by_auth_rules is (rules.identifier in ("1", "2"))
    of_mod = RedactionTarget(ROOM, MOD)
    assert redaction_verdict(ROOM, MOD, RedactionTarget(ROOM, USER), LEVELS, rules) is APPLIES
    assert redaction_verdict(ROOM, USER, RedactionTarget(ROOM, NEIGHBOUR), LEVELS, rules) is APPLIES
    assert redaction_verdict(ROOM, USER, of_mod, LEVELS, rules) is (APPLIES if by_auth_rules else NEVER)


@pytest.mark.parametrize("rules", SPECIFIED_ROOM_VERSIONS.values(), ids=list(SPECIFIED_ROOM_VERSIONS))
def test_event_of_another_room_or_a_rejected_one_is_never_redacted(rules: RoomVersionRules) -> None:
    assert redaction_verdict(ROOM, MOD, RedactionTarget("!other:a.example", MOD), LEVELS, rules) is NEVER
    assert redaction_verdict(ROOM, MOD, RedactionTarget(ROOM, MOD, is_rejected=True), LEVELS, rules) is NEVER


@pytest.mark.parametrize("rules", SPECIFIED_ROOM_VERSIONS.values(), ids=list(SPECIFIED_ROOM_VERSIONS))
def test_redaction_is_hidden_until_its_target_is_known_since_version_3(rules: RoomVersionRules) -> None:
    assert redaction_verdict(ROOM, MOD, None, LEVELS, rules) is WAITS
    assert is_shown_to_clients(WAITS, rules) is (rules.identifier in ("1", "2"))
    assert is_shown_to_clients(APPLIES, rules)
    assert not is_shown_to_clients(NEVER, rules)


def test_redacted_event_names_its_redaction_and_quotes_nothing() -> None:
    former = {"replaces_state": "$old", "prev_content": {"name": "secret"}, "m.relations": {}, "age": 1}
    redaction = {"type": "m.room.redaction", "event_id": "$redaction"}
    unsigned = unsigned_of_redacted(former, redaction)
    assert unsigned == {"replaces_state": "$old", "redacted_because": redaction}
    assert unsigned_of_redacted({}, redaction) == {"redacted_because": redaction}


def test_second_redaction_changes_nothing() -> None:
    assert unsigned_of_redacted({"redacted_because": {}}, {"event_id": "$second"}) is None


def test_redacted_create_event_keeps_its_content_since_version_11_only() -> None:
    content = {"creator": MOD, "room_version": "10", "m.federate": False}
    assert redacted_content("m.room.create", content, SPECIFIED_ROOM_VERSIONS["10"]) == {"creator": MOD}
    kept = redacted_content("m.room.create", content, SPECIFIED_ROOM_VERSIONS["11"])
    assert kept == content
    assert kept is not content


def test_redacted_membership_stays_a_membership() -> None:
    content = {"membership": "join", "displayname": "Alice"}
    assert redacted_content("m.room.member", content, SPECIFIED_ROOM_VERSIONS["1"]) == {"membership": "join"}


def test_redacted_reaction_is_no_relation_any_more() -> None:
    content = {"m.relates_to": {"rel_type": "m.annotation", "event_id": "$parent", "key": "+1"}}
    assert effects_of("m.reaction", None, content, None).lost_relation == Relation("m.annotation", "$parent", "+1")
    assert effects_of("m.room.topic", "", content, None).lost_relation is None


@pytest.mark.parametrize("relates_to", [None, [], {}, {"rel_type": "m.thread"}, {"rel_type": 1, "event_id": "$x"}])
def test_malformed_relation_is_none(relates_to: object) -> None:
    assert relation_of({"m.relates_to": relates_to}) is None


def test_copies_of_the_redacted_event_are_named() -> None:
    assert effects_of("m.room.name", "", {}, None).quoted_as_prev_content
    of_redaction = effects_of("m.room.redaction", None, {}, "$first")
    assert of_redaction.quoted_as_redacted_because == "$first"
    assert not of_redaction.quoted_as_prev_content
    assert effects_of("m.room.message", None, {}, "$first").quoted_as_redacted_because is None
