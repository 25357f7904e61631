"""What goes wrong, and when: a seed has its own set of misfortunes (some have few, some have many)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

from tests.simulation.cluster import Cluster, Node, Place
from tests.simulation.trace import Trace


class Misfortunes:
    def __init__(
        self, cluster: Cluster, trace: Trace, rng: random.Random, *, chosen: list[str], every_s: float
    ) -> None:
        self._cluster = cluster
        self._trace = trace
        self._rng = rng
        self._every_s = every_s
        kinds: dict[str, Callable[[], None]] = {
            "kill": self._kill,
            "pause": self._pause,
            "drain": self._drain,
            "clock": self._clock,
            "bus line": self._bus_line,
            "bus silence": self._bus_silence,
            "bus server": self._bus_server,
            "store line": self._store_line,
            "store": self._store,
        }
        self._chosen = [kinds[name] for name in chosen]

    async def happen(self, until_s: float) -> None:
        loop, rng = self._cluster.loop, self._rng
        while self._chosen:
            await asyncio.sleep(rng.expovariate(1 / self._every_s))
            if loop.time() >= until_s:
                return
            rng.choice(self._chosen)()

    def end(self) -> None:
        """All is well again: lines, clocks, processes."""
        cluster = self._cluster
        cluster.database.is_up = True
        cluster.hub.start_server()
        for place in cluster.places:
            if place.node is None:
                cluster.start(place)
                continue
            node = place.node
            node.process.resume()
            node.process.skew_ms = 0
            node.line.is_silent = False
            node.store.is_cut_off = False
            cluster.hub.reconnect(node.line)

    # --- each of them

    def _any_place(self) -> Place:
        return self._rng.choice(self._cluster.places)

    def _any_node(self) -> Node | None:
        return self._any_place().node

    def _say(self, text: str) -> None:
        self._trace.add("fault", text)

    def _kill(self) -> None:
        place = self._any_place()
        if place.node is not None:
            self._say(f"{place.node.address} is killed")
            self._cluster.kill(place)
            self._cluster.loop.outside(self._rng.choice((0.05, 1.0, 7.0)), self._start, place)

    def _start(self, place: Place) -> None:
        self._cluster.start(place, under_another_name=self._rng.random() < 0.5)

    def _pause(self) -> None:
        node = self._any_node()
        if node is not None:
            seconds = self._rng.choice((0.3, 2.0, 5.5, 9.0))
            self._say(f"{node.address} hangs for {seconds} s")
            node.process.pause()
            self._cluster.loop.outside(seconds, node.process.resume)

    def _drain(self) -> None:
        node = self._any_node()
        if node is not None and node.is_ready:
            self._say(f"{node.address} is told to end")
            node.process.create_task(node.drain())

    def _clock(self) -> None:
        node = self._any_node()
        if node is not None:
            node.process.skew_ms = self._rng.choice((0, -300, 300, -4000, 4000, -20_000, 20_000))
            self._say(f"the clock of {node.address} jumps to {node.process.skew_ms} ms off")

    def _bus_line(self) -> None:
        node = self._any_node()
        if node is not None:
            self._say(f"{node.address} loses its connection to the bus")
            self._cluster.hub.disconnect(node.line)
            self._cluster.loop.outside(self._rng.choice((0.1, 1.0, 6.0)), self._cluster.hub.reconnect, node.line)

    def _bus_silence(self) -> None:
        node = self._any_node()
        if node is not None:
            self._say(f"nothing comes through between {node.address} and the bus")
            node.line.is_silent = True
            self._cluster.loop.outside(self._rng.choice((0.1, 1.0, 6.0)), setattr, node.line, "is_silent", False)

    def _bus_server(self) -> None:
        self._say("the bus is started again")
        self._cluster.hub.stop_server()
        self._cluster.loop.outside(self._rng.choice((0.05, 0.5, 2.0)), self._cluster.hub.start_server)

    def _store_line(self) -> None:
        node = self._any_node()
        if node is not None:
            self._say(f"{node.address} does not reach the store")
            node.store.is_cut_off = True
            self._cluster.loop.outside(self._rng.choice((0.2, 2.0, 7.0)), setattr, node.store, "is_cut_off", False)

    def _store(self) -> None:
        self._say("the store is away")
        self._cluster.database.is_up = False
        self._cluster.loop.outside(self._rng.choice((0.1, 1.0, 6.0)), setattr, self._cluster.database, "is_up", True)


KINDS = ("kill", "pause", "drain", "clock", "bus line", "bus silence", "bus server", "store line", "store")
