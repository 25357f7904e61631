"""The caller's devices: listed, named, and, with the password once more, removed."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from api_gateway.password_stage import PasswordAuth
from api_gateway.user_commands import check_device_id, check_device_name, send_until_done
from matrix_protocol.errors import InvalidParam
from service_kit.http.authentication import Caller
from service_kit.http.endpoint import endpoint
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.user_commands_pb2 import DeleteDevices, Device, ListDevices, UpdateDevice, UserCommand

EMPTY = b"{}"
DEVICES_PER_REQUEST_MAX = 5000


class UpdateDeviceRequest(Struct):
    display_name: str | None = None


class DeleteDeviceRequest(Struct):
    auth: dict[str, Any] | None = None


class DeleteDevicesRequest(Struct):
    devices: list[str]
    auth: dict[str, Any] | None = None


@endpoint("GET", "/_matrix/client/v3/devices", operation="getDevices", guests=True)
async def get_devices(caller: Caller, users: CommandClient) -> dict[str, object]:
    return {"devices": [_shown(device) for device in await _devices(users, caller, "")]}


@endpoint("GET", "/_matrix/client/v3/devices/{deviceId}", operation="getDevice", guests=True)
async def get_device(device_id: str, caller: Caller, users: CommandClient) -> dict[str, object]:
    check_device_id(device_id)
    return _shown((await _devices(users, caller, device_id))[0])


@endpoint("PUT", "/_matrix/client/v3/devices/{deviceId}", operation="updateDevice", guests=True, suspended=True)
async def update_device(device_id: str, body: UpdateDeviceRequest, caller: Caller, users: CommandClient) -> bytes:
    check_device_id(device_id)
    check_device_name(body.display_name or "")
    command = UpdateDevice(user_id=caller.user_id, device_id=device_id, display_name=body.display_name)
    await users.user(caller.user_id, UserCommand(update_device=command))
    return EMPTY


@endpoint("DELETE", "/_matrix/client/v3/devices/{deviceId}", operation="deleteDevice", suspended=True)
async def delete_device(
    device_id: str, body: DeleteDeviceRequest, caller: Caller, users: CommandClient, password_auth: PasswordAuth
) -> bytes:
    check_device_id(device_id)
    await password_auth.demand(f"deleteDevice {device_id}", caller, body.auth)
    return await _delete(users, caller, [device_id])


@endpoint("POST", "/_matrix/client/v3/delete_devices", operation="deleteDevices", suspended=True)
async def delete_devices(
    body: DeleteDevicesRequest, caller: Caller, users: CommandClient, password_auth: PasswordAuth
) -> bytes:
    if len(body.devices) > DEVICES_PER_REQUEST_MAX:
        raise InvalidParam(f"At most {DEVICES_PER_REQUEST_MAX} devices at a time")
    await password_auth.demand("deleteDevices", caller, body.auth)
    return await _delete(users, caller, body.devices)


async def _devices(users: CommandClient, caller: Caller, device_id: str) -> list[Device]:
    command = ListDevices(user_id=caller.user_id, device_id=device_id)
    return list((await users.user(caller.user_id, UserCommand(list_devices=command))).devices)


async def _delete(users: CommandClient, caller: Caller, device_ids: list[str]) -> bytes:
    command = DeleteDevices(user_id=caller.user_id, device_ids=device_ids)
    await send_until_done(users, caller.user_id, UserCommand(delete_devices=command))
    return EMPTY


def _shown(device: Device) -> dict[str, object]:
    shown: dict[str, object] = {"device_id": device.device_id}
    if device.display_name:
        shown["display_name"] = device.display_name
    if device.last_seen_ts_ms:
        shown["last_seen_ts"] = device.last_seen_ts_ms
    if device.last_seen_ip:
        shown["last_seen_ip"] = device.last_seen_ip
    return shown
