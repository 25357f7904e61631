"""Which devices sync here, told to the owners of their users' shards: at once when that is news, then every 20 s.

Cheap for a request (a look into a dictionary); a device counts as there while a request of it is being answered and
for a while after it. What a worker does not report any more, because it died or because the client went elsewhere,
expires at the owner.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection

from matrix_protocol.errors import MatrixError
from matrix_protocol.identifiers import server_name_of
from service_kit.clock import Clock
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.user_commands_pb2 import DevicePresence, ReportPresence, UserCommand
from service_kit.shards import Shard, ShardMap

TICK_S = 1.0
AGAIN_S = 20.0
"""Several times within the expiry at the owner."""
STAYS_S = 30.0
"""After its last request a device counts as there for so long: clients pause between two of them."""
REPORTED_AT_ONCE_MAX = 500
TIMEOUT_S = 10.0
OFFLINE = "offline"

_logger = logging.getLogger(__name__)


class _Device:
    __slots__ = ("active", "last_seen_s", "presence", "reported_at_s", "requests", "told")

    def __init__(self, presence: str) -> None:
        self.presence = presence
        self.told = ""
        """what was reported last, "" = nothing yet"""
        self.active = False
        self.requests = 0
        self.last_seen_s = 0.0
        self.reported_at_s = 0.0


class PresenceReports:
    def __init__(self, commands: CommandClient, shards: ShardMap, clock: Clock, server_names: Collection[str]) -> None:
        self._commands = commands
        self._shards = shards
        self._clock = clock
        self._server_names = server_names
        self._devices: dict[str, dict[str, _Device]] = {}
        """by user and device ID"""
        self._task: asyncio.Task[None] | None = None

    # --- requests and facts

    def begin(self, user_id: str, device_id: str, presence: str) -> None:
        """A request of /sync begins; `end` it. `presence` is its `set_presence`."""
        devices = self._devices.get(user_id)
        if devices is None:
            if presence == OFFLINE or server_name_of(user_id) not in self._server_names:
                return
            devices = self._devices[user_id] = {}
        device = devices.get(device_id)
        if device is None:
            if presence == OFFLINE:
                return
            device = devices[device_id] = _Device(presence)
        device.presence = presence
        device.requests += 1

    def end(self, user_id: str, device_id: str) -> None:
        device = self._devices.get(user_id, {}).get(device_id)
        if device is not None:
            device.requests = max(0, device.requests - 1)
            device.last_seen_s = self._clock.monotonic_s()

    def active(self, user_id: str) -> None:
        """The user has sent something."""
        for device in self._devices.get(user_id, {}).values():
            device.active = True

    # --- reports

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await self._clock.sleep(TICK_S)
            try:
                await self.report()
            except Exception:
                _logger.exception("presence could not be reported")

    async def report(self) -> None:
        due = self._due(self._clock.monotonic_s())
        reports = [
            self._send(shard, devices[first : first + REPORTED_AT_ONCE_MAX])
            for shard, devices in due.items()
            for first in range(0, len(devices), REPORTED_AT_ONCE_MAX)
        ]
        await asyncio.gather(*reports)

    def _due(self, now_s: float) -> dict[Shard, list[DevicePresence]]:
        due: dict[Shard, list[DevicePresence]] = {}
        for user_id, devices in list(self._devices.items()):
            for device_id, device in list(devices.items()):
                if not device.requests and now_s - device.last_seen_s > STAYS_S:
                    del devices[device_id]
                elif device.presence == device.told == OFFLINE:
                    continue
                elif device.presence != device.told or now_s - device.reported_at_s >= AGAIN_S:
                    due.setdefault(self._shards.of_user(user_id), []).append(
                        DevicePresence(
                            user_id=user_id, device_id=device_id, presence=device.presence, active=device.active
                        )
                    )
                    device.told, device.reported_at_s, device.active = device.presence, now_s, False
            if not devices:
                del self._devices[user_id]
        return due

    async def _send(self, shard: Shard, devices: list[DevicePresence]) -> None:
        report = UserCommand(report_presence=ReportPresence(devices=devices))
        try:
            await self._commands.shard(shard, devices[0].user_id, report, timeout_s=TIMEOUT_S)
        except MatrixError as error:
            _logger.info("presence of %d devices was not reported: %s", len(devices), error)
            for one in devices:
                if (device := self._devices.get(one.user_id, {}).get(one.device_id)) is not None:
                    device.told = ""
