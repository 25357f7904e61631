"""Devices: listed, named, removed with their tokens. They are made by logging in (`sessions`)."""

from __future__ import annotations

from matrix_protocol.errors import NotFound
from service_kit.ledger.domain import Batch
from service_kit.rpc.pb.facts_pb2 import Fact
from service_kit.rpc.pb.user_commands_pb2 import DeleteDevices, Device, ListDevices, UpdateDevice, UserReply
from userserver.sessions import remove_devices
from userserver.tables import DeviceRow, device_fact
from userserver.users import User, Users

NO_DEVICE = "You have no device with this ID"


class Devices:
    def __init__(self, users: Users) -> None:
        self._users = users

    async def prepare(self, command: ListDevices | UpdateDevice | DeleteDevices) -> User:
        return await self._users.load(command.user_id)

    def list_devices(self, command: ListDevices, user: User, batch: Batch) -> UserReply:
        return UserReply(devices=[_shown(row) for row in self._wanted(command, user)])

    def update(self, command: UpdateDevice, user: User, batch: Batch) -> UserReply:
        device = user.devices.get(command.device_id)
        if device is None:
            raise NotFound(NO_DEVICE)
        # "display_name: The new display name for this device. If not given, the display name is unchanged."
        if command.HasField("display_name") and command.display_name != device.display_name:
            renamed = device._replace(display_name=command.display_name)
            self._users.record(batch, user, Fact(device=device_fact(renamed)))
        return UserReply()

    def delete(self, command: DeleteDevices, user: User, batch: Batch) -> UserReply:
        return UserReply(more=remove_devices(self._users, batch, user, command.device_ids))

    def _wanted(self, command: ListDevices, user: User) -> list[DeviceRow]:
        if not command.device_id:
            return sorted(user.devices.values())
        if command.device_id not in user.devices:
            raise NotFound(NO_DEVICE)
        return [user.devices[command.device_id]]


def _shown(row: DeviceRow) -> Device:
    return Device(
        device_id=row.device_id,
        display_name=row.display_name,
        last_seen_ip=row.last_seen_ip or "",
        last_seen_ts_ms=row.last_seen_ts_ms or 0,
    )
