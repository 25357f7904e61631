"""The end of a run: figures by endpoint, CPU an operation over all processes of the server, thresholds, exit status.

Imported by each scenario; hooks itself into Locust. On the master (or the only process) it prints the summary, writes
it to LOADTEST_SUMMARY if that is set, and ends the run with status 1 if a threshold is exceeded.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from locust import events
from locust.runners import WorkerRunner

from loadtests.cpu import ServerProcesses
from loadtests.locustfiles.summary_text import text_of
from loadtests.locustfiles.thresholds import exceeded

NOT_OPERATIONS = ("DELIVERY", "CHECK")


class Measuring:
    """CPU of the server's processes, if it runs on this machine: LOADTEST_PIDS names their roots."""

    def __init__(self) -> None:
        pids = [int(pid) for pid in os.environ.get("LOADTEST_PIDS", "").split(",") if pid]
        self._processes = ServerProcesses(pids) if pids else None
        self._before_s = 0.0

    def begin(self) -> None:
        if self._processes is not None:
            self._before_s = self._processes.cpu_s()

    def cpu_s(self) -> float | None:
        return None if self._processes is None else self._processes.cpu_s() - self._before_s


def figures_of(stats: Any, cpu_s: float | None) -> dict[str, float]:
    """By name; an endpoint's are count, failures, failure_share, p50_ms, p95_ms and p99_ms."""
    found: dict[str, float] = {}
    operations = 0
    for entry in stats.entries.values():
        name = f"{entry.method} {entry.name}" if entry.method in NOT_OPERATIONS else entry.name
        found[f"{name} count"] = entry.num_requests
        found[f"{name} failures"] = entry.num_failures
        found[f"{name} failure_share"] = entry.num_failures / max(1, entry.num_requests)
        for percent in (0.5, 0.95, 0.99):
            found[f"{name} p{round(percent * 100)}_ms"] = entry.get_response_time_percentile(percent) or 0
        if entry.method not in NOT_OPERATIONS:
            operations += entry.num_requests - entry.num_failures
    if cpu_s is not None:
        found["cpu_ms_per_operation"] = cpu_s * 1000 / max(1, operations)
    return found


def hook(scenario: str) -> None:
    """Once in each scenario's file."""
    measuring = Measuring()

    @events.test_start.add_listener
    def begin(environment: Any, **_: Any) -> None:
        measuring.begin()

    @events.quitting.add_listener
    def end(environment: Any, **_: Any) -> None:
        if isinstance(environment.runner, WorkerRunner):
            return
        figures = figures_of(environment.stats, measuring.cpu_s())
        problems = exceeded(scenario, figures)
        if not figures.get("CHECK message count") and figures.get("PUT /send count"):
            problems.append("messages were sent, and none was checked")
        errors = [
            f"{error.method} {error.name}: {error.error} ({error.occurrences}×)"
            for error in environment.stats.errors.values()
        ]
        summary = {"scenario": scenario, "figures": figures, "exceeded": problems, "errors": errors}
        if path := os.environ.get("LOADTEST_SUMMARY"):
            Path(path).write_text(json.dumps(summary, indent=2), "utf-8")
        print(text_of(summary))
        environment.process_exit_code = 1 if problems else 0
