"""Who may set a new password because they read the mails of an address: the account that has the address."""

from __future__ import annotations

from api_gateway.email_validation import RESET, EmailValidation
from api_gateway.third_party_ids import ThirdPartyIds
from api_gateway.user_interactive_auth import AuthData, StageFailed
from service_kit.http.authentication import Caller
from service_kit.rpc.pb.user_commands_pb2 import Address
from service_kit.third_party_ids import EMAIL


class PasswordReset:
    def __init__(self, validation: EmailValidation, third_party_ids: ThirdPartyIds) -> None:
        self._validation = validation
        self._third_party_ids = third_party_ids

    async def stage(self, auth: AuthData, server_name: str, caller: Caller | None) -> str:
        """The stage `m.login.email.identity`: answers the user ID. Raises StageFailed."""
        proven = await self._validation.stage(auth, RESET, server_name)
        address = Address(server_name=server_name, medium=EMAIL, address=proven["address"])
        user_id = await self._third_party_ids.owner_of(address)
        if user_id is None or (caller is not None and caller.user_id != user_id):
            raise StageFailed("M_UNAUTHORIZED", "This address does not belong to the account")
        return user_id

    async def end(self, auth: AuthData | None) -> None:
        """The mail was used."""
        await self._validation.end((auth or {}).get("threepid_creds"), RESET)
