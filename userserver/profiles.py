"""Profiles: one JSON object a user, of which clients set and remove single fields.

Spec: https://spec.matrix.org/v1.19/client-server-api/#profiles
"""

from __future__ import annotations

import orjson

from matrix_protocol.errors import NotFound, ProfileTooLarge
from service_kit.ledger.domain import Batch
from service_kit.rpc.pb.facts_pb2 import Fact, ProfileFact
from service_kit.rpc.pb.user_commands_pb2 import GetProfile, SetProfileField, UserReply
from userserver.accounts import existing
from userserver.users import User, Users

PROFILE_BYTES_MAX = 64 * 1024
"""“the total profile MUST be under 64 KiB”"""
SHOWN_IN_ROOMS = frozenset({"displayname", "avatar_url"})
"""What member events say of their users; `satellites.profiles` brings changes there."""


class Profiles:
    def __init__(self, users: Users) -> None:
        self._users = users

    async def prepare(self, command: GetProfile | SetProfileField) -> User:
        return await self._users.load_with_profile(command.user_id)

    def get(self, command: GetProfile, user: User, batch: Batch) -> UserReply:
        account = existing(user).account
        if account is None or account.deactivated:
            raise NotFound("There is no such user")
        return UserReply(json=orjson.dumps(user.profile))

    def set_field(self, command: SetProfileField, user: User, batch: Batch) -> UserReply:
        """Replies with the whole profile, and whether anything changed."""
        old = existing(user).profile or {}
        new = {name: value for name, value in old.items() if name != command.field}
        if not command.remove:
            new[command.field] = orjson.loads(command.value_json)
        profile_json = orjson.dumps(new)
        # A profile that is too large from before may still shrink.
        if not command.remove and len(profile_json) >= PROFILE_BYTES_MAX:
            raise ProfileTooLarge("Your profile would be larger than 64 KiB")
        # Compared as JSON: True == 1 in Python.
        changed = orjson.dumps(new, option=orjson.OPT_SORT_KEYS) != orjson.dumps(old, option=orjson.OPT_SORT_KEYS)
        if changed:
            fact = ProfileFact(
                profile_json=profile_json if new else b"", shown_in_rooms_changed=command.field in SHOWN_IN_ROOMS
            )
            self._users.record(batch, user, Fact(profile=fact))
        return UserReply(json=profile_json, matched=changed)
