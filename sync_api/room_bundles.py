"""What is bundled with the events at the end of a room's timeline, as the roomserver told it.

Facts only mark what has become old: it is asked for again when somebody needs it, which is when an answer leaves
events out ("when the relevant section has a `limited` value of `true`"). Plain messages and reactions change nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

from matrix_protocol.relations import ANNOTATION
from service_kit.rpc.pb.facts_pb2 import RoomEventFact
from service_kit.rpc.pb.room_queries_pb2 import Aggregations


class RoomBundles:
    """By position of the event; for the server itself, not for one of its users."""

    __slots__ = ("_known", "_stale", "bytes_held")

    def __init__(self) -> None:
        self._known: dict[int, Aggregations] = {}
        self._stale: set[int] = set()
        self.bytes_held = 0

    def get(self, position: int) -> Aggregations | None:
        return self._known.get(position)

    def stale(self, positions: Iterable[int]) -> list[int]:
        """Of these, those that must be asked for."""
        return [position for position in positions if position in self._stale] if self._stale else []

    def asking(self, positions: Iterable[int]) -> None:
        """What happens to these from now on makes them old again."""
        self._stale.difference_update(positions)

    def put(self, position: int, aggregations: Aggregations | None) -> None:
        """None: nothing is bundled with it."""
        self.drop(position)
        if aggregations is not None:
            self._known[position] = aggregations
            self.bytes_held += aggregations.ByteSize()

    def put_back(self, positions: Iterable[int]) -> None:
        """The asking failed."""
        self._stale.update(positions)

    def drop(self, position: int) -> None:
        """The event is no longer held."""
        if (former := self._known.pop(position, None)) is not None:
            self.bytes_held -= former.ByteSize()

    def apply(self, fact: RoomEventFact, timeline_after: int) -> None:
        """An event that relates to others, or a redaction. Of events up to `timeline_after` nothing is held."""
        changed = [relation.parent_position for relation in fact.relations if relation.rel_type != ANNOTATION]
        changed += [relation.parent_position for relation in fact.lost_relations]
        if fact.redacts_position in self._known:
            changed.append(fact.redacts_position)  # its edits are not bundled any more
        self._stale.update(position for position in changed if position > timeline_after)

    def forget_until(self, position: int) -> None:
        """Of events up to here nothing is held any more."""
        self.drop(position)
        self._stale.discard(position)
