"""The keys that servers publish: what is believed, and what each may verify."""

from __future__ import annotations

from typing import Any

import pytest

from matrix_protocol.encoding import encode_base64
from matrix_protocol.room_versions import SPECIFIED_ROOM_VERSIONS
from matrix_protocol.server_keys import KEYS_MAX, VALID_MS_MAX, Refusal, ServerKeys, server_keys_from_untrusted
from matrix_protocol.signatures import SigningKey, sign_json
from tests.matrix_protocol.versions import versions

SERVER = "a.example"
NEW, OLD, OTHER = (SigningKey(f"ed25519:{name}", bytes([number]) * 32) for number, name in enumerate(("n", "o", "x")))
ASKED_AT_MS = 1_700_000_000_000
VALID_UNTIL_MS = ASKED_AT_MS + 86_400_000
EXPIRED_MS = ASKED_AT_MS - 1_000_000


def published(**changes: Any) -> dict[str, Any]:
    answer = {
        "server_name": SERVER,
        "verify_keys": {NEW.key_id: {"key": NEW.verify_key_base64}},
        "old_verify_keys": {OLD.key_id: {"key": OLD.verify_key_base64, "expired_ts": EXPIRED_MS}},
        "valid_until_ts": VALID_UNTIL_MS,
        **changes,
    }
    return sign_json(answer, SERVER, NEW)


def read(answer: object) -> ServerKeys:
    keys = server_keys_from_untrusted(answer, SERVER, ASKED_AT_MS)
    assert isinstance(keys, ServerKeys), keys
    return keys


def test_published_keys_are_read() -> None:
    keys = read(published())
    assert keys.verify_keys == {NEW.key_id: NEW.verify_key}
    assert keys.old_verify_keys == {OLD.key_id: (OLD.verify_key, EXPIRED_MS)}
    assert keys.valid_until_ms == VALID_UNTIL_MS


def test_keys_count_for_seven_days_at_most() -> None:
    assert read(published(valid_until_ts=2**53 - 1)).valid_until_ms == ASKED_AT_MS + VALID_MS_MAX


@versions(5)
def test_event_after_the_end_of_validity_has_no_key(version: str) -> None:
    rules, keys = SPECIFIED_ROOM_VERSIONS[version].signatures, read(published())
    assert set(keys.keys_for_event(EXPIRED_MS, rules)) == {NEW.key_id, OLD.key_id}
    assert set(keys.keys_for_event(EXPIRED_MS + 1, rules)) == {NEW.key_id}
    assert set(keys.keys_for_event(VALID_UNTIL_MS, rules)) == {NEW.key_id}
    assert keys.keys_for_event(VALID_UNTIL_MS + 1, rules) == {}


@versions(1, 4)
def test_before_version_5_a_key_is_good_for_events_of_any_time(version: str) -> None:
    rules, keys = SPECIFIED_ROOM_VERSIONS[version].signatures, read(published())
    for time_ms in (0, EXPIRED_MS + 1, VALID_UNTIL_MS + 1):
        assert set(keys.keys_for_event(time_ms, rules)) == {NEW.key_id, OLD.key_id}


def test_old_keys_do_not_sign_requests() -> None:
    keys = read(published())
    assert keys.keys_for_request(ASKED_AT_MS) == {NEW.key_id: NEW.verify_key}
    assert keys.keys_for_request(VALID_UNTIL_MS + 1) == {}


def test_keys_are_asked_for_again_at_half_of_their_life() -> None:
    keys = read(published())
    assert keys.refresh_at_ms(ASKED_AT_MS) == (ASKED_AT_MS + VALID_UNTIL_MS) // 2
    assert keys.refresh_at_ms(VALID_UNTIL_MS + 5) == VALID_UNTIL_MS + 5


def unsigned() -> dict[str, Any]:
    return {name: value for name, value in published().items() if name != "signatures"}


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        {},
        unsigned(),
        published(server_name="b.example"),
        published(server_name=1),
        published(valid_until_ts="soon"),
        published(valid_until_ts=-1),
        published(valid_until_ts=True),
        {**published(), "valid_until_ts": 1.5},
        published(verify_keys={}),
        published(verify_keys=[]),
        published(old_verify_keys=[]),
        published(verify_keys={"ed25519:n": {"key": "short"}}),
        published(verify_keys={"rsa:n": {"key": NEW.verify_key_base64}}),
        published(verify_keys={NEW.key_id: NEW.verify_key_base64}),
        published(old_verify_keys={f"ed25519:{number}": {} for number in range(KEYS_MAX)}),
        {**published(), "valid_until_ts": VALID_UNTIL_MS + 1},
        # A key that has not signed: somebody may have put it there.
        published(verify_keys={k.key_id: {"key": k.verify_key_base64} for k in (NEW, OTHER)}),
    ],
)
def test_answer_that_cannot_be_believed_is_refused_with_a_reason(answer: object) -> None:
    refusal = server_keys_from_untrusted(answer, SERVER, ASKED_AT_MS)
    assert isinstance(refusal, Refusal)
    assert refusal.reason


def test_every_key_in_use_may_sign() -> None:
    answer = published(verify_keys={k.key_id: {"key": k.verify_key_base64} for k in (NEW, OTHER)})
    assert set(read(sign_json(answer, SERVER, OTHER)).verify_keys) == {NEW.key_id, OTHER.key_id}


@pytest.mark.parametrize(
    "entry",
    [{}, None, {"key": OLD.verify_key_base64}, {"key": "x", "expired_ts": 1}, {"key": 1, "expired_ts": 1}],
)
def test_malformed_old_keys_are_passed_over(entry: object) -> None:
    good = {"key": encode_base64(OTHER.verify_key), "expired_ts": 5}
    keys = read(published(old_verify_keys={"ed25519:bad": entry, "ed25519:a b": good, OTHER.key_id: good}))
    assert keys.old_verify_keys == {OTHER.key_id: (OTHER.verify_key, 5)}
