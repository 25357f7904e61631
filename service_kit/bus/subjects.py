"""Subjects and patterns as NATS defines them: tokens joined by dots, `*` for one token, a last `>` for the rest.

Spec: https://docs.nats.io/nats-concepts/subjects
"""

from __future__ import annotations

import re

_IS_VALID = re.compile(r"[^ \t\r\n]+").fullmatch


def is_valid(subject: str) -> bool:
    """Whether it can be sent; a line break in it would be another command to the server."""
    return _IS_VALID(subject) is not None


def is_valid_pattern(pattern: str) -> bool:
    """Whether it can be subscribed to."""
    tokens = pattern.split(".")
    return (
        is_valid(pattern)
        and all(token in ("*", ">") or (token != "" and not set(token) & {"*", ">"}) for token in tokens)
        and ">" not in tokens[:-1]
    )


def matches(pattern: str, subject: str) -> bool:
    if pattern == subject:
        return True
    wanted = pattern.split(".")
    tokens = subject.split(".")
    for index, token in enumerate(wanted):
        if token == ">":
            return len(tokens) > index
        if index >= len(tokens) or token not in ("*", tokens[index]):
            return False
    return len(wanted) == len(tokens)
