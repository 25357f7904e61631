"""Server administration: who somebody is, locking and suspending accounts.

Administrators are made by the operator (`plexus user add --admin`, or registration by shared secret).
Spec: https://spec.matrix.org/v1.19/client-server-api/#server-administration
"""

from __future__ import annotations

from msgspec import Struct

from api_gateway.user_identifiers import is_our_user
from matrix_protocol.errors import Forbidden, InvalidParam, NotFound
from service_kit.hosted_servers import HostedServers
from service_kit.http.authentication import Caller
from service_kit.http.endpoint import endpoint
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.user_commands_pb2 import (
    Account,
    Device,
    GetAccount,
    ListDevices,
    SetModeration,
    UserCommand,
)


class LockRequest(Struct):
    locked: bool


class SuspendRequest(Struct):
    suspended: bool


@endpoint("GET", "/_matrix/client/v3/admin/whois/{userId}", operation="getWhoIs")
async def get_who_is(user_id: str, caller: Caller, hosted: HostedServers, users: CommandClient) -> dict[str, object]:
    """ "This API may be restricted to only be called by the user being looked up, or by a server admin." """
    if user_id != caller.user_id:
        _check_admin(caller)
    _check_ours(user_id, hosted)
    await users.user(user_id, UserCommand(get_account=GetAccount(user_id=user_id)))
    devices = (await users.user(user_id, UserCommand(list_devices=ListDevices(user_id=user_id)))).devices
    return {"user_id": user_id, "devices": {device.device_id: {"sessions": [_session(device)]} for device in devices}}


@endpoint("GET", "/_matrix/client/v1/admin/lock/{userId}", operation="getAdminLockUser")
async def get_admin_lock_user(
    user_id: str, caller: Caller, hosted: HostedServers, users: CommandClient
) -> dict[str, object]:
    return {"locked": (await _looked_up(user_id, caller, hosted, users)).locked}


@endpoint("PUT", "/_matrix/client/v1/admin/lock/{userId}", operation="setAdminLockUser")
async def set_admin_lock_user(
    user_id: str, body: LockRequest, caller: Caller, hosted: HostedServers, users: CommandClient
) -> dict[str, object]:
    return {
        "locked": (await _moderate(SetModeration(user_id=user_id, locked=body.locked), caller, hosted, users)).locked
    }


@endpoint("GET", "/_matrix/client/v1/admin/suspend/{userId}", operation="getAdminSuspendUser")
async def get_admin_suspend_user(
    user_id: str, caller: Caller, hosted: HostedServers, users: CommandClient
) -> dict[str, object]:
    return {"suspended": (await _looked_up(user_id, caller, hosted, users)).suspended}


@endpoint("PUT", "/_matrix/client/v1/admin/suspend/{userId}", operation="setAdminSuspendUser")
async def set_admin_suspend_user(
    user_id: str, body: SuspendRequest, caller: Caller, hosted: HostedServers, users: CommandClient
) -> dict[str, object]:
    command = SetModeration(user_id=user_id, suspended=body.suspended)
    return {"suspended": (await _moderate(command, caller, hosted, users)).suspended}


async def _looked_up(user_id: str, caller: Caller, hosted: HostedServers, users: CommandClient) -> Account:
    # "In order to prevent user enumeration, servers MUST ensure that authorisation is checked prior to trying to do
    # account lookups."
    _check_admin(caller)
    _check_ours(user_id, hosted)
    account = (await users.user(user_id, UserCommand(get_account=GetAccount(user_id=user_id)))).account
    if account.deactivated:
        raise NotFound("This account has been deactivated")
    # "403: The requesting user is not a server administrator, or the target user is another administrator."
    if account.admin and user_id != caller.user_id:
        raise Forbidden("This user is a server administrator")
    return account


async def _moderate(command: SetModeration, caller: Caller, hosted: HostedServers, users: CommandClient) -> Account:
    _check_admin(caller)
    _check_ours(command.user_id, hosted)
    if command.user_id == caller.user_id:
        raise Forbidden("You cannot lock or suspend yourself")
    return (await users.user(command.user_id, UserCommand(set_moderation=command))).account


def _check_admin(caller: Caller) -> None:
    if not caller.admin:
        raise Forbidden("Only server administrators may do this")


def _check_ours(user_id: str, hosted: HostedServers) -> None:
    if not is_our_user(user_id, hosted):
        raise InvalidParam("This user does not belong to this server")


def _session(device: Device) -> dict[str, object]:
    """One session a device: a new login with the same device replaces the former."""
    connection: dict[str, object] = {}
    if device.last_seen_ip:
        connection["ip"] = device.last_seen_ip
    if device.last_seen_ts_ms:
        connection["last_seen"] = device.last_seen_ts_ms
    return {"connections": [connection]}
