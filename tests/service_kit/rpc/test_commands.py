from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from matrix_protocol.errors import Forbidden, Unavailable
from service_kit.bus import streams
from service_kit.bus.interface import Message
from service_kit.bus.memory import MemoryBus
from service_kit.clock import ManualClock
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.errors import refusal
from service_kit.rpc.pb.commands_pb2 import Command, Reply
from service_kit.rpc.pb.room_commands_pb2 import ForgetRoom, RoomCommand, RoomReply
from service_kit.rpc.pb.user_commands_pb2 import LookUpToken, UserCommand, UserReply
from service_kit.shards import Shard, ShardMap
from tests.service_kit.ledger.counters import settle

SHARDS = ShardMap(4, 4)
ROOM_ID = "!r:x"
FORGET = RoomCommand(forget_room=ForgetRoom(user_id="@u:x"))
DONE = Reply(room=RoomReply(room_id=ROOM_ID)).SerializeToString()


class Scene:
    """A client, and an owner that answers as the test says."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.bus = MemoryBus(clock=self.clock)
        self.client_bus = self.bus.connect()
        self.client = CommandClient(self.client_bus, SHARDS, self.clock)
        self.commands: list[Command] = []

    async def owner(self, answer: Callable[[int], bytes | None], shard: Shard | None = None) -> None:
        """`answer` gets the number of the attempt, and answers nothing with None."""

        async def on_command(message: Message) -> None:
            self.commands.append(Command.FromString(message.payload))
            reply = answer(len(self.commands))
            if reply is not None:
                await message.reply(reply)

        await self.bus.connect().subscribe(streams.command(shard or SHARDS.of_room(ROOM_ID)), on_command)

    def start(self, timeout_s: float = 30.0) -> asyncio.Task[RoomReply]:
        return asyncio.get_running_loop().create_task(self.client.room(ROOM_ID, FORGET, timeout_s=timeout_s))


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_reply_comes_back(scene: Scene) -> None:
    await scene.owner(lambda attempt: DONE)
    assert (await scene.client.room(ROOM_ID, FORGET)).room_id == ROOM_ID
    command = scene.commands[0]
    assert command.key == ROOM_ID
    assert command.room == FORGET
    assert command.deadline_at_ms == scene.clock.now_ms() + 30_000


async def test_each_command_has_an_id_of_its_own(scene: Scene) -> None:
    await scene.owner(lambda attempt: DONE)
    for _ in range(100):
        await scene.client.room(ROOM_ID, FORGET)
    assert len({command.command_id for command in scene.commands}) == 100
    assert {len(command.command_id) for command in scene.commands} == {16}


async def test_command_without_an_answer_is_sent_again_with_the_same_id(scene: Scene) -> None:
    await scene.owner(lambda attempt: DONE if attempt == 3 else None)
    asking = scene.start()
    await settle()
    await scene.clock.advance(5)
    assert (await asking).room_id == ROOM_ID
    assert len(scene.commands) == 3
    assert len({command.command_id for command in scene.commands}) == 1


@pytest.mark.parametrize("delay_s", [0.4, 1.3, 6.0])
async def test_answers_that_take_longer_than_attempts_are_apart_are_heard(scene: Scene, delay_s: float) -> None:
    answers = list[asyncio.Task[None]]()

    async def answer_late(message: Message) -> None:
        await scene.clock.sleep(delay_s)
        await message.reply(DONE)

    async def on_command(message: Message) -> None:
        answers.append(asyncio.create_task(answer_late(message)))

    await scene.bus.connect().subscribe(streams.command(SHARDS.of_room(ROOM_ID)), on_command)
    asking = scene.start()
    await settle()
    await scene.clock.advance(0.25)
    await scene.clock.advance(delay_s + 0.01)
    assert (await asking).room_id == ROOM_ID
    await scene.clock.advance(delay_s)
    await asyncio.gather(*answers)


async def test_command_is_sent_again_after_the_shard_moved_or_the_bus_broke(scene: Scene) -> None:
    await scene.owner(lambda attempt: DONE if attempt == 3 else Reply(moved=True).SerializeToString())
    scene.client_bus.disconnect()
    asking = scene.start()
    await settle()
    await scene.clock.advance(1)
    await scene.client_bus.reconnect()
    await scene.clock.advance(1)
    assert (await asking).room_id == ROOM_ID


async def test_refusal_is_raised_and_not_repeated(scene: Scene) -> None:
    await scene.owner(lambda attempt: refusal(Forbidden("No", reason="x")))
    with pytest.raises(Forbidden) as refused:
        await scene.client.room(ROOM_ID, FORGET)
    assert refused.value.message == "No"
    assert refused.value.extra == {"reason": "x"}
    assert len(scene.commands) == 1


@pytest.mark.parametrize("has_owner", [True, False])
async def test_after_its_deadline_a_command_is_unavailable(scene: Scene, has_owner: bool) -> None:
    if has_owner:
        await scene.owner(lambda attempt: None)
    asking = scene.start(timeout_s=5)
    await settle()
    await scene.clock.advance(4.9)
    assert not asking.done()
    await scene.clock.advance(0.2)
    with pytest.raises(Unavailable):
        await asking


async def test_command_goes_to_the_shard_that_is_named(scene: Scene) -> None:
    reply = Reply(user=UserReply(filter_id="f")).SerializeToString()
    await scene.owner(lambda attempt: reply, Shard("user", 3))
    look_up = UserCommand(look_up_token=LookUpToken(token_sha256=b"x"))
    assert (await scene.client.shard(Shard("user", 3), "", look_up)).filter_id == "f"
