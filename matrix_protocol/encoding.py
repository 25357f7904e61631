"""Unpadded base64, as Matrix writes binary values into JSON.

Spec: https://spec.matrix.org/v1.19/appendices/#unpadded-base64
"""

from __future__ import annotations

import binascii

_TO_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_FROM_URL_SAFE = bytes.maketrans(b"-_", b"+/")


def encode_base64(value: bytes) -> str:
    return binascii.b2a_base64(value, newline=False).rstrip(b"=").decode("ascii")


def encode_base64_url_safe(value: bytes) -> str:
    return binascii.b2a_base64(value, newline=False).rstrip(b"=").translate(_TO_URL_SAFE).decode("ascii")


def decode_base64(text: str) -> bytes:
    """Either alphabet, with padding or without. Raises ValueError on anything else."""
    standard = text.encode("ascii").translate(_FROM_URL_SAFE).rstrip(b"=")
    return binascii.a2b_base64(standard + b"=" * (-len(standard) % 4), strict_mode=True)
