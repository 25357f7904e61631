"""Coroutines begun at once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from service_kit.ledger.begun import Begun, begin


async def steps(waits: list[Any], result: str) -> str:
    for wait in waits:
        await wait
    return result


async def test_what_never_waits_is_done_at_once() -> None:
    assert begin(steps([], "done")) == "done"
    ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    ready.set_result(None)
    assert begin(steps([ready], "done")) == "done"


async def test_what_waits_goes_on_where_it_is_awaited() -> None:
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    begun = begin(steps([asyncio.sleep(0), future, asyncio.sleep(0)], "done"))
    assert isinstance(begun, Begun)
    task = asyncio.ensure_future(steps([asyncio.sleep(0)], ""))
    asyncio.get_running_loop().call_soon(future.set_result, None)
    assert await begun == "done"
    await task


async def test_errors_and_cancellation_reach_the_coroutine() -> None:
    seen: list[str] = []

    async def notice(future: asyncio.Future[None]) -> str:
        try:
            await future
        except ValueError:
            return "failed"
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise
        return ""

    async def run(begun: str | Begun[str]) -> str:
        assert isinstance(begun, Begun)
        return await begun

    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    task = asyncio.ensure_future(run(begin(notice(future))))
    await asyncio.sleep(0)
    future.set_exception(ValueError())
    assert await task == "failed"
    other: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    task = asyncio.ensure_future(run(begin(notice(other))))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen == ["cancelled"]


async def test_an_early_error_is_raised_at_once() -> None:
    async def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        begin(fail())
