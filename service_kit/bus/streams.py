"""The catalogue of subjects: who publishes what to whom. No other file spells a subject.

| subject                  | from              | to                            | payload                          |
|--------------------------|-------------------|-------------------------------|----------------------------------|
| command.<kind>.<shard>   | gateways, others  | owner of the shard (request)  | Command -> Reply                 |
| interest.<kind>.<shard>  | consumers         | owner of the shard (request)  | InterestRequest -> InterestReply |
| fact.<consumer>          | shard owners      | that consumer                 | ConsumerMessage                  |
| head.<group>.<shard>     | shard owners      | who has it in that group      | LedgerHead                       |
| owner.<kind>             | new shard owners  | every consumer                | OwnerAnnouncement (shard, epoch) |
| token.revoked            | userserver        | every gateway and sync worker | TokenRevoked                     |
| presence.changed         | userserver        | every sync worker             | PresenceChanges                  |
| rates.drawn.<limit>      | gateways, sync    | every other of them           | RatesDrawn                       |
"""

from __future__ import annotations

from service_kit.shards import Shard

TOKEN_REVOKED = "token.revoked"
PRESENCE_CHANGED = "presence.changed"
_ONE_RECEIVER = ("command.", "interest.", "fact.", "head.")


def command(shard: Shard) -> str:
    return f"command.{shard.kind}.{shard.number}"


def interest(shard: Shard) -> str:
    return f"interest.{shard.kind}.{shard.number}"


def facts_for(consumer: str) -> str:
    return f"fact.{consumer}"


def ledger_head(shard: Shard) -> str:
    """`shard` is the group's: its `followed` one has new facts."""
    return f"head.{shard.kind}.{shard.number}"


def owner_announcements(kind: str) -> str:
    return f"owner.{kind}"


def rates_drawn(limit: str) -> str:
    return f"rates.drawn.{limit}"


def has_one_receiver(subject: str) -> bool:
    """Whether one process in the whole cluster waits for it: who owns a shard, a consumer, who has a group's shard."""
    return subject.startswith(_ONE_RECEIVER)
