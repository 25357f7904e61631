"""One long poll: what has happened since it last looked, and its sleep until then."""

from __future__ import annotations

import asyncio


class Waiter:
    """One request of /sync, from its first look at the views to its answer."""

    __slots__ = (
        "_event",
        "device_id",
        "expires_tick",
        "has_news",
        "is_over",
        "is_revoked",
        "of_same_user",
        "token_sha256",
    )

    def __init__(self, of_same_user: set[Waiter], token_sha256: bytes, device_id: str) -> None:
        self.of_same_user = of_same_user
        self.device_id = device_id
        self.token_sha256 = token_sha256
        """of the access token that it came with"""
        self.is_revoked = False
        """The access token has ended: nothing more may be told."""
        self.has_news = False
        self.is_over = False
        """Time is up, or the worker stops: answer with what there is."""
        self.expires_tick = 0
        self._event: asyncio.Future[None] | None = None

    async def wait(self) -> None:
        """Until there is news, or it is over."""
        if not self.has_news and not self.is_over:
            self._event = asyncio.get_running_loop().create_future()
            try:
                await self._event
            finally:
                self._event = None

    def wake(self) -> None:
        if self._event is not None and not self._event.done():
            self._event.set_result(None)

    def end(self) -> None:
        """Answer now, with whatever there is."""
        self.is_over = True
        self.wake()
