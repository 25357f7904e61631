"""The life of a service: start, ready, drain, stop."""

from __future__ import annotations

from typing import Protocol


class Service(Protocol):
    """One component as a running thing. The composition in `homeserver` starts and ends it."""

    name: str

    async def start(self) -> None:
        """Begin to serve. Returns when the service is ready, or raises and has released everything."""
        ...

    def is_ready(self) -> bool:
        """Whether new work may be sent here (readiness)."""
        ...

    async def drain(self) -> None:
        """Take no new work, hand over shards, finish what was begun, end long polls with their answer."""
        ...

    async def stop(self) -> None:
        """Release everything. Called after `drain`, also after a failed one."""
        ...
