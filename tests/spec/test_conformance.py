"""The hook in the tests' clients complains about what is not as specified, and names it."""

from __future__ import annotations

import orjson
import pytest

from tests.spec.conformance import V3, Exchange, check_exchange
from tests.spec.openapi import SpecificationError

HEADERS = {"access-control-allow-origin": "*", "content-type": "application/json"}
SEND = f"{V3}/rooms/!a:b/send/m.room.message/1"
MESSAGES = f"{V3}/rooms/!a:b/messages"
FORBIDDEN = {"errcode": "M_FORBIDDEN", "error": "No"}


def exchange(
    method: str, path: str, status: int, body: object, *, sent: object = None, headers: dict[str, str] = HEADERS
) -> Exchange:
    return Exchange(method, path, sent, status, headers, orjson.dumps(body))


@pytest.mark.parametrize(
    ("asked", "complaint"),
    [
        (exchange("PUT", SEND, 200, {}), "sendMessage: answer 200, at /: 'event_id' is a required property"),
        (exchange("PUT", SEND, 201, {"event_id": "$a"}), "there is no answer 201"),
        (exchange("PUT", SEND, 403, {"errcode": "M_FORBIDDEN"}), "no standard error response"),
        (exchange("PUT", SEND, 404, FORBIDDEN), "goes with status"),
        (exchange("PUT", SEND, 403, FORBIDDEN | {"errcode": "M_MADE_UP"}), "goes with status"),
        (exchange("PUT", SEND, 200, {"event_id": "$a"}, headers={}), "CORS"),
        (exchange("PUT", SEND, 500, {}, headers=HEADERS | {"content-type": "text/html"}), "must be a JSON object"),
        (exchange("GET", MESSAGES, 200, {"chunk": [], "start": "a"}), "the query parameter dir is required"),
        (exchange("GET", MESSAGES + "?dir=up", 200, {"chunk": [], "start": "a"}), "dir may not be"),
        (exchange("GET", MESSAGES + "?dir=b&limit=x", 200, {"chunk": [], "start": "a"}), "limit is no integer"),
        (exchange("POST", f"{V3}/rooms/!a:b/invite", 200, {}, sent={}), "request, at /: 'user_id'"),
    ],
)
def test_what_is_not_as_specified_is_told(asked: Exchange, complaint: str) -> None:
    with pytest.raises(SpecificationError, match=complaint):
        check_exchange(asked)


@pytest.mark.parametrize(
    "asked",
    [
        exchange("PUT", SEND, 200, {"event_id": "$a"}, sent={"body": "x"}),
        exchange("PUT", SEND.replace("v3", "r0"), 200, {"event_id": "$a"}),
        exchange("PUT", SEND, 403, FORBIDDEN),
        exchange("GET", MESSAGES + "?dir=b", 200, {"chunk": [], "start": "a"}),
        exchange("GET", f"{V3}/rooms/!a:b/state/m.room.name", 200, {"name": "Attic"}),
        exchange("GET", "/_synapse/whatever", 418, []),
    ],
)
def test_what_is_as_specified_passes(asked: Exchange) -> None:
    check_exchange(asked)
