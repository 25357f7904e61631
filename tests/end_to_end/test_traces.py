"""One send, seen from the request to the waiting /sync."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.end_to_end.client import Client
from tests.end_to_end.server import PlexusServer, wait_until
from tests.factories.otlp import Receiver

pytestmark = pytest.mark.slow
STEPS = {"sendMessage", "room command over the bus", "room command", "commit", "fact to waiting syncs"}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.mark.parametrize("options", [(), ("--processes",)], ids=["one_process", "processes"])
async def test_one_send_is_one_trace_through_every_component(
    tmp_path: Path, receiver: Receiver, options: tuple[str, ...]
) -> None:
    config = tmp_path / "plexus.yaml"
    config.write_text(f"telemetry: {{otlp_endpoint: '{receiver.url}', trace_sample_ratio: 1}}\n", "utf-8")
    server = PlexusServer(tmp_path, "--config", str(config), *options)
    try:
        server.start()
        async with Client(server.base_url) as alice, Client(server.base_url) as bob:
            await alice.register("alice")
            await bob.register("bob")
            room_id = await alice.create_room()
            await bob.join(room_id)
            since = (await bob.sync())["next_batch"]
            waiting = asyncio.create_task(bob.sync(since, timeout_ms=20_000))
            await alice.send(room_id, "traced", "1")
            await waiting
            spans = await asyncio.to_thread(wait_until, "the whole trace", lambda: trace_of_a_send(receiver.spans))
    finally:
        server.close()
    request = next(span for span in spans if span.name == "sendMessage")
    known = {span.span_id for span in spans}
    assert all(span.parent_span_id in known for span in spans if span is not request), "one tree"
    assert all(span.end_time_unix_nano >= span.start_time_unix_nano for span in spans)


def trace_of_a_send(spans: list[Span]) -> list[Span] | None:
    """All spans of the send's trace, once every step is among them."""
    for request in [span for span in spans if span.name == "sendMessage"]:
        trace = [span for span in spans if span.trace_id == request.trace_id]
        if {span.name for span in trace} >= STEPS:
            return trace
    return None
