"""The parts of presence, which begin and end together."""

from __future__ import annotations

from typing import NamedTuple

from sync_api.presence.reports import PresenceReports
from sync_api.presence.spread import PresenceSpread
from sync_api.presence.table import PresenceTable


class Presence(NamedTuple):
    reports: PresenceReports
    table: PresenceTable
    spread: PresenceSpread

    async def start(self) -> None:
        self.reports.start()
        await self.spread.start()

    async def stop(self) -> None:
        await self.reports.stop()
        await self.spread.stop()
