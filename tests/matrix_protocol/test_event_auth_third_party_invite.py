"""Invitations made from third-party invites, step by step."""

from __future__ import annotations

from typing import Any

import pytest

from matrix_protocol.event_auth.third_party_invite import SIGNATURES_TRIED_MAX
from matrix_protocol.signatures import SigningKey, sign_json
from tests.factories import Room, signing_key_of, user
from tests.matrix_protocol.versions import every_version

ALICE, BOB, CAROL = user("alice"), user("bob"), user("carol")
IDENTITY_SERVER = "identity.example"
KEY = signing_key_of(IDENTITY_SERVER)
OTHER_KEY = signing_key_of("other.example")


def issued(version: str, **content: Any) -> Room:
    """A closed room in which Alice has invited somebody's e-mail address, with the token `t`."""
    content = content or {"public_key": KEY.verify_key_base64}
    return Room(ALICE, version, join_rule="invite").send(ALICE, "m.room.third_party_invite", content, state_key="t")


def signed(**changes: Any) -> dict[str, Any]:
    claim = {"mxid": BOB.id, "token": "t", **changes}
    return sign_json({key: value for key, value in claim.items() if value is not None}, IDENTITY_SERVER, KEY)


def is_allowed(room: Room, invite: object, sender: Any = ALICE, target: Any = BOB) -> bool:
    content = {"membership": "invite", "third_party_invite": invite}
    return room.verdict(room.build(sender, "m.room.member", content, state_key=target.id)) is None


@every_version
def test_signed_invite_is_allowed_and_lets_the_user_join(version: str) -> None:
    room = issued(version)
    assert is_allowed(room, {"display_name": "b…", "signed": signed()})
    room.invite(ALICE, BOB, third_party_invite={"display_name": "b…", "signed": signed()}).join(BOB)


@every_version
@pytest.mark.parametrize("membership", ["invite", "leave"])
def test_issued_invite_is_an_auth_event_of_the_invitation_made_from_it(version: str, membership: str) -> None:
    room = issued(version)
    for invite, named in [({"signed": signed()}, membership == "invite"), ({"signed": {}}, False), ({}, False)]:
        content = {"membership": membership, "third_party_invite": invite}
        kinds = [event.type for event in room.auth_events_for(ALICE, "m.room.member", content, BOB.id)]
        assert ("m.room.third_party_invite" in kinds) is named


@every_version
def test_key_may_stand_in_the_list(version: str) -> None:
    keys = [{"public_key": "not base64!"}, "nonsense", {"public_key": KEY.verify_key_base64}]
    assert is_allowed(issued(version, public_keys=keys), {"signed": signed()})


@every_version
def test_key_may_be_written_in_either_alphabet(version: str) -> None:
    key = SigningKey("ed25519:0", b"\x00" * 31 + b"\x05")
    standard = key.verify_key_base64
    assert set(standard) & set("+/")
    invite = {"signed": sign_json({"mxid": BOB.id, "token": "t"}, IDENTITY_SERVER, key)}
    for text in (standard, standard.replace("+", "-").replace("/", "_")):
        assert is_allowed(issued(version, public_key=text), invite)


@every_version
def test_signed_invite_counts_for_whom_the_rules_about_ordinary_ones_would_stop(version: str) -> None:
    assert is_allowed(issued(version).leave(ALICE), {"signed": signed()})
    room = issued(version).invite(ALICE, BOB).join(BOB)
    assert is_allowed(room, {"signed": signed()})


@every_version
def test_one_good_signature_among_others_is_enough(version: str) -> None:
    claim = sign_json({"mxid": BOB.id, "token": "t"}, "other.example", OTHER_KEY)
    assert is_allowed(issued(version), {"signed": sign_json(claim, IDENTITY_SERVER, KEY)})


@every_version
def test_what_was_signed_cannot_be_changed(version: str) -> None:
    assert not is_allowed(issued(version), {"signed": {**signed(), "more": 1}})


@every_version
@pytest.mark.parametrize("keys", [None, {}, "x", [1], [{}], [{"public_key": 1}], [{"public_key": "é"}], []])
def test_issued_invite_without_a_usable_key_lets_nobody_in(version: str, keys: object) -> None:
    assert not is_allowed(issued(version, public_keys=keys, public_key=7), {"signed": signed()})


@every_version
def test_banned_user_is_not_invited(version: str) -> None:
    assert not is_allowed(issued(version).ban(ALICE, BOB), {"signed": signed()})


@every_version
@pytest.mark.parametrize("invite", [{}, None, [], "x", {"signed": None}, {"signed": []}])
def test_invite_without_signed_is_rejected(version: str, invite: object) -> None:
    assert not is_allowed(issued(version), invite)


@every_version
@pytest.mark.parametrize("changes", [{"mxid": None}, {"token": None}, {"mxid": 1}, {"token": 1}])
def test_signed_without_user_or_token_is_rejected(version: str, changes: dict[str, object]) -> None:
    assert not is_allowed(issued(version), {"signed": signed(**changes)})


@every_version
def test_invite_for_another_user_is_rejected(version: str) -> None:
    assert not is_allowed(issued(version), {"signed": signed()}, target=CAROL)


@every_version
def test_invite_with_an_unknown_token_is_rejected(version: str) -> None:
    assert not is_allowed(issued(version), {"signed": signed(token="u")})


@every_version
def test_invite_by_another_than_who_issued_it_is_rejected(version: str) -> None:
    room = issued(version).invite(ALICE, CAROL).join(CAROL)
    assert not is_allowed(room, {"signed": signed()}, sender=CAROL)


@every_version
def test_invite_that_another_key_signed_is_rejected(version: str) -> None:
    assert not is_allowed(issued(version, public_key=OTHER_KEY.verify_key_base64), {"signed": signed()})


@every_version
@pytest.mark.parametrize(
    "signatures",
    [None, {}, [], {"x": []}, {"x": {"ed25519:1": 1}}, {"x": {"rsa:1": "AAAA"}}, {"x": {"ed25519:1": "!"}}],
)
def test_malformed_signatures_are_rejected(version: str, signatures: object) -> None:
    assert not is_allowed(issued(version), {"signed": {"mxid": BOB.id, "token": "t", "signatures": signatures}})


def test_only_so_many_signatures_are_tried() -> None:
    claim = signed()
    junk = {f"ed25519:{number}": "AAAA" for number in range(SIGNATURES_TRIED_MAX)}
    claim["signatures"] = {"junk.example": junk, **claim["signatures"]}
    assert not is_allowed(issued("12"), {"signed": claim})
