"""The load tests themselves: that thresholds fail a run, and that a short one goes through."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from loadtests.locustfiles.run import SCENARIOS
from loadtests.locustfiles.summary_text import text_of
from loadtests.locustfiles.thresholds import BY_SCENARIO, exceeded

ROOT = Path(__file__).parents[2]


def test_every_scenario_is_a_file_with_thresholds() -> None:
    files = {path.stem for path in (ROOT / "loadtests" / "locustfiles").glob("*.py")}
    assert set(SCENARIOS) <= files
    assert set(SCENARIOS) == set(BY_SCENARIO)


def test_one_lost_message_exceeds_a_threshold_of_every_scenario() -> None:
    for scenario in SCENARIOS:
        assert exceeded(scenario, {"CHECK message failures": 0}) == []
        assert exceeded(scenario, {"CHECK message failures": 1}) == ["CHECK message failures is 1, allowed: 0"]


def test_thresholds_can_be_given_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    figures = {"PUT /send p99_ms": 40.0}
    assert exceeded("steady_chat", figures) == []
    monkeypatch.setenv("LOADTEST_THRESHOLDS", '{"PUT /send p99_ms": 30}')
    assert exceeded("steady_chat", figures) == ["PUT /send p99_ms is 40, allowed: 30"]


def test_summary_names_what_was_exceeded() -> None:
    figures = dict.fromkeys((f"PUT /send {name}" for name in ("count", "failures", "p50_ms", "p95_ms", "p99_ms")), 1.0)
    text = text_of({"figures": figures, "errors": ["PUT /send: 503"], "exceeded": ["it was slow"]})
    assert "EXCEEDED: it was slow" in text
    assert "error: PUT /send: 503" in text
    assert "every threshold was kept" in text_of({"figures": figures, "errors": [], "exceeded": []})


@pytest.mark.slow
@pytest.mark.parametrize(("allowed_ms", "status"), [("60000", 0), ("0", 1)])
def test_a_short_run_checks_its_messages_and_fails_if_a_threshold_is_exceeded(
    tmp_path: Path, allowed_ms: str, status: int
) -> None:
    command = [sys.executable, "-m", "loadtests.locustfiles.run", "steady_chat", "--users", "4", "--spawn-rate", "4"]
    thresholds = json.dumps({"PUT /send p99_ms": float(allowed_ms)})
    done = subprocess.run(
        [*command, "--seconds", "6", "--replicas", "roomserver=1", "--out", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "LOADTEST_THRESHOLDS": thresholds, "LOADTEST_ROOMS": "5"},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == status, done.stdout + done.stderr
    summary = json.loads((tmp_path / "steady_chat.json").read_text())
    assert summary["figures"]["CHECK message count"] == summary["figures"]["PUT /send count"] > 0
    assert summary["figures"]["CHECK message failures"] == 0
    assert summary["figures"]["cpu_ms_per_operation"] > 0
    assert "CPU ms an operation" in (tmp_path / "steady_chat.html").read_text()
