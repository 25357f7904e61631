"""CPU time and memory of process trees, read from /proc.

CPU per operation is the figure that survives a noisy machine; times are not.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def _stat_fields(pid: int) -> list[str] | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return text[text.rindex(")") + 2 :].split()


def process_tree(root_pids: Iterable[int]) -> set[int]:
    """These processes and all their descendants."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (fields := _stat_fields(int(entry))) is not None:
            children.setdefault(int(fields[1]), []).append(int(entry))
    found: set[int] = set()
    waiting = list(root_pids)
    while waiting:
        pid = waiting.pop()
        if pid not in found:
            found.add(pid)
            waiting += children.get(pid, [])
    return found


class ServerProcesses:
    """Everything that belongs to one server: its root processes with all their children."""

    def __init__(self, root_pids: list[int]) -> None:
        self.root_pids = root_pids

    def cpu_s(self) -> float:
        """User and system seconds so far, those of children that ended included."""
        ticks = 0
        for pid in process_tree(self.root_pids):
            if (fields := _stat_fields(pid)) is not None:
                ticks += sum(int(value) for value in fields[11:15])
        return ticks / TICKS_PER_S

    def memory_mib(self) -> tuple[float, float]:
        """(PSS, RSS) in MiB."""
        totals = {"Pss:": 0, "Rss:": 0}
        for pid in process_tree(self.root_pids):
            try:
                lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            except OSError:
                continue
            for line in lines:
                name, _, rest = line.partition(" ")
                if name in totals:
                    totals[name] += int(rest.split()[0])
        return totals["Pss:"] / 1024, totals["Rss:"] / 1024
