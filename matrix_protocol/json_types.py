"""What parsed JSON looks like to the type checker."""

from __future__ import annotations

from typing import Any

JsonObject = dict[str, Any]
