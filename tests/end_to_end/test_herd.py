"""Everybody comes back at once after a kill -9: nobody is turned away for good."""

from __future__ import annotations

from argparse import Namespace

import pytest

from loadtests.herd import run

pytestmark = pytest.mark.slow


async def test_every_client_of_a_herd_has_its_sync_soon() -> None:
    summary = await run(Namespace(clients=60, rooms=6, rooms_a_user=3))
    assert set(summary["answers"]) <= {"200", "429"}
    assert summary["answers"]["200"] == 60
    assert summary["wait_s_max"] < 30
