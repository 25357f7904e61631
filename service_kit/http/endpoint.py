"""Endpoints, declared once: method, path, operation, who may call, how often.

    @endpoint("POST", "/_matrix/client/v3/rooms/{roomId}/ban", operation="ban", rate_limit=MEMBERSHIP)
    async def ban(room_id: str, body: BanRequest, caller: Caller, rooms: CommandClient) -> bytes: ...

A handler names what it needs, and gets it by that name or type:

| parameter                          | is                                                                       |
|------------------------------------|--------------------------------------------------------------------------|
| `room_id: str`                     | the path's `{roomId}`                                                    |
| `body: BanRequest`                 | the JSON body, decoded and checked by msgspec (see `decoding`)           |
| `query: MembersQuery`              | the query parameters, converted into that Struct                         |
| `caller: Caller` (`Caller | None`) | who the access token belongs to                                          |
| `request: Request`                 | headers, raw body, client address, how long there is still time          |
| anything else                      | the provider of that type, given by the component when it was put together |

All this is worked out once, in `BoundEndpoint`, not for each request.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import typing
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from types import ModuleType
from typing import Any, TypeVar

from matrix_protocol.errors import GuestAccessForbidden, UserLocked, UserSuspended
from service_kit.http.authentication import Caller
from service_kit.http.decoding import Decoder, body_decoder, query_decoder
from service_kit.http.rate_limits import OTHER, RateLimit
from service_kit.http.request import BODY_BYTES_MAX
from service_kit.http.router import parameters_of

Handler = Callable[..., Awaitable[object]]
HandlerT = TypeVar("HandlerT", bound=Handler)
Providers = Mapping[Any, object]
"""By type (a class or a Protocol): what handlers may ask for."""

DEADLINE_S = 60.0
_DECLARATIONS = "__endpoints__"
_SNAKE = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


class Auth(Enum):
    """Whether an access token must come with the request."""

    NONE = "none"
    OPTIONAL = "optional"
    ACCESS_TOKEN = "access token"


class EndpointError(Exception):
    """An endpoint is declared wrongly: ours to fix, raised when the process starts."""


@dataclass(frozen=True)
class Endpoint:
    """One operation of the specification."""

    method: str
    path: str
    """As the specification writes it."""
    operation: str
    """The specification's operationId."""
    handler: Handler = field(compare=False)
    auth: Auth = Auth.ACCESS_TOKEN
    guests: bool = False
    """Whether guest accounts may call it."""
    locked: bool = False
    """Whether locked accounts may call it: to log out, nothing else."""
    suspended: bool = False
    """Whether suspended accounts may call it; whatever is a GET they may."""
    rate_limit: RateLimit | None = OTHER
    also_in: tuple[str, ...] = ()
    """Further files of the specification that describe this path, for what this handler does too."""
    aliases: tuple[str, ...] = ()
    """Further paths; parameters that they lack have defaults in the handler."""
    body_bytes_max: int = BODY_BYTES_MAX
    deadline_s: float | None = DEADLINE_S
    """After so long the handler is cancelled and the client told; None = it sets limits of its own."""
    long_poll: bool = False
    """Waits on purpose: cancelled when the client goes."""

    @property
    def paths(self) -> tuple[str, ...]:
        return (self.path, *self.aliases)

    def check_restrictions(self, caller: Caller) -> None:
        """Whether a guest, or somebody locked or suspended, may call it.

        Raises UserLocked, GuestAccessForbidden, UserSuspended.
        Spec: https://spec.matrix.org/v1.19/client-server-api/#account-moderation
        """
        if caller.locked and not self.locked:
            raise UserLocked("This account has been locked", soft_logout=True)
        if caller.guest and not self.guests:
            raise GuestAccessForbidden("Guests may not do this")
        if caller.suspended and not self.suspended and self.method != "GET":
            raise UserSuspended("You cannot perform this action while suspended")

    @property
    def module(self) -> str:
        """The file that declares it, which is named as the specification's."""
        return self.handler.__module__.rpartition(".")[2]


def endpoint(
    method: str,
    path: str,
    *,
    operation: str,
    auth: Auth = Auth.ACCESS_TOKEN,
    guests: bool = False,
    locked: bool = False,
    suspended: bool = False,
    rate_limit: RateLimit | None = OTHER,
    also_in: tuple[str, ...] = (),
    aliases: tuple[str, ...] = (),
    body_bytes_max: int = BODY_BYTES_MAX,
    deadline_s: float | None = DEADLINE_S,
    long_poll: bool = False,
) -> Callable[[HandlerT], HandlerT]:
    """Declare the function below as the handler of an operation; may be repeated for several operations."""

    def declare(handler: HandlerT) -> HandlerT:
        declaration = Endpoint(
            method=method,
            path=path,
            operation=operation,
            handler=handler,
            auth=auth,
            guests=guests,
            locked=locked,
            suspended=suspended,
            rate_limit=rate_limit,
            also_in=also_in,
            aliases=aliases,
            body_bytes_max=body_bytes_max,
            deadline_s=deadline_s,
            long_poll=long_poll,
        )
        setattr(handler, _DECLARATIONS, (*declarations_of(handler), declaration))
        return handler

    return declare


def declarations_of(handler: object) -> tuple[Endpoint, ...]:
    """What `@endpoint` declared for this function."""
    declared: tuple[Endpoint, ...] = getattr(handler, _DECLARATIONS, ())
    return declared


def collect(package: ModuleType | str) -> list[Endpoint]:
    """Import every module of a folder and gather its endpoints. Raises EndpointError if two are the same."""
    package = importlib.import_module(package) if isinstance(package, str) else package
    found: list[Endpoint] = []
    for module_info in sorted(pkgutil.iter_modules(package.__path__), key=lambda info: info.name):
        module = importlib.import_module(f"{package.__name__}.{module_info.name}")
        for value in vars(module).values():
            if getattr(value, "__module__", None) == module.__name__:
                found += declarations_of(value)
    _refuse_duplicates(found)
    return found


def _refuse_duplicates(endpoints: Iterable[Endpoint]) -> None:
    seen: dict[object, Endpoint] = {}
    for declaration in endpoints:
        keys: list[object] = [declaration.operation]
        keys += [(declaration.method, re.sub(r"{\w+}", "{}", path)) for path in declaration.paths]
        for key in keys:
            other = seen.setdefault(key, declaration)
            if other is not declaration:
                raise EndpointError(f"{key} is declared by {_name(declaration.handler)} and {_name(other.handler)}")


class BoundEndpoint:
    """An endpoint with its providers filled in, ready to be called."""

    __slots__ = ("call", "declaration", "decode_body", "decode_query", "wants_caller", "wants_request")

    def __init__(self, declaration: Endpoint, providers: Providers) -> None:
        handler = declaration.handler
        hints = typing.get_type_hints(handler)
        parameters = inspect.signature(handler).parameters
        path_names = {snake_case(name) for path in declaration.paths for name in parameters_of(path)}
        self.declaration = declaration
        self.wants_caller = "caller" in parameters
        self.wants_request = "request" in parameters
        self.decode_body: Decoder | None = body_decoder(hints["body"]) if "body" in parameters else None
        self.decode_query = query_decoder(hints["query"]) if "query" in parameters else None
        _check_paths(declaration, parameters)
        given = {
            name: _provider(declaration, name, hints.get(name), providers)
            for name in parameters
            if name not in path_names and name not in _FILLED_PER_REQUEST
        }
        self.call: Handler = partial(handler, **given) if given else handler
        if self.wants_caller and declaration.auth is Auth.NONE:
            raise EndpointError(f"{_name(handler)} asks for a caller, but needs no access token")

    def path_names(self, path: str) -> tuple[str, ...]:
        """The handler's names of the parameters of one of the paths."""
        return tuple(snake_case(name) for name in parameters_of(path))


_FILLED_PER_REQUEST = {"body", "query", "caller", "request"}


def _check_paths(declaration: Endpoint, parameters: Mapping[str, inspect.Parameter]) -> None:
    names_by_path = [{snake_case(name) for name in parameters_of(path)} for path in declaration.paths]
    for names in names_by_path:
        if missing := names - set(parameters):
            raise EndpointError(f"{_name(declaration.handler)} has no parameter {', '.join(sorted(missing))}")
        for name in set().union(*names_by_path) - names:
            if parameters[name].default is inspect.Parameter.empty:
                raise EndpointError(f"{_name(declaration.handler)}: {name} needs a default, an alias lacks it")


def _provider(declaration: Endpoint, name: str, wanted: object, providers: Providers) -> object:
    if wanted not in providers:
        raise EndpointError(f"{_name(declaration.handler)}: nothing provides {name}: {wanted}")
    return providers[wanted]


def _name(handler: Handler) -> str:
    return f"{handler.__module__}.{getattr(handler, '__qualname__', handler)}"


def snake_case(name: str) -> str:
    """`roomId` as `room_id`."""
    return _SNAKE.sub("_", name).lower()
