"""Adding to the `unsigned` of an event's client JSON by cutting bytes: no parse, no serialisation.

Client JSON always ends with its `unsigned` object (`matrix_protocol.events.format`):

    {"content":…,"type":"m.room.message","unsigned":{}}
    {"content":…,"type":"m.room.message","unsigned":{"age":12}}
"""

from __future__ import annotations

_OPENING_BRACE = ord("{")


def with_unsigned(client_json: bytes, extra: bytes) -> bytes:
    """The event with more members in `unsigned`: `extra` is JSON without braces, `b'"age":12,"transaction_id":"x"'`.

    The names must not be there already.
    """
    if not extra:
        return client_json
    # The last brace ends the event, the one before it `unsigned`; if an opening brace precedes them, it is empty.
    if client_json[-3] == _OPENING_BRACE:
        return b"%b%b}}" % (client_json[:-2], extra)
    return b"%b,%b}}" % (client_json[:-2], extra)
