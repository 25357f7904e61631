"""What a membership event says about its user: displayname and avatar_url of the profile."""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from matrix_protocol.errors import NotFound
from matrix_protocol.identifiers import parse_user_id
from service_kit.hosted_servers import HostedServers
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.user_commands_pb2 import GetProfile, UserCommand

MEMBER_FIELDS = ("displayname", "avatar_url")


async def profile_of_invited(
    users: CommandClient, hosted_servers: HostedServers, user_id: str, *, timeout_s: float
) -> dict[str, object]:
    """As `profile_of`; empty for users of other servers. Raises InvalidParam if it is no user ID."""
    is_ours = hosted_servers.is_ours(parse_user_id(user_id).server_name)
    return await profile_of(users, user_id, timeout_s=timeout_s) if is_ours else {}


async def profile_of(users: CommandClient, user_id: str, *, timeout_s: float) -> dict[str, object]:
    """The fields of a local user's profile that go into membership events; empty if there is no such user."""
    try:
        reply = await users.user(user_id, UserCommand(get_profile=GetProfile(user_id=user_id)), timeout_s=timeout_s)
    except NotFound:
        return {}
    profile = orjson.loads(reply.json) if reply.json else {}
    return {name: profile[name] for name in MEMBER_FIELDS if profile.get(name) is not None}


def member_content(profile: Mapping[str, object], **more: object) -> bytes:
    """The content of a membership event but for `membership`, as JSON; without what is None."""
    return orjson.dumps({**profile, **{name: value for name, value in more.items() if value is not None}})
