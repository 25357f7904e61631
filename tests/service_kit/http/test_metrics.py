from __future__ import annotations

from prometheus_client.registry import CollectorRegistry

from service_kit.http.metrics import HttpMetrics


def test_durations_and_answers_are_counted_by_operation() -> None:
    metrics = HttpMetrics()
    for status, seconds in ((200, 0.0005), (200, 0.001), (404, 0.3), (200, 1000.0)):
        metrics.of("ban").observe(status, seconds)
    registry = CollectorRegistry()
    registry.register(metrics)

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(f"plexus_http_{name}", {"operation": "ban", **labels})

    assert value("answers_total", status="200") == 3
    assert value("answers_total", status="404") == 1
    assert value("request_seconds_bucket", le="0.001") == 2
    assert value("request_seconds_bucket", le="0.25") == 2
    assert value("request_seconds_bucket", le="0.5") == 3
    assert value("request_seconds_bucket", le="+Inf") == 4
    assert value("request_seconds_count") == 4
    assert value("request_seconds_sum") == 1000.3015


def test_operation_keeps_its_numbers_when_asked_for_again() -> None:
    metrics = HttpMetrics()
    assert metrics.of("ban") is metrics.of("ban")
