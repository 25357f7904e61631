"""Watching the server: metrics, logs that know their request, traces.

    metrics   objects of prometheus_client, declared at the bottom of this file, so that one list names them all
    logs      the standard library's logging; `configure_logging` sets the format, context variables add the ids
    traces    `request_span` begins one (a listener does), `span` and `finished_span` go on with it

A trace travels as a W3C `traceparent` in commands and facts; "" means "not
sampled", and everything made from it is free: without an OTLP endpoint, and for
requests that were not sampled, `span` answers one shared object that does
nothing (0.2 µs). OpenTelemetry's SDK is imported only where an endpoint is set.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Mapping
from contextvars import ContextVar
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

from prometheus_client import Counter, Gauge, Histogram

from service_kit.config import LogSettings, TelemetrySettings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span as SdkSpan

Attributes = Mapping[str, str | int | float | bool]

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""Of the HTTP request that is being answered; in every log line of it."""


# --- traces ---------------------------------------------------------------------------------------------------------


class Span(Protocol):
    """A named stretch of work, used with `with`."""

    def __enter__(self) -> Span: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def set_attribute(self, name: str, value: str | int | float | bool) -> None: ...


class _NoSpan:
    __slots__ = ()

    def __enter__(self) -> Span:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def set_attribute(self, name: str, value: str | int | float | bool) -> None:
        return None


NO_SPAN: Span = _NoSpan()

_tracing: _Tracing | None = None


def request_span(name: str, traceparent: str = "") -> Span:
    """Begin a trace, or go on with the caller's; whether it is sampled is decided here."""
    return NO_SPAN if _tracing is None else _tracing.begin(name, traceparent)


def span(name: str, traceparent: str = "") -> Span:
    """A part of the trace that `traceparent` names, or else of the current one; nothing if there is none."""
    return NO_SPAN if _tracing is None else _tracing.part(name, traceparent)


def finished_span(name: str, traceparent: str, started_at_ns: int, attributes: Attributes | None = None) -> None:
    """Record a part after the fact, ending now: for work that one batch did for several requests."""
    if _tracing is not None and traceparent:
        _tracing.record(name, traceparent, started_at_ns, attributes)


def current_traceparent() -> str:
    """What to put into a command or fact; "" if nothing is sampled."""
    return "" if _tracing is None else _tracing.current()


def is_tracing() -> bool:
    """Whether spans may come to anything: for work that is only worth doing then."""
    return _tracing is not None


def now_ns() -> int:
    """The time that spans are measured by."""
    return time.time_ns()


def configure_tracing(settings: TelemetrySettings, component: str) -> None:
    """Send traces to the OTLP endpoint of the settings, if there is one. Once a process."""
    global _tracing
    if settings.otlp_endpoint and _tracing is None:
        _tracing = _Tracing(settings, component)


def stop_tracing() -> None:
    """Send what is waiting and forget the exporter; blocks up to some seconds."""
    global _tracing
    if _tracing is not None:
        _tracing.provider.shutdown()
        _tracing = None


class _Tracing:
    """The OpenTelemetry SDK behind the functions above."""

    def __init__(self, settings: TelemetrySettings, component: str) -> None:
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio

        self._trace = trace
        self.provider: TracerProvider = TracerProvider(
            resource=Resource.create({"service.name": "plexus", "service.instance.id": component}),
            sampler=ParentBasedTraceIdRatio(settings.trace_sample_ratio),
            shutdown_on_exit=False,
        )
        exporter = OTLPSpanExporter(endpoint=f"{settings.otlp_endpoint.rstrip('/')}/v1/traces", timeout=5)
        self.provider.add_span_processor(
            BatchSpanProcessor(exporter, max_queue_size=8192, schedule_delay_millis=1000, max_export_batch_size=512)
        )
        self._tracer = self.provider.get_tracer("plexus")

    def begin(self, name: str, traceparent: str) -> Span:
        parent = self._parent(traceparent)
        if parent is None:
            return _SdkSpan(self, self._tracer.start_span(name, kind=self._trace.SpanKind.SERVER))
        return _SdkSpan(self, self._tracer.start_span(name, parent, kind=self._trace.SpanKind.SERVER))

    def part(self, name: str, traceparent: str) -> Span:
        if traceparent:
            parent = self._parent(traceparent)
            return NO_SPAN if parent is None else _SdkSpan(self, self._tracer.start_span(name, parent))
        if not self._trace.get_current_span().get_span_context().trace_flags.sampled:
            return NO_SPAN
        return _SdkSpan(self, self._tracer.start_span(name))

    def record(self, name: str, traceparent: str, started_at_ns: int, attributes: Attributes | None) -> None:
        parent = self._parent(traceparent)
        if parent is not None:
            self._tracer.start_span(name, parent, attributes=attributes, start_time=started_at_ns).end()

    def current(self) -> str:
        context = self._trace.get_current_span().get_span_context()
        if not context.trace_flags.sampled:
            return ""
        return f"00-{context.trace_id:032x}-{context.span_id:016x}-01"

    def activate(self, sdk_span: SdkSpan) -> object:
        from opentelemetry import context

        return context.attach(self._trace.set_span_in_context(sdk_span))

    def deactivate(self, token: object) -> None:
        from opentelemetry import context

        context.detach(token)  # type: ignore[arg-type]

    def _parent(self, traceparent: str) -> Any:
        """The context of that traceparent; None if there is none or it is malformed (it may come from outside)."""
        parts = traceparent.split("-")
        if len(parts) < 4 or len(parts[1]) != 32 or len(parts[2]) != 16:
            return None
        try:
            trace_id, span_id, flags = int(parts[1], 16), int(parts[2], 16), int(parts[3], 16)
        except ValueError:
            return None
        if not trace_id or not span_id:
            return None
        remote = self._trace.SpanContext(
            trace_id, span_id, is_remote=True, trace_flags=self._trace.TraceFlags(flags & 1)
        )
        return self._trace.set_span_in_context(self._trace.NonRecordingSpan(remote))


class _SdkSpan:
    """One span of the SDK, current between `__enter__` and `__exit__`."""

    __slots__ = ("_span", "_token", "_tracing")

    def __init__(self, tracing: _Tracing, sdk_span: SdkSpan) -> None:
        self._tracing = tracing
        self._span = sdk_span
        self._token: object = None

    def __enter__(self) -> Span:
        self._token = self._tracing.activate(self._span)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._span.set_attribute("error.type", type(error).__name__)
        self._tracing.deactivate(self._token)
        self._span.end()

    def set_attribute(self, name: str, value: str | int | float | bool) -> None:
        self._span.set_attribute(name, value)


# --- logs -----------------------------------------------------------------------------------------------------------


def configure_logging(settings: LogSettings, component: str) -> None:
    """Log to standard error in the format of the settings."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(component) if settings.format == "json" else TextFormatter(component))
    logging.basicConfig(level=settings.level.upper(), handlers=[handler], force=True)
    # asyncio says at "info" which selector it uses.
    logging.getLogger("asyncio").setLevel(max(logging.WARNING, logging.getLogger().level))


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, component, logger, message, and the ids that are known."""

    def __init__(self, component: str) -> None:
        super().__init__()
        self._component = component

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": _iso_time(record.created),
            "level": record.levelname.lower(),
            "component": self._component,
            "logger": record.name,
            "message": record.getMessage(),
            **_ids(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


class TextFormatter(logging.Formatter):
    """A line for people; line breaks in messages (which may quote clients) cannot forge a second line."""

    def __init__(self, component: str) -> None:
        super().__init__()
        self._component = component

    def format(self, record: logging.LogRecord) -> str:
        ids = "".join(f" {name}={value}" for name, value in _ids().items())
        message = record.getMessage().replace("\n", "\\n").replace("\r", "\\r")
        line = f"{_iso_time(record.created)} {record.levelname:<7} {self._component} {record.name}: {message}{ids}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _iso_time(seconds: float) -> str:
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{whole}.{int(seconds % 1 * 1000):03d}Z"


def _ids() -> dict[str, str]:
    ids = {}
    if known := request_id.get():
        ids["request_id"] = known
    if traceparent := current_traceparent():
        ids["trace_id"] = traceparent.split("-")[1]
    return ids


# --- metrics --------------------------------------------------------------------------------------------------------

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

COMMANDS_RETRIED = Counter("plexus_commands_retried", "Commands sent again for want of an answer.", ["kind"])
SHARDS_OWNED = Gauge("plexus_shards_owned", "Shards that this process owns.", ["kind"])
SHARDS_TAKEN = Counter("plexus_shards_taken", "Shards that this process took over.", ["kind", "cause"])
HAND_OVER_SECONDS = Histogram(
    "plexus_hand_over_seconds", "How long nobody served a shard that was moved as planned.", ["kind"], buckets=_SECONDS
)
FACTS_COMMITTED = Counter("plexus_facts_committed", "Facts appended to ledgers.", ["kind"])
COMMIT_SECONDS = Histogram("plexus_commit_seconds", "One append of a batch to a ledger.", ["kind"], buckets=_SECONDS)
FACT_MESSAGES_RECEIVED = Counter("plexus_fact_messages_received", "Messages of shard owners to this consumer of facts.")
FACTS_RECEIVED = Counter("plexus_facts_received", "Facts in these messages; the others are heartbeats.")
FACT_GAPS_REPAIRED = Counter("plexus_fact_gaps_repaired", "Gaps in facts that were read from the ledger.", ["kind"])
CONSUMER_LAG = Gauge(
    "plexus_consumer_lag", "Facts that a group of consumers has not done its work for yet.", ["group", "shard"]
)
CONSUMER_FACTS = Counter("plexus_consumer_facts", "Facts that a group of consumers has read.", ["group"])
CONSUMER_REBUILDS = Counter(
    "plexus_consumer_rebuilds", "Ledgers that were gone before a group of consumers had read them.", ["group"]
)
BUS_MESSAGES_DROPPED = Counter("plexus_bus_messages_dropped", "Messages dropped because their consumer was too slow.")
ROOMS_IN_MEMORY = Gauge("plexus_rooms_in_memory", "Rooms that this process holds in memory.")
SYNCS_WAITING = Gauge("plexus_syncs_waiting", "Long polls of /sync that wait for something to happen.")
