"""Addresses of accounts: added, removed, and whose they are.

Two shards take part: the address's says whose it is, the user's lists what they have.

    add      1 claim at the address's shard      2 list at the user's
    remove   1 take off the list                 2 release the claim that was there before

Whoever dies between the two leaves a claim that its user does not list. It counts for nothing, and after some minutes
(nobody can still be between the two) the address can be claimed by others.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from matrix_protocol.errors import MatrixError, NotFound, ThreepidInUse
from matrix_protocol.identifiers import server_name_of
from service_kit.clock import Clock
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.facts_pb2 import ThirdPartyId
from service_kit.rpc.pb.user_commands_pb2 import (
    Account,
    Address,
    AddressOwner,
    AddThirdPartyId,
    ClaimAddress,
    GetAccount,
    GetAddress,
    ReleaseAddress,
    RemoveThirdPartyId,
    UserCommand,
)
from service_kit.third_party_ids import shard_key

CLAIM_SETTLES_MS = 5 * 60 * 1000
"""A request has at most as long between the two steps."""
_logger = logging.getLogger(__name__)


class ThirdPartyIds:
    def __init__(self, users: CommandClient, clock: Clock, *, per_user_max: int) -> None:
        self._users = users
        self._clock = clock
        self._per_user_max = per_user_max

    async def owner_of(self, address: Address) -> str | None:
        """Whose it is, proven and not given up."""
        owner = await self._claimed(address)
        return owner.user_id if owner.user_id and await self._lists(owner.user_id, address) else None

    async def of_user(self, user_id: str) -> list[ThirdPartyId]:
        return list((await self._account(user_id)).third_party_ids)

    async def claim(self, address: Address, user_id: str) -> AddressOwner:
        """It is this user's from now on, or for some minutes. Raises ThreepidInUse."""
        command = ClaimAddress(address=address, user_id=user_id)
        try:
            return await self._send_claim(command)
        except ThreepidInUse:
            owner = await self._claimed(address)
            is_settled = owner.claimed_at_ms + CLAIM_SETTLES_MS <= self._clock.now_ms()
            if not is_settled or (owner.user_id and await self._lists(owner.user_id, address)):
                raise
            command.instead_of = owner.user_id
            return await self._send_claim(command)

    async def release(self, address: Address, claim: AddressOwner) -> None:
        """Give up this claim. Best effort: one that stays counts for nothing."""
        command = ReleaseAddress(address=address, user_id=claim.user_id, claimed_at_ms=claim.claimed_at_ms)
        try:
            await self._users.user(shard_key(address), UserCommand(release_address=command))
        except MatrixError as error:
            _logger.info("the claim of %s to an address stays for now: %s", claim.user_id, error.errcode)

    async def add(self, user_id: str, address: Address, validated_at_ms: int) -> None:
        """Raises ThreepidInUse, and Forbidden if the account has too many."""
        claim = await self.claim(address, user_id)
        proven = ThirdPartyId(medium=address.medium, address=address.address, validated_at_ms=validated_at_ms)
        command = AddThirdPartyId(user_id=user_id, third_party_id=proven, third_party_ids_max=self._per_user_max)
        try:
            await self._users.user(user_id, UserCommand(add_third_party_id=command))
        except MatrixError as error:
            if error.http_status < 500:  # else it may be listed after all
                await self.release(address, claim)
            raise

    async def remove(self, user_id: str, address: Address) -> None:
        """Does nothing if the user does not have it."""
        claim = await self._claimed(address)
        command = RemoveThirdPartyId(user_id=user_id, medium=address.medium, address=address.address)
        await self._users.user(user_id, UserCommand(remove_third_party_id=command))
        if claim.user_id == user_id:
            await self.release(address, claim)

    async def claims_of(self, user_id: str) -> list[tuple[Address, AddressOwner]]:
        """Of the addresses that the user lists."""
        server_name = server_name_of(user_id)
        addresses = [
            Address(server_name=server_name, medium=each.medium, address=each.address)
            for each in await self.of_user(user_id)
        ]
        claims = [(address, await self._claimed(address)) for address in addresses]
        return [(address, claim) for address, claim in claims if claim.user_id == user_id]

    async def release_all(self, claims: Iterable[tuple[Address, AddressOwner]]) -> None:
        for address, claim in claims:
            await self.release(address, claim)

    async def _send_claim(self, command: ClaimAddress) -> AddressOwner:
        key = shard_key(command.address)
        return (await self._users.user(key, UserCommand(claim_address=command))).address_owner

    async def _claimed(self, address: Address) -> AddressOwner:
        command = UserCommand(get_address=GetAddress(address=address))
        return (await self._users.user(shard_key(address), command)).address_owner

    async def _lists(self, user_id: str, address: Address) -> bool:
        try:
            account = await self._account(user_id)
        except NotFound:
            return False
        listed = {(each.medium, each.address) for each in account.third_party_ids}
        return not account.deactivated and (address.medium, address.address) in listed

    async def _account(self, user_id: str) -> Account:
        return (await self._users.user(user_id, UserCommand(get_account=GetAccount(user_id=user_id)))).account
