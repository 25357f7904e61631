"""What operators and orchestrators ask a process: /metrics, /livez, /readyz, on a listener of its own.

/livez     200 while the event loop turns: if not, restart the process
/readyz    200 while every component of the process takes new work: if not, send it none
/metrics   Prometheus text
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest

from service_kit.clock import Clock
from service_kit.http.endpoint import Auth, Endpoint
from service_kit.http.rate_limits import RateLimits
from service_kit.http.request import Answer
from service_kit.http.server import HttpApplication

Readiness = Callable[[], Mapping[str, bool]]
"""Whether each component of this process is ready."""


def health_application(readiness: Readiness, clock: Clock) -> HttpApplication:
    """The three endpoints as an application."""

    async def live() -> Answer:
        return Answer(200, b'{"live":true}')

    async def ready() -> Answer:
        components = readiness()
        return Answer(200 if components and all(components.values()) else 503, {"components": dict(components)})

    async def metrics() -> Answer:
        return Answer(200, generate_latest(REGISTRY), ((b"content-type", CONTENT_TYPE_LATEST.encode()),))

    endpoints = [
        Endpoint("GET", "/livez", "live", live, auth=Auth.NONE, rate_limit=None),
        Endpoint("GET", "/readyz", "ready", ready, auth=Auth.NONE, rate_limit=None),
        Endpoint("GET", "/metrics", "metrics", metrics, auth=Auth.NONE, rate_limit=None),
    ]
    return HttpApplication(endpoints, {}, None, RateLimits({}, clock), clock=clock)
