"""Forks written by hand: what wins, for each rule that recorded rooms do not reach. Reference and kernels agree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from matrix_protocol.event_auth import StateKey
from matrix_protocol.events.format import Event
from matrix_protocol.signatures import sign_json
from tests.factories import signing_key_of
from tests.matrix_protocol.state_resolution.scenes import ALICE, BOB, CAROL, DAVE, Scene
from tests.matrix_protocol.versions import versions

KEY, OTHER_KEY = signing_key_of("identity.example"), signing_key_of("other.example")
TOPIC: StateKey = ("m.room.topic", "")


def topic_of(resolved: Mapping[StateKey, Event]) -> object:
    return resolved[TOPIC].content["topic"]


@versions(2)
def test_ban_wins_over_what_the_banned_user_did_meanwhile(version: str) -> None:
    scene = Scene(version)
    levels = scene.levels(scene.base, ALICE, {BOB: 50} | ({} if version == "12" else {ALICE: 100}))
    banned = scene.member(levels, ALICE, BOB, "ban")
    meanwhile = scene.topic(levels, BOB, "mine")
    resolved = scene.resolve(banned, meanwhile)
    assert scene.membership(resolved, BOB) == "ban"
    assert TOPIC not in resolved


@versions(2)
def test_of_two_equal_in_rank_and_time_the_greater_event_id_comes_last_and_stays(version: str) -> None:
    scene = Scene(version)
    low = scene.topic(scene.base, ALICE, "low", event_id="$sameA:a.example", ts=99)
    high = scene.topic(scene.base, ALICE, "high", event_id="$sameB:a.example", ts=99)
    assert topic_of(scene.resolve(low, high)) == "high"


@versions(2)
def test_time_comes_before_event_id(version: str) -> None:
    scene = Scene(version)
    early = scene.topic(scene.base, ALICE, "early", event_id="$z:a.example", ts=98)
    late = scene.topic(scene.base, ALICE, "late", event_id="$a:a.example", ts=99)
    assert topic_of(scene.resolve(early, late)) == "late"


@versions(2, 11)
def test_levels_written_as_strings_rank_senders_up_to_version_9(version: str) -> None:
    scene = Scene(version)
    levels = scene.levels(scene.base, ALICE, {ALICE: 100, BOB: "60"}, events={"m.room.topic": 55})
    other = scene.topic(levels, ALICE, "alice")
    mine = scene.topic(levels, BOB, "bob")
    # In version 10 and up the auth rules refuse such power levels: as nothing replaces them, they count as readable.
    assert topic_of(scene.resolve(other, mine)) == ("bob" if int(version) < 10 else "alice")


@versions(2, 5)
def test_levels_written_as_floats_are_truncated_up_to_version_5(version: str) -> None:
    scene = Scene(version)
    levels = scene.levels(scene.base, ALICE, {ALICE: 100, BOB: 55.9}, events={"m.room.topic": 55.9})
    resolved = scene.resolve(scene.topic(levels, ALICE, "alice"), scene.topic(levels, BOB, "bob"))
    assert topic_of(resolved) == "bob"


@pytest.mark.parametrize(("version", "expected"), [("11", None), ("12", "carol")])
def test_additional_creators_stand_above_all_levels_in_version_12(version: str, expected: str | None) -> None:
    scene = Scene(version, {"additional_creators": [CAROL]})
    joined = scene.join(scene.base, CAROL)
    topic = scene.topic(joined, CAROL, "carol")
    kept = scene.join(joined, CAROL, displayname="C")
    assert scene.resolve(topic, kept).get(TOPIC, None) == (None if expected is None else scene.events[topic[TOPIC]])


@versions(2)
@pytest.mark.parametrize("federates", [True, False])
def test_other_servers_are_kept_out_of_a_room_that_does_not_federate(version: str, federates: bool) -> None:
    scene = Scene(version, {} if federates else {"m.federate": False})
    resolved = scene.resolve(scene.join(scene.base, CAROL), scene.topic(scene.base, ALICE, "x"))
    assert scene.membership(resolved, CAROL) == ("join" if federates else None)


@versions(2, 12)
def test_aliases_of_the_own_server_need_no_membership_up_to_version_5(version: str) -> None:
    scene = Scene(version)
    states = [
        scene.send(scene.base, "m.room.aliases", "b.example", CAROL, {"aliases": []}),
        scene.send(scene.base, "m.room.aliases", "a.example", CAROL, {"aliases": []}),
    ]
    resolved = scene.resolve(*states)
    assert (("m.room.aliases", "b.example") in resolved) is (int(version) <= 5)
    assert ("m.room.aliases", "a.example") not in resolved


@versions(7)
@pytest.mark.parametrize("join_rule", ["knock", "knock_restricted", "invite"])
def test_knock_needs_a_join_rule_that_knows_it(version: str, join_rule: str) -> None:
    scene = Scene(version, join_rule=join_rule)
    resolved = scene.resolve(scene.member(scene.base, DAVE, DAVE, "knock"), scene.topic(scene.base, ALICE, "x"))
    knows = join_rule == "knock" or (join_rule == "knock_restricted" and int(version) >= 10)
    assert scene.membership(resolved, DAVE) == ("knock" if knows else None)


@versions(8)
@pytest.mark.parametrize(("authorised_by", "joins"), [(ALICE, True), (DAVE, False), (None, False)])
def test_restricted_join_is_authorised_by_a_member_who_may_invite(
    version: str, authorised_by: str | None, joins: bool
) -> None:
    scene = Scene(version, join_rule="restricted")
    content = {} if authorised_by is None else {"join_authorised_via_users_server": authorised_by}
    resolved = scene.resolve(scene.join(scene.base, CAROL, **content), scene.topic(scene.base, ALICE, "x"))
    # DAVE's server has not signed the event, and DAVE is not in the room.
    assert scene.membership(resolved, CAROL) == ("join" if joins else None)


@versions(8)
def test_restricted_join_falls_with_the_power_of_who_authorised_it(version: str) -> None:
    scene = Scene(version, join_rule="restricted")
    creator = {} if version == "12" else {ALICE: 100}
    base = scene.levels(scene.base, ALICE, {**creator, BOB: 50}, invite=50)
    joined = scene.join(base, CAROL, join_authorised_via_users_server=BOB)
    demoted = scene.levels(base, ALICE, {**creator, BOB: 0}, invite=50)
    assert scene.membership(scene.resolve(joined, base), CAROL) == "join"
    assert scene.membership(scene.resolve(joined, demoted), CAROL) is None


@versions(2)
@pytest.mark.parametrize("key", [KEY, OTHER_KEY])
def test_third_party_invite_needs_a_signature_of_the_issued_key(version: str, key: Any) -> None:
    scene = Scene(version, join_rule="invite")
    content = {"public_key": KEY.verify_key_base64}
    base = scene.send(scene.base, "m.room.third_party_invite", "t", ALICE, content)
    signed = sign_json({"mxid": CAROL, "token": "t"}, "identity.example", key)
    invited = scene.member(base, ALICE, CAROL, "invite", third_party_invite={"signed": signed})
    resolved = scene.resolve(invited, scene.topic(base, ALICE, "x"))
    assert scene.membership(resolved, CAROL) == ("invite" if key is KEY else None)


@versions(2)
@pytest.mark.parametrize(("reissued_at", "expected"), [(50, None), (70, "invite")])
def test_third_party_invite_is_checked_against_the_issue_resolved_before_it(
    version: str, reissued_at: int, expected: str | None
) -> None:
    scene = Scene(version, join_rule="invite")
    issue, reissue = {"public_key": KEY.verify_key_base64}, {"public_key": OTHER_KEY.verify_key_base64}
    base = scene.send(scene.base, "m.room.third_party_invite", "t", ALICE, issue, ts=40)
    signed = sign_json({"mxid": CAROL, "token": "t"}, "identity.example", KEY)
    content = {"membership": "invite", "third_party_invite": {"signed": signed}}
    invited = scene.send(base, "m.room.member", CAROL, ALICE, content, ts=60)
    reissued = scene.send(base, "m.room.third_party_invite", "t", ALICE, reissue, ts=reissued_at)
    assert scene.membership(scene.resolve(invited, reissued), CAROL) == expected


@versions(2)
@pytest.mark.parametrize("rejected", [True, False])
def test_rejected_event_is_no_auth_event(version: str, rejected: bool) -> None:
    scene = Scene(version)
    # Bob may not raise himself; so his levels are not admitted. His topic cites them, and no state has any others.
    raised = scene.send(scene.base, "m.room.power_levels", "", BOB, {"users": {BOB: 99}}, rejected=rejected)
    state = {key: event_id for key, event_id in scene.base.items() if key[0] != "m.room.power_levels"}
    topic = scene.topic(state, BOB, "bob", auth_state=raised)
    assert (TOPIC in scene.resolve(topic, state)) is not rejected


@versions(2)
def test_rejected_event_is_admitted_if_the_resolved_state_allows_it(version: str) -> None:
    # "Events that have been rejected due to failing auth based on the state at the event […] are handled as usual".
    scene = Scene(version)
    topic = scene.topic(scene.base, ALICE, "allowed after all", rejected=True)
    assert topic_of(scene.resolve(topic, scene.base)) == "allowed after all"


@versions(2)
def test_key_that_one_state_lacks_is_in_conflict(version: str) -> None:
    scene = Scene(version)
    topic = scene.topic(scene.base, BOB, "bob has no power")
    assert scene.resolve(topic, scene.base) == {k: scene.events[v] for k, v in scene.base.items()}


@versions(2)
def test_state_sets_may_be_empty_or_alike(version: str) -> None:
    scene = Scene(version)
    whole = {key: scene.events[event_id] for key, event_id in scene.base.items()}
    assert scene.resolve(scene.base, scene.base, scene.base) == whole
    assert scene.resolve(scene.base, {}) == whole
    assert scene.resolve({}, {}) == {}
