"""What a run must not exceed, by scenario; exceeding one ends Locust with exit status 1.

Times are of a small machine that runs the generator beside the server; give others by environment, for example
LOADTEST_THRESHOLDS='{"PUT /send p99_ms": 50}'.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping

ALWAYS: Mapping[str, float] = {
    "CHECK message failures": 0,
    "PUT /send failure_share": 0.001,
}
BY_SCENARIO: Mapping[str, Mapping[str, float]] = {
    "registration_wave": {"POST /register p99_ms": 20_000, "POST /register failure_share": 0},
    "steady_chat": {"PUT /send p99_ms": 1000, "DELIVERY message p99_ms": 2000, "cpu_ms_per_operation": 10},
    "big_room": {"PUT /send p99_ms": 2000, "DELIVERY message p99_ms": 5000},
    "sync_storm": {"GET /sync (initial) p99_ms": 30_000, "GET /sync (initial) failure_share": 0},
    # A gateway that dies breaks the connections it has: clients see that, and try again.
    "worker_loss": {"PUT /send p99_ms": 8000, "PUT /send failure_share": 0.05},
    "typing_receipts": {"PUT /typing p99_ms": 1000, "POST /receipt p99_ms": 1000},
}


def thresholds(scenario: str) -> dict[str, float]:
    given = json.loads(os.environ.get("LOADTEST_THRESHOLDS", "{}"))
    return {**ALWAYS, **BY_SCENARIO.get(scenario, {}), **given}


def exceeded(scenario: str, figures: Mapping[str, float]) -> list[str]:
    """A sentence for each. A figure that was not measured exceeds nothing, except for checks that never ran."""
    return [
        f"{name} is {figures[name]:g}, allowed: {most:g}"
        for name, most in thresholds(scenario).items()
        if name in figures and figures[name] > most
    ]
