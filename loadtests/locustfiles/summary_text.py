"""The summary of a run, for people. Imports no Locust, which patches what it is imported into."""

from __future__ import annotations

from typing import Any


def text_of(summary: dict[str, Any]) -> str:
    figures: dict[str, float] = summary["figures"]
    names = [name.removesuffix(" count") for name in figures if name.endswith(" count")]
    lines = [f"{'':<26} {'COUNT':>8} {'FAILED':>7} {'P50 MS':>8} {'P95 MS':>8} {'P99 MS':>8}"]
    for name in sorted(names):
        row = [figures[f"{name} {what}"] for what in ("count", "failures", "p50_ms", "p95_ms", "p99_ms")]
        lines.append(f"{name:<26} {row[0]:>8.0f} {row[1]:>7.0f} {row[2]:>8.0f} {row[3]:>8.0f} {row[4]:>8.0f}")
    if "cpu_ms_per_operation" in figures:
        lines.append(f"CPU ms an operation, all processes of the server: {figures['cpu_ms_per_operation']:.2f}")
    lines += [f"error: {error}" for error in summary["errors"]]
    lines += [f"EXCEEDED: {problem}" for problem in summary["exceeded"]] or ["every threshold was kept"]
    return "\n".join(lines)
