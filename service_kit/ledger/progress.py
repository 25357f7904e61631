"""How far a shard's ledger and tables are: what a domain asks of the owner that it serves."""

from __future__ import annotations

from typing import Protocol

from matrix_protocol.errors import Unavailable
from service_kit.ledger.leases import ShardHolder
from service_kit.ledger.owner import ShardOwner
from service_kit.shards import Shard


class Progress(Protocol):
    """The part of `service_kit.ledger.owner.ShardOwner` that domains need."""

    @property
    def committed_position(self) -> int:
        """The ledger holds everything through here."""
        ...

    @property
    def applied_position(self) -> int:
        """The tables hold everything through here."""
        ...

    async def wait_applied(self, position: int) -> None:
        """Until the tables hold everything through this position."""
        ...


class OwnersProgress:
    """`Progress` by way of the holder: a domain is made before its owner can be found."""

    def __init__(self, holder: ShardHolder, shard: Shard) -> None:
        self._holder = holder
        self._shard = shard
        self._owner: ShardOwner | None = None

    @property
    def committed_position(self) -> int:
        owner = self._find_owner()
        return 0 if owner is None else owner.committed_position

    @property
    def applied_position(self) -> int:
        owner = self._find_owner()
        return 0 if owner is None else owner.applied_position

    async def wait_applied(self, position: int) -> None:
        owner = self._find_owner()
        if owner is None:
            raise Unavailable("The part of the server that this belongs to is moving; try again")
        await owner.wait_applied(position)

    def _find_owner(self) -> ShardOwner | None:
        # Kept once found: the domain lives and ends with that owner, also while it is being handed over.
        if self._owner is None:
            self._owner = self._holder.owner_of(self._shard)
        return self._owner
