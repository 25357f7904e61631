"""What the auth rules look at in a state event, and what they answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

StateKey = tuple[str, str]
"""(event type, state key)"""


class Rejection(NamedTuple):
    """Why an event is not allowed. None stands for: it is."""

    reason: str


class AuthEvent(Protocol):
    """A state event, as far as the rules look at it. Any light object or NamedTuple will do."""

    @property
    def event_id(self) -> str: ...
    @property
    def sender(self) -> str: ...
    @property
    def state_key(self) -> str | None: ...
    @property
    def content(self) -> Mapping[str, Any]: ...
