"""The IDs of events that are to be sent later: the only file that makes or reads them.

    <number of the room's shard>_<32 characters of base64url>

The number tells whose owner to ask. An ID follows from the client's transaction, so that a repeated request has
the same one; it is no secret: only the event's sender can do anything with it.
"""

from __future__ import annotations

import re
import secrets
from base64 import urlsafe_b64encode
from hashlib import sha256

from service_kit.shards import ROOM, Shard, ShardMap

_DIGEST_BYTES = 24
_DELAY_ID = re.compile(r"(0|[1-9][0-9]{0,4})_[A-Za-z0-9_-]{32}", re.ASCII)


def new_delay_id(shard: Shard, *transaction: str) -> str:
    """`transaction` is whatever makes the client's request what it is; without any, the ID is like no other."""
    if transaction:
        named = b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in transaction)
        digest = sha256(named).digest()[:_DIGEST_BYTES]
    else:
        digest = secrets.token_bytes(_DIGEST_BYTES)
    return f"{shard.number}_{urlsafe_b64encode(digest).decode('ascii')}"


def shard_of_delay_id(delay_id: str, shards: ShardMap) -> Shard | None:
    """The shard that knows this ID; None: it cannot be one of this cluster."""
    match = _DELAY_ID.fullmatch(delay_id)
    if match is None or int(match[1]) >= shards.room_shards:
        return None
    return Shard(ROOM, int(match[1]))
