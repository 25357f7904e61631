from __future__ import annotations

import sys
from types import ModuleType

import msgspec
import pytest

from service_kit.http.endpoint import (
    Auth,
    BoundEndpoint,
    EndpointError,
    collect,
    declarations_of,
    endpoint,
    snake_case,
)


class Rooms:
    pass


class Body(msgspec.Struct):
    reason: str = ""


@endpoint("POST", "/rooms/{roomId}/x/{eventType}", operation="x", aliases=("/rooms/{roomId}/x",))
async def handler(room_id: str, body: Body, rooms: Rooms, event_type: str = "") -> object:
    return room_id, body, rooms, event_type


async def test_providers_are_filled_in_by_type() -> None:
    rooms = Rooms()
    bound = BoundEndpoint(declarations_of(handler)[0], {Rooms: rooms})
    assert await bound.call(room_id="!a", body=Body()) == ("!a", Body(), rooms, "")


def test_missing_provider_is_found_when_the_component_is_put_together() -> None:
    with pytest.raises(EndpointError, match="rooms"):
        BoundEndpoint(declarations_of(handler)[0], {})


def test_handler_must_take_every_path_parameter() -> None:
    @endpoint("GET", "/rooms/{roomId}", operation="y")
    async def forgetful() -> object: ...

    with pytest.raises(EndpointError, match="room_id"):
        BoundEndpoint(declarations_of(forgetful)[0], {})


def test_parameter_that_an_alias_lacks_needs_a_default() -> None:
    @endpoint("GET", "/rooms/{roomId}", operation="y", aliases=("/rooms",))
    async def strict(room_id: str) -> object: ...

    with pytest.raises(EndpointError, match="default"):
        BoundEndpoint(declarations_of(strict)[0], {})


def test_caller_without_authentication_is_refused() -> None:
    @endpoint("GET", "/x", operation="y", auth=Auth.NONE)
    async def curious(caller: object) -> object: ...

    with pytest.raises(EndpointError, match="caller"):
        BoundEndpoint(declarations_of(curious)[0], {})


@pytest.mark.parametrize(("wire", "ours"), [("roomId", "room_id"), ("roomIdOrAlias", "room_id_or_alias"), ("x", "x")])
def test_names_become_snake_case(wire: str, ours: str) -> None:
    assert snake_case(wire) == ours


def package_with(monkeypatch: pytest.MonkeyPatch, **sources: str) -> ModuleType:
    package = ModuleType("invented")
    package.__path__ = ["invented"]
    monkeypatch.setitem(sys.modules, "invented", package)
    for name, source in sources.items():
        module = ModuleType(f"invented.{name}")
        exec("from service_kit.http.endpoint import endpoint\n" + source, module.__dict__)
        monkeypatch.setitem(sys.modules, module.__name__, module)

    class Found:
        def __init__(self, name: str) -> None:
            self.name = name

    monkeypatch.setattr("pkgutil.iter_modules", lambda _: [Found(name) for name in sources])
    return package


ONE = "@endpoint('GET', '/a/{x}', operation='one')\nasync def one(x): ..."


def test_endpoints_of_all_files_are_collected(monkeypatch: pytest.MonkeyPatch) -> None:
    package = package_with(monkeypatch, first=ONE, second=ONE.replace("/a", "/b").replace("one", "two"))
    assert [(found.operation, found.module) for found in collect(package)] == [("one", "first"), ("two", "second")]


@pytest.mark.parametrize("second", [ONE, ONE.replace("'one'", "'two'"), ONE.replace("/a", "/b")])
def test_same_operation_or_path_twice_is_refused(monkeypatch: pytest.MonkeyPatch, second: str) -> None:
    with pytest.raises(EndpointError, match="first"):
        collect(package_with(monkeypatch, first=ONE, second=second))
