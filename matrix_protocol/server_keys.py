"""The keys that a server publishes: reading them, and which of them may verify what.

    GET /_matrix/key/v2/server, or a notary's answer  ─► server_keys_from_untrusted ─► ServerKeys | Refusal
    ServerKeys.keys_for_event(time, rules)            ─► {key ID: 32 bytes}: valid for an event of that time
    ServerKeys.keys_for_request(now)                  ─► {key ID: 32 bytes}: valid for a request made now

Nothing here asks the clock: times are given, in ms.

Spec: https://spec.matrix.org/v1.19/server-server-api/#retrieving-server-keys
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from matrix_protocol.canonical_json import INTEGER_MAX
from matrix_protocol.encoding import decode_base64
from matrix_protocol.identifiers import is_valid_key_id, is_valid_server_name
from matrix_protocol.room_versions import SignatureRules
from matrix_protocol.signatures import ALGORITHM, VERIFY_KEY_BYTES, verify_signed_json

KEYS_MAX: Final = 100
"""Of one server, old ones included. The specification names no limit; servers have one or two, and some old ones."""
VALID_MS_MAX: Final = 7 * 24 * 3600 * 1000
""" "Servers MUST use the lesser of `valid_until_ts` and 7 days into the future when determining if a key is valid." """


class Refusal(NamedTuple):
    """Why an answer with keys is of no use."""

    reason: str


class ServerKeys(NamedTuple):
    """The keys of one server, as it signed them itself."""

    server_name: str
    verify_keys: Mapping[str, bytes]
    """In use: for requests and events."""
    old_verify_keys: Mapping[str, tuple[bytes, int]]
    """No longer in use: for events up to the time, in ms, at which each expired."""
    valid_until_ms: int
    """Until when `verify_keys` may be used: what the server said, or 7 days after it was asked if that is sooner."""

    def keys_for_event(self, origin_server_ts_ms: int, rules: SignatureRules) -> dict[str, bytes]:
        """The keys that may have signed an event of this time.

        "When validating event signatures, servers MUST enforce the `valid_until_ts` property from a key request is at
        least as large as the `origin_server_ts` for the event being validated." (version 5 and up; before, a key that
        was ever the server's is good)
        """
        if not rules.enforce_key_validity:
            return {**{key_id: key for key_id, (key, _) in self.old_verify_keys.items()}, **self.verify_keys}
        keys = {
            key_id: key
            for key_id, (key, expired_ms) in self.old_verify_keys.items()
            if origin_server_ts_ms <= expired_ms
        }
        return {**keys, **self.verify_keys} if origin_server_ts_ms <= self.valid_until_ms else keys

    def keys_for_request(self, now_ms: int) -> dict[str, bytes]:
        """The keys that may sign a request now: "`old_verify_keys` […] are only valid for signing events"."""
        return dict(self.verify_keys) if now_ms <= self.valid_until_ms else {}

    def refresh_at_ms(self, asked_at_ms: int) -> int:
        """When to ask again: at half of the remaining lifetime.

        "Intermediate notary servers should cache a response for half of its lifetime to avoid serving a stale response.
        Originating servers should avoid returning responses that expire in less than an hour".
        """
        return asked_at_ms + max(0, self.valid_until_ms - asked_at_ms) // 2


def server_keys_from_untrusted(answer: object, server_name: str, asked_at_ms: int) -> ServerKeys | Refusal:
    """The keys in an answer of the server itself, or of a notary about it (whose own signature is another's matter).

    `asked_at_ms`: when the answer came. The server must have signed it with each of the keys that it says it uses.
    """
    if not isinstance(answer, dict):
        return Refusal("the answer is no object")
    if not is_valid_server_name(server_name) or answer.get("server_name") != server_name:
        return Refusal("the answer is about another server")
    valid_until_ms = answer.get("valid_until_ts")
    if type(valid_until_ms) is not int or not 0 <= valid_until_ms <= INTEGER_MAX:
        return Refusal("`valid_until_ts` is no time in milliseconds")
    current, old = answer.get("verify_keys"), answer.get("old_verify_keys", {})
    if not isinstance(current, dict) or not isinstance(old, dict):
        return Refusal("`verify_keys` or `old_verify_keys` is no object")
    if len(current) + len(old) > KEYS_MAX:
        return Refusal(f"there are more than {KEYS_MAX} keys")
    verify_keys = {key_id: key for key_id, entry in current.items() if (key := _key(key_id, entry)) is not None}
    if not verify_keys:
        return Refusal("there is no ed25519 key in `verify_keys`")
    # "The signature is calculated using the process described at Signing JSON", with "the `verify_keys`": each of them,
    #  or somebody who can change the answer could add keys of their own.
    for key_id, key in verify_keys.items():
        if not (verdict := verify_signed_json(answer, server_name, {key_id: key})):
            return Refusal(f"the answer is not signed with the key {key_id} that it names: {verdict.reason}")
    return ServerKeys(
        server_name,
        MappingProxyType(verify_keys),
        MappingProxyType(_old_keys(old, verify_keys)),
        min(valid_until_ms, asked_at_ms + VALID_MS_MAX),
    )


def _key(key_id: str, entry: Any) -> bytes | None:
    """The 32 bytes of an ed25519 key; None for algorithms that we don't understand, and for what is no key."""
    if not is_valid_key_id(key_id) or not key_id.startswith(f"{ALGORITHM}:") or not isinstance(entry, dict):
        return None
    try:
        key = decode_base64(entry["key"]) if isinstance(entry.get("key"), str) else b""
    except ValueError:
        return None
    return key if len(key) == VERIFY_KEY_BYTES else None


def _old_keys(old: Mapping[str, Any], verify_keys: Mapping[str, bytes]) -> dict[str, tuple[bytes, int]]:
    """What is malformed is passed over: it can verify nothing. A key that is in use is not old."""
    found: dict[str, tuple[bytes, int]] = {}
    for key_id, entry in old.items():
        key = _key(key_id, entry)
        expired_ms = entry.get("expired_ts") if isinstance(entry, dict) else None
        if key is not None and key_id not in verify_keys and type(expired_ms) is int:
            found[key_id] = (key, expired_ms)
    return found
