"""What a push rule does when it matches.

Spec: https://spec.matrix.org/v1.19/client-server-api/#actions
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

NOTIFY: Final = "notify"
SET_TWEAK: Final = "set_tweak"
HISTORICAL_ACTIONS: Final = frozenset({"dont_notify", "coalesce"})
"""The specification: "Clients and homeservers MUST ignore these actions". They count for nothing here, but are kept and
given back as they came: matrix-js-sdk lifts the muting of a room only if the room's rule still says `dont_notify`."""


class Outcome(NamedTuple):
    """What a user's rules say about an event."""

    notify: bool
    highlight: bool
    """False if there is no notification."""
    sound: str | None
    tweaks: Mapping[str, Any]
    """All of them, as they are sent to the push gateway, which may know more than `sound` and `highlight`."""
    rule_id: str | None
    """Of the rule that matched; None: no rule did, or the event is the user's own."""


NOTHING: Final = Outcome(False, False, None, MappingProxyType({}), None)


def outcome_of(rule_id: str, actions: object) -> Outcome:
    """What the actions of a rule amount to. Those that are malformed, historical or unknown count for nothing."""
    actions = actions if isinstance(actions, list) else []
    notify = NOTIFY in actions
    tweaks: dict[str, Any] = {}
    for action in actions:
        if isinstance(action, Mapping) and isinstance(name := action.get(SET_TWEAK), str):
            # "If a `highlight` tweak is given with no value, its value is defined to be `true`."
            tweaks[name] = action.get("value", True if name == "highlight" else None)
    sound = tweaks.get("sound")
    return Outcome(
        notify,
        # "If no highlight tweak is given at all then the value of `highlight` is defined to be false."
        notify and tweaks.get("highlight") is True,
        sound if notify and isinstance(sound, str) else None,
        MappingProxyType(tweaks),
        rule_id,
    )
