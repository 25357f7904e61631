"""How many requests there are and how long they take, by operation.

Counted in plain lists, half a microsecond a request (prometheus_client's own
histograms take a lock for each number: 4 µs), and handed to its registry when
somebody asks.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator

from prometheus_client import REGISTRY
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class OperationMetrics:
    """Of one operation; written by the event loop's thread alone."""

    __slots__ = ("answers", "counts", "sum_s")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS_S) + 1)
        """of durations, by the bound that they do not exceed; the last one is for all longer ones"""
        self.sum_s = 0.0
        self.answers: dict[int, int] = {}
        """by HTTP status"""

    def observe(self, status: int, seconds: float) -> None:
        self.counts[bisect_left(BOUNDS_S, seconds)] += 1
        self.sum_s += seconds
        self.answers[status] = self.answers.get(status, 0) + 1

    def buckets(self) -> list[tuple[str, float]]:
        """As Prometheus has them: each bound with the number of all that do not exceed it."""
        total, found = 0, []
        for bound, count in zip((*map(str, BOUNDS_S), "+Inf"), self.counts, strict=True):
            total += count
            found.append((bound, float(total)))
        return found


class HttpMetrics(Collector):
    """Of all operations of this process."""

    def __init__(self) -> None:
        self._operations: dict[str, OperationMetrics] = {}

    def of(self, operation: str) -> OperationMetrics:
        return self._operations.setdefault(operation, OperationMetrics())

    def collect(self) -> Iterator[Metric]:
        seconds = HistogramMetricFamily(
            "plexus_http_request_seconds",
            "From the request's head to the answer handed to the transport, by operationId of the specification.",
            labels=["operation"],
        )
        answers = CounterMetricFamily(
            "plexus_http_answers", "Answers, by operationId and HTTP status.", labels=["operation", "status"]
        )
        for name, operation in list(self._operations.items()):
            seconds.add_metric([name], operation.buckets(), operation.sum_s)
            for status, count in list(operation.answers.items()):
                answers.add_metric([name, str(status)], count)
        yield seconds
        yield answers


HTTP_METRICS = HttpMetrics()
REGISTRY.register(HTTP_METRICS)
