"""What is fuzzed. Each module has `fuzz_one(data)`, which raises nothing, whatever the bytes are."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

TARGETS = (
    "auth_rules",
    "canonical_json",
    "identifiers",
    "state_resolution",
    "stored_columns",
    "type_patterns",
    "untrusted_pdu",
)


def target(name: str) -> Callable[[bytes], None]:
    fuzz_one: Callable[[bytes], None] = import_module(f"{__name__}.{name}").fuzz_one
    return fuzz_one
