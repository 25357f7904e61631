"""The rooms that growth is measured on: their resolutions are right, and the plot shows what was measured."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest

from loadtests.plot import Series, plot
from loadtests.resolution_growth import Cost, GrowingRoom, cost, draw
from matrix_protocol.state_resolution import resolve
from matrix_protocol.state_resolution.resolver import Resolver


@pytest.mark.slow
@pytest.mark.parametrize("version", ["11", "12"])
def test_measured_resolutions_equal_those_of_the_reference(version: str) -> None:
    room = GrowingRoom(version, members=60)
    branches = [room.branch(25) for _ in range(3)]
    snapshot = room.compact.snapshot_of(room.base.values())
    deltas = [room.compact.delta_of(changed.values()) for changed in branches]
    changes = Resolver().resolve(room.compact, snapshot, deltas, room.events)
    resolved = room.compact.state_map(room.compact.applied(snapshot, changes))
    assert resolved == resolve([room.base | changed for changed in branches], room.events, room.rules)
    measured = cost(room, snapshot, branches, fork_events=25, repeats=1)
    assert measured.cpu_us > 0
    assert measured.state_events == len(room.events)


def test_plot_has_a_line_for_each_size_and_a_place_for_each_point() -> None:
    costs = [Cost("11", members, 1, length, 2, 1, 3.0 * length) for members in (2, 9) for length in (10, 100)]
    svg = ElementTree.fromstring(draw(costs))
    assert len(svg.findall("{*}polyline")) == 2
    assert len(svg.findall("{*}circle")) == 4
    assert ElementTree.fromstring(plot([Series("<a>", [(1, 1), (5, 7)])], title="&", x="x", y="y")) is not None
