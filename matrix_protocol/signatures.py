"""Signing JSON with ed25519, and checking such signatures.

Spec: https://spec.matrix.org/v1.19/appendices/#signing-json
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import nacl.exceptions
from nacl.bindings import crypto_sign, crypto_sign_BYTES, crypto_sign_open, crypto_sign_seed_keypair
from nacl.utils import random as random_bytes

from matrix_protocol.canonical_json import NotCanonical, canonical_json
from matrix_protocol.encoding import decode_base64, encode_base64
from matrix_protocol.json_types import JsonObject

ALGORITHM = "ed25519"
_SEED_BYTES = 32
VERIFY_KEY_BYTES = 32


class SigningKey:
    """A secret key with its identifier (`ed25519:a_abcd`). Never shows the secret in its repr."""

    __slots__ = ("_secret", "_seed", "key_id", "verify_key")

    def __init__(self, key_id: str, seed: bytes) -> None:
        self.key_id = key_id
        self._seed = seed
        self.verify_key, self._secret = crypto_sign_seed_keypair(seed)

    @property
    def verify_key_base64(self) -> str:
        """The public half, as servers publish it."""
        return encode_base64(self.verify_key)

    def sign(self, message: bytes) -> bytes:
        """The 64 bytes of the signature alone."""
        return crypto_sign(message, self._secret)[:crypto_sign_BYTES]

    def seed_base64(self) -> str:
        """The secret, to be stored. Nothing else may show it."""
        return encode_base64(self._seed)

    def __repr__(self) -> str:
        return f"SigningKey({self.key_id!r})"


def generate_signing_key(version: str) -> SigningKey:
    """A new key `ed25519:<version>` from the operating system's randomness."""
    return SigningKey(f"{ALGORITHM}:{version}", random_bytes(_SEED_BYTES))


def parse_signing_key(text: str) -> SigningKey:
    """A line `ed25519 a_abcd <unpadded base64 seed>`. Raises ValueError, which doesn't repeat the secret."""
    parts = text.split()
    if len(parts) != 3 or parts[0] != ALGORITHM:
        raise ValueError("a signing key must look like: ed25519 <version> <base64 of 32 bytes>")
    try:
        seed = decode_base64(parts[2])
    except ValueError:
        raise ValueError("the signing key's secret is not base64") from None
    if len(seed) != _SEED_BYTES:
        raise ValueError("the signing key's secret must be 32 bytes in base64")
    return SigningKey(f"{ALGORITHM}:{parts[1]}", seed)


def format_signing_key(key: SigningKey) -> str:
    """The line that `parse_signing_key` reads."""
    return f"{ALGORITHM} {key.key_id.partition(':')[2]} {key.seed_base64()}"


def sign_json(value: JsonObject, server_name: str, key: SigningKey) -> JsonObject:
    """A new object with one more signature; `unsigned` and other signatures stay. Raises `NotCanonical`."""
    signature = encode_base64(key.sign(bytes_to_sign(value)))
    return with_signature(value, server_name, key.key_id, signature)


def with_signature(value: JsonObject, server_name: str, key_id: str, signature: str) -> JsonObject:
    """A new object with this signature added; what stood there and is no signature goes."""
    signatures = value.get("signatures")
    signatures = signatures if isinstance(signatures, dict) else {}
    former = signatures.get(server_name)
    of_server = {**(former if isinstance(former, dict) else {}), key_id: signature}
    return {**value, "signatures": {**signatures, server_name: of_server}}


def bytes_to_sign(value: Mapping[str, object]) -> bytes:
    """The canonical JSON of the object without `signatures` and `unsigned`. Raises `NotCanonical`."""
    return canonical_json({key: item for key, item in value.items() if key not in ("signatures", "unsigned")})


class Verdict(NamedTuple):
    """Is the object signed by the server, and if not, why."""

    valid: bool
    reason: str = ""

    def __bool__(self) -> bool:
        return self.valid


_VALID = Verdict(True)


def signature_key_ids(value: Mapping[str, object], server_name: str) -> list[str]:
    """The ed25519 key IDs with which the server has signed this (untrusted) object."""
    signatures = value.get("signatures")
    of_server = signatures.get(server_name) if isinstance(signatures, dict) else None
    if not isinstance(of_server, dict):
        return []
    return [key_id for key_id in of_server if key_id.startswith(f"{ALGORITHM}:")]


def verify_signed_json(value: Mapping[str, object], server_name: str, verify_keys: Mapping[str, bytes]) -> Verdict:
    """Checking for a signature of the server on an (untrusted) object; `verify_keys` are 32 bytes by key ID."""
    # "5. Removes the signatures and unsigned members of the object. 6. Encodes the remainder […]"
    try:
        message = bytes_to_sign(value)
    except NotCanonical as error:
        return Verdict(False, f"the signed object has no canonical JSON: {error}")
    return verify_signed_bytes(message, value, server_name, verify_keys)


def verify_signed_bytes(
    message: bytes, signed: Mapping[str, object], server_name: str, verify_keys: Mapping[str, bytes]
) -> Verdict:
    """Do the `signatures` of `signed` by the server match the message?

    Keys that we don't know are passed over; every signature by a known key must be valid.
    """
    # "1. Checks if the signatures member of the object contains an entry with the name of the entity."
    # "2. Removes any signing key identifiers from the entry with algorithms it doesn't understand."
    key_ids = signature_key_ids(signed, server_name)
    if not key_ids:
        return Verdict(False, f"no ed25519 signature of {server_name}")
    # "3. Looks up verification keys for the remaining signing key identifiers. […] If it cannot find a
    #  verification key then the check fails."
    known = [key_id for key_id in key_ids if key_id in verify_keys]
    if not known:
        return Verdict(False, f"no known key among the signatures of {server_name}")
    signatures: Mapping[str, object] = signed["signatures"][server_name]  # type: ignore[index]
    for key_id in known:
        if not is_valid_signature(message, signatures[key_id], verify_keys[key_id]):
            return Verdict(False, f"the signature of {server_name} with {key_id} does not match")
    return _VALID


def is_valid_signature(message: bytes, signature: object, verify_key: bytes) -> bool:
    """Is this (untrusted) base64 text an ed25519 signature of the message?"""
    # "4. Decodes the base64 encoded signature bytes. If base64 decoding fails then the check fails."
    if not isinstance(signature, str) or len(verify_key) != VERIFY_KEY_BYTES:
        return False
    try:
        decoded = decode_base64(signature)
        if len(decoded) != crypto_sign_BYTES:
            return False
        # "7. Checks the signature bytes against the encoded object using the verification key."
        crypto_sign_open(decoded + message, verify_key)
    except (ValueError, nacl.exceptions.BadSignatureError):
        return False
    return True
