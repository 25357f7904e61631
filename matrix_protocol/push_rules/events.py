"""An event as push rules look at it: prepared once, judged by the rules of many users.

What one user's condition found out is remembered for the next one who has the
same: most conditions ask about the event or the room alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from matrix_protocol.event_auth.power_levels import PowerLevels
from matrix_protocol.globs import fold

ABSENT: Final = object()
"""The value of a property that the event doesn't have."""

PropertyPath = tuple[str, ...]


class Reader(NamedTuple):
    """Whose rules are evaluated."""

    user_id: str
    display_name: str | None = None
    """The one in this room."""


class PushEvent:
    """An event in client format, with what rules ask about its room. For one evaluation of all readers' rules.

    `levels` None: nobody may notify the whole room.
    """

    __slots__ = ("_event", "_folded", "_values", "known", "levels", "member_count", "room_id", "sender", "type")

    def __init__(self, event: Mapping[str, Any], room_id: str, member_count: int, levels: PowerLevels | None) -> None:
        self._event = event
        self.type = _text(event.get("type"))
        self.sender = _text(event.get("sender"))
        self.room_id = room_id
        self.member_count = member_count
        self.levels = levels
        self._values: dict[PropertyPath, object] = {("room_id",): room_id}
        self._folded: dict[PropertyPath, str | None] = {}
        self.known: dict[object, bool] = {}
        """By condition: does it hold? Only of conditions that are the same for every reader."""

    def value(self, path: PropertyPath) -> object:
        """The property's value, or ABSENT."""
        found = self._values.get(path, self)
        if found is self:
            found = self._values[path] = _walk(self._event, path)
        return found

    def folded(self, path: PropertyPath) -> str | None:
        """The property's value without case; None if it is no string."""
        if path not in self._folded:
            value = self.value(path)
            self._folded[path] = fold(value) if isinstance(value, str) else None
        return self._folded[path]


def property_path(key: str) -> PropertyPath:
    r"""The names in a dot-separated path.

    "any literal dot or backslash found in a property name should be escaped with a backslash […] Other escape sequences
    are left as-is, e.g. a `\x` would be treated as a literal backslash followed by 'x'."
    """
    if "\\" not in key:
        return tuple(key.split("."))
    names = [""]
    characters = iter(key)
    for character in characters:
        if character == "\\":
            following = next(characters, "")
            names[-1] += following if following in (".", "\\") else character + following
        elif character == ".":
            names.append("")
        else:
            names[-1] += character
    return tuple(names)


def _walk(value: object, path: PropertyPath) -> object:
    for name in path:
        if not isinstance(value, Mapping) or name not in value:
            return ABSENT
        value = value[name]
    return value


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
