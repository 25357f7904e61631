"""Room version 1: each sentence of its state resolution."""

from __future__ import annotations

from hashlib import sha1

from tests.matrix_protocol.state_resolution.scenes import ALICE, BOB, CAROL, Scene

TOPIC, LEVELS = ("m.room.topic", ""), ("m.room.power_levels", "")


def scene_with_moderator() -> Scene:
    scene = Scene("1")
    scene.base = scene.levels(scene.base, ALICE, {ALICE: 100, BOB: 50})
    return scene


def test_key_that_one_state_lacks_is_no_conflict() -> None:
    scene = scene_with_moderator()
    nobody_asked = scene.topic(scene.base, CAROL, "not even in the room")
    assert scene.resolve(nobody_asked, scene.base)[TOPIC].sender == CAROL


def test_deepest_allowed_event_wins() -> None:
    scene = scene_with_moderator()
    states = [scene.topic(scene.base, sender, sender) for sender in (ALICE, BOB, CAROL)]
    assert scene.resolve(*states)[TOPIC].sender == BOB


def test_of_equal_depth_the_lowest_sha1_wins() -> None:
    scene = scene_with_moderator()
    ids = ["$one:a.example", "$two:a.example", "$three:a.example"]
    states = [scene.topic(scene.base, ALICE, event_id, event_id=event_id) for event_id in ids]
    for event_id in ids:
        scene.events[event_id].depth = 50
    lowest = min(ids, key=lambda event_id: sha1(event_id.encode()).digest())
    assert scene.resolve(*states)[TOPIC].event_id == lowest


def test_no_event_is_picked_if_none_is_allowed() -> None:
    scene = scene_with_moderator()
    states = [scene.topic(scene.base, CAROL, "one"), scene.topic(scene.base, CAROL, "two")]
    assert TOPIC not in scene.resolve(*states)


def test_power_levels_stop_at_the_first_that_is_not_allowed() -> None:
    scene = scene_with_moderator()
    first = scene.levels(scene.base, ALICE, {ALICE: 100, BOB: 0})
    refused = scene.levels(scene.base, BOB, {ALICE: 100, BOB: 49})
    last = scene.levels(scene.base, ALICE, {ALICE: 100, BOB: 50, CAROL: 50})
    # Bob has no power after the first, so the list ends there, though the last would be allowed.
    assert scene.resolve(first, refused, last)[LEVELS].event_id == first[LEVELS]


def test_members_come_before_the_rest() -> None:
    scene = scene_with_moderator()
    topic = scene.topic(scene.base, BOB, "bob")
    banned = scene.member(scene.topic(scene.base, ALICE, "alice"), ALICE, BOB, "ban")
    scene.events[topic[TOPIC]].depth = 99
    resolved = scene.resolve(topic, banned)
    assert (scene.membership(resolved, BOB), resolved[TOPIC].sender) == ("ban", ALICE)


def test_power_levels_come_before_the_rest() -> None:
    scene = scene_with_moderator()
    topic = scene.topic(scene.base, BOB, "bob")
    demoted = scene.levels(scene.topic(scene.base, ALICE, "alice"), ALICE, {ALICE: 100})
    scene.events[topic[TOPIC]].depth = 99
    assert scene.resolve(topic, demoted)[TOPIC].sender == ALICE
