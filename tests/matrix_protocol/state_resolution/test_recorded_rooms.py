"""Rooms with the results of an independent resolver."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadtests.state_resolution import Corpus, compact_room, read_corpus, state_map
from matrix_protocol.state_resolution import layout, resolve, rules
from matrix_protocol.state_resolution.compact import CompactRoom
from tests.matrix_protocol.state_resolution.test_kernels import resolved_by_kernels

DATA = Path(__file__).parent / "data"
ROOMS = sorted(path.name.partition(".")[0] for path in DATA.glob("*.gz"))


def corpus_of(name: str) -> Corpus:
    return read_corpus(DATA / f"{name}.jsonl.gz")


def differing(corpus: Corpus, room: CompactRoom, difference: int) -> list[int]:
    """Which resolutions the kernels have different results for; each is checked against the reference, too."""
    found = []
    for number, (common, recorded_sets, expected, _) in enumerate(corpus.resolutions):
        base = state_map(common)
        sets = [base | state_map(entries) for entries in recorded_sets]
        resolved = resolved_by_kernels(room, base, sets, corpus.events, difference)
        assert resolved == resolve(sets, corpus.events, corpus.rules)
        if resolved != base | state_map(expected):
            found.append(number)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", ROOMS)
@pytest.mark.parametrize("difference", [layout.DIFFERENCE_LOCAL, layout.DIFFERENCE_SWEEP])
def test_results_equal_the_independent_resolvers(name: str, difference: int) -> None:
    corpus = corpus_of(name)
    assert differing(corpus, compact_room(corpus), difference) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "expected"), [("v6-medium", [63]), ("v8-small", [33]), ("v11-small", [40]), ("v12-small", [])]
)
def test_auth_chains_without_the_event_differ_in_few(
    name: str, expected: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "AUTH_CHAINS_INCLUDE_EVENT", False)
    corpus = corpus_of(name)
    assert differing(corpus, compact_room(corpus), layout.DIFFERENCE_AUTO) == expected


@pytest.mark.parametrize("name", ["v3-small", "v12-small"])
def test_room_loaded_from_stored_columns_resolves_the_same(name: str) -> None:
    corpus = corpus_of(name)
    stored = []
    room = CompactRoom(corpus.rules)
    for event in corpus.events.values():
        if event.is_state:
            stored.append(room.add(event).to_bytes())
    assert differing(corpus, CompactRoom.load(corpus.rules, stored), layout.DIFFERENCE_AUTO) == []
