"""Logs that know their request, and spans that cost nothing until they are wanted."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest

from service_kit import telemetry
from service_kit.config import TelemetrySettings
from tests.factories.otlp import Receiver

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    telemetry.stop_tracing()
    receiver.close()


def configure(receiver: Receiver, ratio: float = 1.0) -> None:
    settings = TelemetrySettings(otlp_endpoint=receiver.url, trace_sample_ratio=ratio)
    telemetry.configure_tracing(settings, "api_gateway")


def test_without_an_endpoint_all_spans_are_the_same_object_that_does_nothing() -> None:
    telemetry.configure_tracing(TelemetrySettings(), "api_gateway")
    with telemetry.request_span("send", TRACEPARENT) as outer, telemetry.span("append", TRACEPARENT) as inner:
        outer.set_attribute("room_id", "!a")
        assert outer is inner is telemetry.NO_SPAN
        assert telemetry.current_traceparent() == ""
    telemetry.finished_span("commit", TRACEPARENT, telemetry.now_ns())
    assert not telemetry.is_tracing()


def test_a_trace_goes_on_over_the_bus(receiver: Receiver) -> None:
    configure(receiver)
    with telemetry.request_span("send", TRACEPARENT) as request:
        request.set_attribute("operation", "sendMessage")
        on_the_bus = telemetry.current_traceparent()
        with telemetry.span("command"):
            pass
    assert on_the_bus.startswith("00-0af7651916cd43dd8448eb211c80319c-")
    with telemetry.span("execute", on_the_bus):
        assert telemetry.current_traceparent() not in ("", on_the_bus)
    telemetry.finished_span("commit", on_the_bus, telemetry.now_ns() - 1_000_000, {"facts": 3})
    telemetry.stop_tracing()

    spans = {span.name: span for span in receiver.spans}
    assert set(spans) == {"send", "command", "execute", "commit"}
    assert {span.trace_id.hex() for span in spans.values()} == {"0af7651916cd43dd8448eb211c80319c"}
    assert spans["send"].parent_span_id.hex() == "b7ad6b7169203331"
    for part in ("command", "execute", "commit"):
        assert spans[part].parent_span_id == spans["send"].span_id
    assert spans["commit"].end_time_unix_nano - spans["commit"].start_time_unix_nano >= 1_000_000


def test_what_was_not_sampled_has_no_parts(receiver: Receiver) -> None:
    configure(receiver, ratio=0.0)
    with telemetry.request_span("send"):
        assert telemetry.current_traceparent() == ""
        assert telemetry.span("command") is telemetry.NO_SPAN
    telemetry.finished_span("commit", "", telemetry.now_ns())
    telemetry.stop_tracing()
    assert receiver.spans == []


@pytest.mark.parametrize(
    "malformed", ["", "x", "00-zz-b7ad6b7169203331-01", "00-" + "0" * 32 + "-b7ad6b7169203331-01", "00-1-2-3", "-" * 80]
)
def test_a_malformed_traceparent_from_outside_begins_a_new_trace(receiver: Receiver, malformed: str) -> None:
    configure(receiver)
    with telemetry.request_span("send", malformed):
        assert len(telemetry.current_traceparent()) == 55


def test_a_failure_is_marked_on_its_span(receiver: Receiver) -> None:
    configure(receiver)
    with pytest.raises(LookupError), telemetry.request_span("send"):
        raise LookupError
    telemetry.stop_tracing()
    (attribute,) = receiver.spans[0].attributes
    assert (attribute.key, attribute.value.string_value) == ("error.type", "LookupError")


def record(message: str, *arguments: object) -> logging.LogRecord:
    return logging.LogRecord("roomserver.input", logging.WARNING, "", 0, message, arguments, None)


def test_json_logs_are_one_object_a_line_with_the_request() -> None:
    token = telemetry.request_id.set("r-17")
    try:
        line = telemetry.JsonFormatter("roomserver-2").format(record("bad %s", "news\nnow"))
    finally:
        telemetry.request_id.reset(token)
    assert "\n" not in line
    parsed = json.loads(line)
    assert parsed.pop("time").endswith("Z")
    assert parsed == {
        "level": "warning",
        "component": "roomserver-2",
        "logger": "roomserver.input",
        "message": "bad news\nnow",
        "request_id": "r-17",
    }


def test_logs_of_a_traced_request_carry_its_trace_id(receiver: Receiver) -> None:
    configure(receiver)
    with telemetry.request_span("send", TRACEPARENT):
        line = json.loads(telemetry.JsonFormatter("api_gateway").format(record("hm")))
    assert line["trace_id"] == "0af7651916cd43dd8448eb211c80319c"


def test_a_client_cannot_forge_a_second_line_of_text_logs() -> None:
    line = telemetry.TextFormatter("api_gateway").format(record("room %s", "x\r\n2026-01-01T00:00:00Z ERROR"))
    assert len(line.splitlines()) == 1
