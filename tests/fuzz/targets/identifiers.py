"""Any text as an identifier: each check answers, and the parts of a user ID make up the user ID again."""

from __future__ import annotations

from matrix_protocol.errors import InvalidParam
from matrix_protocol.identifiers import (
    IDENTIFIER_BYTES_MAX,
    is_valid_event_id,
    is_valid_new_localpart,
    is_valid_room_alias,
    is_valid_room_id,
    is_valid_server_name,
    is_valid_user_id,
    parse_user_id,
    server_name_of,
)

SIGILS = {"@": is_valid_user_id, "!": is_valid_room_id, "#": is_valid_room_alias, "$": is_valid_event_id}


def fuzz_one(data: bytes) -> None:
    text = _text(data)
    for sigil, is_valid in SIGILS.items():
        for identifier in (text, sigil + text):
            if is_valid(identifier):
                assert identifier.startswith(sigil)
                assert len(identifier.encode()) <= IDENTIFIER_BYTES_MAX
                assert ":" not in identifier or is_valid_server_name(server_name_of(identifier))
    _check_user_id("@" + text)
    if is_valid_new_localpart(text):
        assert is_valid_user_id(f"@{text}:a.example") or len(text) > IDENTIFIER_BYTES_MAX - len("@:a.example")


def _check_user_id(text: str) -> None:
    try:
        user_id = parse_user_id(text)
    except InvalidParam:
        assert not is_valid_user_id(text)
        return
    assert str(user_id) == text
    assert is_valid_server_name(user_id.server_name)


def _text(data: bytes) -> str:
    """Lone surrogates included: Python's own JSON parser lets them through."""
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return data.decode("utf-8", "replace")
