"""`PUT /sendToDevice/{eventType}/{txnId}`: messages for single devices, outside of rooms.

Recipients' user shards keep the messages (`userserver.to_device`); each does its part once, however often the
request is sent, so a client that was told of an error sends it again as it is.

Spec: https://spec.matrix.org/v1.19/client-server-api/#send-to-device-messaging
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import orjson
from msgspec import Struct

from api_gateway.checks import EMPTY
from matrix_protocol.errors import InvalidParam, TooLarge
from matrix_protocol.identifiers import exceeds_bytes, parse_user_id
from service_kit.hosted_servers import HostedServers
from service_kit.http.authentication import Caller
from service_kit.http.endpoint import endpoint
from service_kit.http.request import Request
from service_kit.limits import TO_DEVICE_CONTENT_BYTES_MAX, TO_DEVICE_MESSAGES_MAX, TO_DEVICE_TYPE_BYTES_MAX
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.user_commands_pb2 import SendToDevice, ToDeviceMessage, UserCommand
from service_kit.shards import Shard, ShardMap


class SendToDeviceBody(Struct):
    messages: dict[str, dict[str, dict[str, Any]]]
    """Contents by user ID and device ID; the device ID may be `*`, "meaning all known devices for the user"."""


@endpoint(
    "PUT", "/_matrix/client/v3/sendToDevice/{eventType}/{txnId}", operation="sendToDevice", suspended=True, guests=True
)
async def send_to_device(
    event_type: str,
    txn_id: str,
    body: SendToDeviceBody,
    caller: Caller,
    request: Request,
    users: CommandClient,
    shards: ShardMap,
    hosted_servers: HostedServers,
) -> bytes:
    if not event_type or exceeds_bytes(event_type, TO_DEVICE_TYPE_BYTES_MAX):
        raise InvalidParam(f"The type of a message has 1 to {TO_DEVICE_TYPE_BYTES_MAX} bytes")
    # "If the client sends messages to users on remote domains, those messages should be sent on to the remote servers
    #  via federation." NOTSPEC: this server does not federate yet, so there is nobody who could get them.
    messages = [
        message for message in _messages(body) if hosted_servers.is_ours(parse_user_id(message.user_id).server_name)
    ]
    command = SendToDevice(
        sender=caller.user_id, device_id=caller.device_id, client_txn_id=txn_id, event_type=event_type
    )
    sends = [
        _send(users, shard, command, of_shard, request.timeout_s)
        for shard, of_shard in _by_shard(messages, shards).items()
    ]
    await asyncio.gather(*sends)
    return EMPTY


async def _send(
    users: CommandClient, shard: Shard, request: SendToDevice, messages: list[ToDeviceMessage], timeout_s: float
) -> None:
    command = SendToDevice(messages=messages)
    command.MergeFrom(request)
    # In line with what the same sender sends to others there: messages of one device stay in order.
    await users.shard(shard, request.sender, UserCommand(send_to_device=command), timeout_s=timeout_s)


def _messages(body: SendToDeviceBody) -> list[ToDeviceMessage]:
    """Raises TooLarge, InvalidParam."""
    if sum(map(len, body.messages.values())) > TO_DEVICE_MESSAGES_MAX:
        raise TooLarge(f"At most {TO_DEVICE_MESSAGES_MAX} messages can be sent at once")
    found: list[ToDeviceMessage] = []
    for user_id, contents in body.messages.items():
        parse_user_id(user_id)
        for device_id, content in contents.items():
            content_json = orjson.dumps(content)
            if len(content_json) > TO_DEVICE_CONTENT_BYTES_MAX:
                raise TooLarge(f"A message may have {TO_DEVICE_CONTENT_BYTES_MAX} bytes")
            found.append(ToDeviceMessage(user_id=user_id, device_id=device_id, content_json=content_json))
    return found


def _by_shard(messages: Iterable[ToDeviceMessage], shards: ShardMap) -> dict[Shard, list[ToDeviceMessage]]:
    found: dict[Shard, list[ToDeviceMessage]] = {}
    for message in messages:
        found.setdefault(shards.of_user(message.user_id), []).append(message)
    return found
