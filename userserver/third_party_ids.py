"""The addresses that an account has. Whether they are anybody else's is decided in `addresses`."""

from __future__ import annotations

from matrix_protocol.errors import Forbidden
from service_kit.ledger.domain import Batch
from service_kit.rpc.pb.facts_pb2 import ThirdPartyId
from service_kit.rpc.pb.user_commands_pb2 import AddThirdPartyId, RemoveThirdPartyId, UserReply
from userserver.accounts import existing
from userserver.sessions import check_may_log_in
from userserver.tables import third_party_ids_json, third_party_ids_of
from userserver.users import User, Users


class ThirdPartyIds:
    def __init__(self, users: Users) -> None:
        self._users = users

    async def prepare(self, command: AddThirdPartyId | RemoveThirdPartyId) -> User:
        return existing(await self._users.load(command.user_id))

    def add(self, command: AddThirdPartyId, user: User, batch: Batch) -> UserReply:
        """The same again changes nothing."""
        account = existing(user).account
        check_may_log_in(account)
        assert account is not None
        new = command.third_party_id
        listed = third_party_ids_of(account)
        if _key(new) in map(_key, listed):
            return UserReply()
        if len(listed) >= command.third_party_ids_max:
            raise Forbidden(f"An account can have {command.third_party_ids_max} addresses: remove one first")
        new.added_at_ms = batch.now_ms
        self._users.record_account(
            batch, user, account._replace(third_party_ids_json=third_party_ids_json([*listed, new]))
        )
        return UserReply()

    def remove(self, command: RemoveThirdPartyId, user: User, batch: Batch) -> UserReply:
        account = existing(user).account
        assert account is not None
        listed = third_party_ids_of(account)
        kept = [each for each in listed if _key(each) != (command.medium, command.address)]
        if len(kept) < len(listed):
            self._users.record_account(batch, user, account._replace(third_party_ids_json=third_party_ids_json(kept)))
        return UserReply(matched=len(kept) < len(listed))


def _key(third_party_id: ThirdPartyId) -> tuple[str, str]:
    return third_party_id.medium, third_party_id.address
