"""Random events that relate to each other, redactions and failovers: what is recorded is what a model says."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

import pytest

import roomserver.input.event_fact
import roomserver.input.relations
import roomserver.input.rows
import roomserver.queries.related
from matrix_protocol.errors import DuplicateAnnotation, NotRelatable
from roomserver.state import parents
from service_kit.rpc.pb.room_queries_pb2 import AggregationsRequest
from service_kit.rpc.queries import GET_AGGREGATIONS
from tests.roomserver.input.test_relations import related, relating, threads
from tests.roomserver.scene import ALICE, BOB, CAROL, Scene

USERS = (ALICE, BOB, CAROL)
REL_TYPES = ("m.annotation", "m.replace", "m.thread", "m.thread", "m.reference", "org.example.other")
KEYS = ("+1", "-1")


@dataclass
class Sent:
    event_id: str
    sender: str
    rel_type: str = ""
    parent: str = ""
    key: str = ""
    is_redacted: bool = False


@dataclass
class Model:
    """What the specification says, by going through all events each time."""

    events: list[Sent] = field(default_factory=list)

    def find(self, event_id: str) -> Sent:
        return next(event for event in self.events if event.event_id == event_id)

    def verdict(self, sender: str, rel_type: str, parent: Sent, key: str) -> type[Exception] | bool:
        """Whether the relation counts, or is refused."""
        of_parent = "" if parent.is_redacted else parent.rel_type
        if rel_type == "m.thread":
            return NotRelatable if of_parent else True
        if rel_type == "m.replace":
            return sender == parent.sender and of_parent != "m.replace"
        if rel_type == "m.annotation":
            if of_parent in ("m.annotation", "m.replace"):
                return False
            same = (sender, rel_type, parent.event_id, key)
            made = [(e.sender, e.rel_type, e.parent, e.key) for e in self.events if not e.is_redacted]
            return DuplicateAnnotation if same in made else True
        return True

    def children(self, event_id: str, rel_type: str = "") -> list[str]:
        """Oldest first."""
        return [
            event.event_id
            for event in self.events
            if event.parent == event_id and not event.is_redacted and rel_type in ("", event.rel_type)
        ]

    def descendants(self, event_id: str) -> list[str]:
        level, found = [event_id], set[str]()
        for _ in range(3):
            level = [child for parent in level for child in self.children(parent)]
            found.update(level)
        return [event.event_id for event in self.events if event.event_id in found]

    def threads(self) -> list[str]:
        """By their latest reply, the latest first."""
        found: dict[str, None] = {}
        for event in reversed(self.events):
            if event.rel_type == "m.thread" and not event.is_redacted:
                found.setdefault(event.parent)
        return list(found)


async def bundled_as_recorded(scene: Scene, room_id: str, event_id: str) -> tuple[str, str, int, list[str]]:
    """Edit, latest reply, number of replies, references."""
    position = (await scene.event(room_id, event_id)).position
    request = AggregationsRequest(room_id=room_id, positions=[position])
    async for chunk in scene.asker.stream(GET_AGGREGATIONS, request):
        for entry in chunk.entries:
            made = entry.aggregations
            return made.edit.event_id, made.latest_reply.event_id, made.replies, list(made.reference_event_ids)
    return "", "", 0, []


def bundled_in_model(model: Model, event_id: str) -> tuple[str, str, int, list[str]]:
    edits, replies = model.children(event_id, "m.replace"), model.children(event_id, "m.thread")
    shown = edits and not model.find(event_id).is_redacted
    # The clock stands still: of edits of one time, the largest ID is the most recent.
    return (
        max(edits) if shown else "",
        replies[-1] if replies else "",
        len(replies),
        model.children(event_id, "m.reference"),
    )


async def one_step(scene: Scene, room_id: str, model: Model, random: Random) -> None:
    sender = random.choice(USERS)
    if not model.events or random.random() < 0.15:
        model.events.append(Sent(await scene.send(sender, room_id), sender))
        return
    # Lately sent ones and the first ones, so that chains and popular events come about.
    target = random.choice([*model.events[:3], *model.events[-6:]])
    if random.random() < 0.2:
        await scene.redact(ALICE, room_id, target.event_id)
        target.is_redacted = True
        return
    rel_type = random.choice(REL_TYPES)
    key = random.choice(KEYS) if rel_type == "m.annotation" else ""
    verdict = model.verdict(sender, rel_type, target, key)
    content = relating(rel_type, target.event_id, **({"key": key} if key else {}))
    if isinstance(verdict, bool):
        event_id = await scene.send(sender, room_id, content)
        # An event whose relation does not count still has it in its content: no thread starts there.
        model.events.append(Sent(event_id, sender, rel_type, target.event_id if verdict else "", key))
    else:
        with pytest.raises(verdict):
            await scene.send(sender, room_id, content)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
async def test_what_is_recorded_is_what_the_model_says(
    scene: Scene, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (roomserver.input.relations, roomserver.queries.related):
        monkeypatch.setattr(module, "RELATIONS_CHUNK", 3)
    for module in (roomserver.input.event_fact, roomserver.input.rows):
        monkeypatch.setattr(module, "BUCKET_EVENTS_MAX", 7)
    monkeypatch.setattr(parents, "PARENTS_MAX", 4)
    random, model = Random(seed), Model()
    room_id = await scene.create_room(preset="public_chat")
    for user_id in USERS[1:]:
        await scene.join(user_id, room_id)
    for number in range(80):
        await one_step(scene, room_id, model, random)
        if number % 30 == 29:
            await scene.fail_over()
        if number % 20 != 19:
            continue
        assert await threads(scene, room_id) == model.threads()
        for event in model.events:
            event_id = event.event_id
            assert await related(scene, room_id, event_id) == model.children(event_id)
            assert await related(scene, room_id, event_id, recurse=True) == model.descendants(event_id)
            assert await bundled_as_recorded(scene, room_id, event_id) == bundled_in_model(model, event_id)
