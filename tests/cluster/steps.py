"""What goes wrong, step by step. Each is given the parts, and returns when the fault is over."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from tests.cluster.parts import Parts, stutter

PAUSE_S = 8.0
"""Longer than a lease (5 s): the shards have other owners when the worker comes back."""


class Step(NamedTuple):
    name: str
    act: Callable[[Parts], None]
    in_short_form: bool = True


def _nothing(parts: Parts) -> None:
    time.sleep(3)


def _kill_worker(component: str, parts: Parts) -> None:
    parts.kill_worker(component)
    time.sleep(1)
    parts.wait_for_workers()


def _pause_roomserver(parts: Parts) -> None:
    pid = parts.workers("roomserver")[0]
    os.kill(pid, signal.SIGSTOP)
    time.sleep(PAUSE_S)
    os.kill(pid, signal.SIGCONT)


def _kill_one_nats(parts: Parts) -> None:
    parts.nats.kill(0)
    time.sleep(3)
    parts.nats.start(0)


def _restart_all_nats(parts: Parts) -> None:
    parts.nats.kill()
    time.sleep(2)
    parts.nats.start()


def _kill_cassandra(parts: Parts, *numbers: int) -> None:
    parts.cassandra.kill(*numbers)
    time.sleep(3)
    parts.cassandra.start(*numbers)


def _stuttering_cassandra(parts: Parts) -> None:
    stutter(parts.cassandra, 1, 6)


def _slow_nats(parts: Parts) -> None:
    assert parts.toxiproxy is not None
    parts.toxiproxy.poison("latency", latency=300, jitter=50)
    time.sleep(8)
    parts.toxiproxy.cure()


def _broken_nats(parts: Parts) -> None:
    assert parts.toxiproxy is not None
    for _ in range(3):
        parts.toxiproxy.poison("reset_peer", timeout=200)
        time.sleep(2)
        parts.toxiproxy.cure()
        time.sleep(1)


def steps_for(parts: Parts, *, short: bool) -> list[Step]:
    """Those that can be done with these parts."""
    steps = [
        Step("nothing", _nothing, in_short_form=False),
        *(
            Step(f"kill -9 one {name}", partial(_kill_worker, name))
            for name in ("api_gateway", "sync_api", "roomserver", "userserver")
        ),
        Step(f"SIGSTOP one roomserver for {PAUSE_S:.0f} s", _pause_roomserver, in_short_form=False),
        Step("kill -9 one nats-server of three", _kill_one_nats, in_short_form=False),
        Step("kill -9 all nats-servers, start them again", _restart_all_nats),
    ]
    if parts.cassandra.count > 1:
        steps.append(Step("kill -9 one Cassandra node of three, start it again", lambda p: _kill_cassandra(p, 2)))
        steps.append(Step("kill -9 all Cassandra nodes, start them again", _kill_cassandra))
    else:
        steps.append(Step("kill -9 the Cassandra node, start it again", _kill_cassandra))
    steps.append(Step("a Cassandra node stutters", _stuttering_cassandra, in_short_form=False))
    if parts.toxiproxy is not None:
        steps.append(Step("300 ms on every link to NATS", _slow_nats, in_short_form=False))
        steps.append(Step("links to NATS are reset, three times", _broken_nats, in_short_form=False))
    return [step for step in steps if step.in_short_form or not short]
