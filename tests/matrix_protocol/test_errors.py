"""Every errcode once, and errors that travelled."""

from __future__ import annotations

import pytest

from matrix_protocol import errors
from matrix_protocol.errors import MatrixError, error_from

# Every errcode that the text or the OpenAPI files of the specification (v1.19) name, but
# for the identity service's own and `M_EXAMPLE_ERROR`.
SPECIFIED = """
M_APPSERVICE_LOGIN_UNSUPPORTED M_BAD_ALIAS M_BAD_JSON M_BAD_STATE M_BAD_STATUS M_CANNOT_LEAVE_SERVER_NOTICE_ROOM
M_CANNOT_OVERWRITE_MEDIA M_CAPTCHA_INVALID M_CAPTCHA_NEEDED M_CONNECTION_FAILED M_CONNECTION_TIMEOUT
M_DUPLICATE_ANNOTATION M_EXCLUSIVE M_FORBIDDEN M_GUEST_ACCESS_FORBIDDEN M_INCOMPATIBLE_ROOM_VERSION M_INVALID_PARAM
M_INVALID_ROOM_STATE M_INVALID_SIGNATURE M_INVALID_USERNAME M_INVITE_BLOCKED M_KEY_TOO_LARGE M_LIMIT_EXCEEDED
M_MISSING_PARAM M_MISSING_TOKEN M_NOT_FOUND M_NOT_JSON M_NOT_YET_UPLOADED M_NO_VALID_SESSION M_PROFILE_TOO_LARGE
M_RESOURCE_LIMIT_EXCEEDED M_ROOM_IN_USE M_SERVER_NOT_TRUSTED M_SESSION_EXPIRED M_SESSION_NOT_VALIDATED
M_TERMS_NOT_SIGNED M_THREEPID_AUTH_FAILED M_THREEPID_DENIED M_THREEPID_IN_USE M_THREEPID_MEDIUM_NOT_SUPPORTED
M_THREEPID_NOT_FOUND M_TOKEN_INCORRECT M_TOO_LARGE M_UNABLE_TO_AUTHORISE_JOIN M_UNABLE_TO_GRANT_JOIN M_UNAUTHORIZED
M_UNKNOWN M_UNKNOWN_DEVICE M_UNKNOWN_TOKEN M_UNRECOGNIZED M_UNSUPPORTED_ROOM_VERSION M_URL_NOT_SET M_USER_DEACTIVATED
M_USER_IN_USE M_USER_LIMIT_EXCEEDED M_USER_LOCKED M_USER_SUSPENDED M_WEAK_PASSWORD M_WRONG_ROOM_KEYS_VERSION
"""


def test_every_errcode_of_the_specification_has_its_class() -> None:
    assert sorted({error.errcode for error in errors.all_errors()}) == SPECIFIED.split()


def test_classes_stand_in_alphabetical_order_of_their_errcodes() -> None:
    codes = [error.errcode for error in errors.all_errors()]
    assert codes == sorted(codes)


@pytest.mark.parametrize("kind", errors.all_errors(), ids=lambda kind: kind.__name__)
def test_error_that_travelled_is_the_same_again(kind: type[MatrixError]) -> None:
    sent = kind("why", detail=1)
    received = error_from(sent.errcode, sent.message, sent.http_status, sent.extra)
    assert type(received) is kind
    assert (received.http_status, received.body()) == (sent.http_status, sent.body())
    assert kind.__doc__
    assert 400 <= kind.http_status < 600


def test_body_has_errcode_message_and_further_members() -> None:
    error = errors.LimitExceeded("Slow down", retry_after_ms=5)
    assert error.body() == {"errcode": "M_LIMIT_EXCEEDED", "error": "Slow down", "retry_after_ms": 5}
    assert str(error) == "M_LIMIT_EXCEEDED: Slow down"


def test_unknown_errcode_is_kept() -> None:
    error = error_from("ORG_EXAMPLE_X", "what", 418)
    assert (error.errcode, error.http_status, error.body()["errcode"]) == ("ORG_EXAMPLE_X", 418, "ORG_EXAMPLE_X")
    assert MatrixError.errcode == "M_UNKNOWN"


def test_errcode_without_status_has_its_usual_one() -> None:
    assert error_from("M_FORBIDDEN", "no").http_status == 403
    assert type(error_from("M_UNKNOWN", "no")) is errors.Unknown
    assert type(error_from("M_UNRECOGNIZED", "no", 405)) is errors.UnrecognizedMethod


def test_status_of_another_server_is_kept() -> None:
    error = error_from("M_FORBIDDEN", "no", 401)
    assert (type(error), error.http_status) == (errors.Forbidden, 401)
    assert errors.Forbidden.http_status == 403
