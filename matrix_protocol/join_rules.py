"""Who may join a room, as the content of its `m.room.join_rules` says.

Spec: https://spec.matrix.org/v1.19/client-server-api/#mroomjoin_rules
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

INVITE: Final = "invite"
PRIVATE: Final = "private"
"""A "reserved keyword which is not implemented": no auth rule lets anybody in by it."""


def join_rule_of(content: Mapping[str, Any] | None) -> str:
    """The rule by name, known or not.

    NOTSPEC: the auth rules don't say what holds where there is no `m.room.join_rules` event, or no `join_rule` in it;
    "invite", as every server has it. What is no string, or empty, lets nobody in: "private".
    """
    join_rule = INVITE if content is None else content.get("join_rule", INVITE)
    return join_rule if isinstance(join_rule, str) and join_rule else PRIVATE
