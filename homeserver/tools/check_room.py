"""`plexus tools check-room`: is every event of a recorded room right, and is every resolution?

The resolutions are those of the kernels, as a server runs them: deltas of the common state in, changes out. Where the
file expects no result, the plain reference's is expected.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from random import Random
from statistics import median
from time import thread_time_ns
from typing import Any, TypeVar

from homeserver.tools.explain import Difference, explain, first_difference
from homeserver.tools.room_events import CheckedEvents, check_events
from homeserver.tools.room_file import RecordedResolution, RoomFile, UnusableRoomFile, read_room_file
from matrix_protocol.room_versions import RoomVersionRules, StateResolutionAlgorithm
from matrix_protocol.state_resolution import StateMap, resolve
from matrix_protocol.state_resolution.compact import CompactRoom
from matrix_protocol.state_resolution.resolver import Resolver, kernels_are_compiled, pack, warm_up

FAILURES_SHOWN_MAX = 20
MEASURED_RUNS = 5
"""Of each resolution by the kernels; their median counts."""
USAGE_ERROR = 2

_Value = TypeVar("_Value")
Run = Callable[[RecordedResolution], tuple[StateMap, float]]
"""The resolved state, and its CPU time in ms."""


@dataclass(frozen=True)
class ResolutionProblem:
    line: int
    differing_entries: int
    difference: Difference | None
    """None: it could not be resolved at all."""
    reasons: list[str]

    def as_json(self) -> dict[str, Any]:
        difference = None if self.difference is None else self.difference._asdict()
        return {
            "line": self.line,
            "differing_entries": self.differing_entries,
            "difference": difference,
            "reasons": self.reasons,
        }


@dataclass
class Report:
    engine: str
    room: RoomFile
    checked: CheckedEvents
    times_ms: list[float] = field(default_factory=list)
    problems: list[ResolutionProblem] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        return not self.checked.failures and not self.problems

    def figures(self) -> dict[str, int | float | None]:
        resolutions = len(self.room.resolutions)
        return {
            "events": len(self.room.events),
            "events_accepted": len(self.room.events) - len({failure.line for failure in self.checked.failures}),
            "resolutions": resolutions,
            "resolutions_equal": resolutions - len(self.problems),
            "ms_p50": round(median(self.times_ms), 4) if self.times_ms else None,
            "ms_max": round(max(self.times_ms), 4) if self.times_ms else None,
        }

    def details(self) -> dict[str, Any]:
        return {
            "room_version": self.room.rules.identifier,
            "room_id": self.room.room_id,
            "engine": self.engine,
            "failures": [failure._asdict() for failure in self.checked.failures],
            "differences": [problem.as_json() for problem in self.problems],
            "missing_prev_events": len(self.checked.missing_prev_event_ids),
        }


def run_check_room(name: str, *, as_json: bool, reference: bool, shuffle_seed: int | None) -> int:
    """Prints the report; returns the exit status: 0 all is well, 1 something is not, 2 the file is no room."""
    try:
        room = read_room_file(name)
    except UnusableRoomFile as error:
        print(f"plexus: {error}", file=sys.stderr)
        return USAGE_ERROR
    report = check_room(room, reference=reference, random=None if shuffle_seed is None else Random(shuffle_seed))
    if as_json:
        print(json.dumps({**report.figures(), "details": report.details()}))
    else:
        print(text(report), end="")
    return 0 if report.is_good else 1


def check_room(room: RoomFile, *, reference: bool, random: Random | None = None) -> Report:
    """`random`: in another order of events and state sets, which must not matter."""
    ranks = None if random is None else [random.random() for _ in room.events]
    checked = check_events(room, float if ranks is None else ranks.__getitem__)
    without_kernels = reference or room.rules.state_resolution is StateResolutionAlgorithm.V1
    run = _reference_run(checked, room.rules) if without_kernels else _kernels_run(checked, room.rules)
    engine = "plain reference" if without_kernels else "compiled kernels"
    if not without_kernels and not kernels_are_compiled():
        engine = "kernels without numba, which are slow"
    report = Report(engine, room, checked)
    for recorded in room.resolutions:
        resolution = recorded if random is None else _shuffled(recorded, random)
        problem = _check_resolution(resolution, run, report)
        if problem is not None:
            report.problems.append(problem)
    return report


def _check_resolution(recorded: RecordedResolution, run: Run, report: Report) -> ResolutionProblem | None:
    events, rules = report.checked.events, report.room.rules
    unusable = _unusable_entry(recorded, report.checked)
    if unusable is not None:
        return ResolutionProblem(recorded.line, 0, None, [f"it cannot be resolved: {unusable}"])
    got, ms = run(recorded)
    report.times_ms.append(ms)
    state_sets = [{**recorded.common, **entries} for entries in recorded.sets]
    if recorded.expected is None:
        expected: StateMap = resolve(state_sets, events, rules)
    else:
        expected = {**recorded.common, **recorded.expected}
    difference, count = first_difference(expected, got)
    if difference is None:
        return None
    return ResolutionProblem(recorded.line, count, difference, explain(difference, state_sets, events, rules))


def _unusable_entry(recorded: RecordedResolution, checked: CheckedEvents) -> str | None:
    """What makes the state sets none of this room."""
    for entries in (recorded.common, *recorded.sets):
        for key, event_id in entries.items():
            event = checked.events.get(event_id)
            if event is None:
                return f"{event_id} is not in the file, or was not accepted"
            if (event.type, event.state_key) != key:
                return f"{event_id} stands for {list(key)}, and is of {[event.type, event.state_key]}"
    return None


def _reference_run(checked: CheckedEvents, rules: RoomVersionRules) -> Run:
    def run(recorded: RecordedResolution) -> tuple[StateMap, float]:
        state_sets = [{**recorded.common, **entries} for entries in recorded.sets]
        start = thread_time_ns()
        resolved = resolve(state_sets, checked.events, rules)
        return resolved, (thread_time_ns() - start) / 1e6

    return run


def _kernels_run(checked: CheckedEvents, rules: RoomVersionRules) -> Run:
    warm_up()
    room, resolver = CompactRoom(rules), Resolver()
    for event in checked.events.values():
        if event.is_state:
            room.add(event)

    def run(recorded: RecordedResolution) -> tuple[StateMap, float]:
        snapshot = room.snapshot_of(recorded.common.values())
        deltas = [pack(room.delta_of(entries.values())) for entries in recorded.sets]
        times_ms = []
        for _ in range(MEASURED_RUNS):
            start = thread_time_ns()
            changes = resolver.resolve(room, snapshot, deltas, checked.events)
            times_ms.append((thread_time_ns() - start) / 1e6)
        return room.state_map(room.applied(snapshot, changes)), median(times_ms)

    return run


def _shuffled(recorded: RecordedResolution, random: Random) -> RecordedResolution:
    sets = [_shuffled_state(entries, random) for entries in _sample(recorded.sets, random)]
    return RecordedResolution(recorded.line, _shuffled_state(recorded.common, random), sets, recorded.expected)


def _shuffled_state(entries: StateMap, random: Random) -> StateMap:
    return dict(_sample(entries.items(), random))


def _sample(values: Iterable[_Value], random: Random) -> list[_Value]:
    listed = list(values)
    random.shuffle(listed)
    return listed


# --- in words --------------------------------------------------------------------------------------------------------


def text(report: Report) -> str:
    figures: Mapping[str, object] = report.figures()
    width = max(map(len, figures)) + 2
    lines = [f"{key:{width}}{'-' if value is None else value}" for key, value in figures.items()]
    lines.append(f"{'resolved by':{width}}{report.engine}")
    failures, problems = report.checked.failures, report.problems
    lines += [_one_line(f"{failed.event_id} (line {failed.line}) fails at {failed.step}: {failed.reason}")
              for failed in failures[:FAILURES_SHOWN_MAX]]  # fmt: skip
    lines += _more(len(failures), "events that fail")
    for problem in problems[:FAILURES_SHOWN_MAX]:
        lines += _problem_lines(problem)
    lines += _more(len(problems), "resolutions that differ")
    if report.checked.missing_prev_event_ids:
        lines.append(f"{len(report.checked.missing_prev_event_ids)} prev events are not in the file: a part of a room")
    return "\n".join(lines) + "\n"


def _more(count: int, what: str) -> list[str]:
    hidden = count - FAILURES_SHOWN_MAX
    return [f"… and {hidden} more {what}; --json has all"] if hidden > 0 else []


def _problem_lines(problem: ResolutionProblem) -> list[str]:
    difference = problem.difference
    if difference is None:
        return [_one_line(f"resolution of line {problem.line}: {problem.reasons[0]}")]
    key = json.dumps([difference.event_type, difference.state_key], ensure_ascii=False)
    lines = [f"resolution of line {problem.line}: {problem.differing_entries} entries differ, the first is {key}"]
    lines.append(f"  expected {difference.expected or 'no event'}, got {difference.got or 'no event'}")
    return [_one_line(line) for line in (*lines, *(f"  {reason}" for reason in problem.reasons))]


def _one_line(line: str) -> str:
    """Names in a file from elsewhere must not write to a terminal what they like."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in line)
