"""The content of the create event that createRoom makes."""

from __future__ import annotations

from typing import Any

import pytest

from matrix_protocol.room_creation import PUBLIC_CHAT, TRUSTED_PRIVATE_CHAT, create_event_content, preset_in_force
from matrix_protocol.room_versions import SPECIFIED_ROOM_VERSIONS
from tests.factories import Room, user
from tests.matrix_protocol.versions import every_version, versions

ALICE, BOB, CAROL = user("alice"), user("bob"), user("carol")


def content_of(version: str, preset: str = TRUSTED_PRIVATE_CHAT, **creation_content: Any) -> dict[str, Any]:
    rules = SPECIFIED_ROOM_VERSIONS[version]
    return create_event_content(rules, ALICE.id, creation_content, preset, [BOB.id, ALICE.id, CAROL.id])


@pytest.mark.parametrize(
    ("preset", "visibility", "in_force"),
    [
        (None, None, "private_chat"),
        (None, "private", "private_chat"),
        (None, "public", "public_chat"),
        ("trusted_private_chat", "public", "trusted_private_chat"),
    ],
)
def test_visibility_chooses_the_preset_if_none_is_given(
    preset: str | None, visibility: str | None, in_force: str
) -> None:
    assert preset_in_force(preset, visibility) == in_force


@every_version
def test_creator_and_room_version_of_the_client_are_overwritten(version: str) -> None:
    content = content_of(version, PUBLIC_CHAT, creator="@x:y", room_version="1", **{"m.federate": False})
    assert content == {"m.federate": False}
    create_event = Room(ALICE, version, create_content=content).create_event
    assert create_event.content["room_version"] == version
    assert create_event.content.get("creator") == (ALICE.id if int(version) <= 10 else None)


@versions(12)
def test_invited_users_of_a_trusted_private_chat_become_creators(version: str) -> None:
    assert content_of(version) == {"additional_creators": [BOB.id, CAROL.id]}
    assert content_of(version, additional_creators=[CAROL.id, "@x:y"]) == {
        "additional_creators": [CAROL.id, "@x:y", BOB.id]
    }
    assert content_of(version, additional_creators="nonsense") == {"additional_creators": "nonsense"}


@versions(12)
def test_invited_users_of_other_rooms_do_not(version: str) -> None:
    assert content_of(version, PUBLIC_CHAT) == {}


@versions(1, 11)
def test_nobody_becomes_a_creator_before_version_12(version: str) -> None:
    assert content_of(version) == {}
