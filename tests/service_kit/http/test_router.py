from __future__ import annotations

import pytest

from matrix_protocol.errors import InvalidParam
from service_kit.http.router import DuplicateRoute, Router, parameters_of

STATE = "/_matrix/client/v3/rooms/{roomId}/state/{eventType}/{stateKey}"


def router(*paths: str) -> Router[str]:
    made: Router[str] = Router()
    for path in paths:
        made.add("GET", path, path)
    return made


def values(made: Router[str], path: str) -> tuple[str, ...] | None:
    match = made.match(path)
    return None if match is None else match.values


def test_values_of_parameters_come_in_order_and_decoded() -> None:
    made = router(STATE)
    path = "/_matrix/client/v3/rooms/%21a%3Ab.example/state/m.room.member/@c%3Ab.example"
    assert values(made, path) == ("!a:b.example", "m.room.member", "@c:b.example")


def test_encoded_slash_stays_in_its_segment() -> None:
    assert values(router(STATE), "/_matrix/client/v3/rooms/!a/state/x%2Fy/z") == ("!a", "x/y", "z")


def test_plus_sign_is_no_space() -> None:
    assert values(router("/a/{x}"), "/a/1+2") == ("1+2",)


def test_trailing_slash_is_ignored() -> None:
    made = router(STATE, "/_matrix/client/v3/rooms/{roomId}/state/{eventType}")
    assert values(made, "/_matrix/client/v3/rooms/!a/state/m.room.name/") == ("!a", "m.room.name")


def test_path_that_is_declared_with_a_trailing_slash_is_found_with_and_without_it() -> None:
    made = router("/_matrix/client/v3/pushrules/", "/_matrix/client/v3/pushrules/global/{kind}")
    assert values(made, "/_matrix/client/v3/pushrules/") == ()
    assert values(made, "/_matrix/client/v3/pushrules") == ()


def test_several_slashes_at_the_beginning_count_as_one() -> None:
    assert values(router(STATE), "///_matrix/client/v3/rooms/!a/state/b/c") == ("!a", "b", "c")


def test_what_is_encoded_twice_is_decoded_once() -> None:
    assert values(router("/a/{x}"), "/a/%2521b%252Fc") == ("%21b%2Fc",)


def test_r0_is_answered_as_v3() -> None:
    assert values(router(STATE), "/_matrix/client/r0/rooms/!a/state/b/c") == ("!a", "b", "c")


def test_fixed_segment_goes_before_parameter_and_parameter_is_tried_after_it() -> None:
    made = router("/a/{x}/b", "/a/fixed/c")
    assert values(made, "/a/fixed/c") == ()
    assert values(made, "/a/fixed/b") == ("fixed",)


def test_parameter_is_never_empty() -> None:
    assert values(router(STATE), "/_matrix/client/v3/rooms//state/b/c") is None


@pytest.mark.parametrize("path", ["/", "", "*", "/nothing", "/a/b/c/d", "a", "/a" * 40, "/a/" + "x" * 9000])
def test_unknown_path_matches_nothing(path: str) -> None:
    assert router("/a/{x}").match(path) is None


def test_path_that_is_not_utf8_is_an_invalid_parameter() -> None:
    with pytest.raises(InvalidParam):
        router("/a/{x}").match("/a/%ff")


def test_malformed_percent_encoding_is_taken_as_it_is() -> None:
    assert values(router("/a/{x}"), "/a/%zz%") == ("%zz%",)


def test_same_method_and_path_twice_is_refused_whatever_the_parameter_is_called() -> None:
    with pytest.raises(DuplicateRoute):
        router("/a/{x}", "/a/{y}")


def test_names_of_parameters() -> None:
    assert list(parameters_of(STATE)) == ["roomId", "eventType", "stateKey"]
