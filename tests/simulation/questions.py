"""Questions from one process to another, in place of gRPC: the same rules as `service_kit.rpc.grpc_client`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from matrix_protocol.errors import MatrixError, Unavailable, Unknown
from service_kit.ledger.directory import OwnerDirectory
from service_kit.rpc.queries import AnswerT, Question, RequestT, WrongOwner, answer_within
from service_kit.rpc.retry import Retry
from service_kit.shards import Shard, ShardMap
from service_kit.store.interface import StoreError

if TYPE_CHECKING:
    from tests.simulation.cluster import Cluster, Node

LATENCY_S = (0.0002, 0.003)


class SimulatedAsker:
    """Implements `service_kit.rpc.queries.Asker`. An answer comes as a whole: its parts do not fail one by one."""

    def __init__(self, cluster: Cluster, node: Node, directory: OwnerDirectory, shards: ShardMap) -> None:
        self._cluster = cluster
        self._node = node
        self._directory = directory
        self._shards = shards

    async def stream(self, question: Question[RequestT, AnswerT], request: RequestT) -> AsyncIterator[AnswerT]:
        for chunk in await self._ask(question, request):
            yield chunk

    async def single(self, question: Question[RequestT, AnswerT], request: RequestT) -> AnswerT:
        answer: AnswerT = await self._ask(question, request)
        return answer

    async def _ask(self, question: Question[Any, Any], request: Any) -> Any:
        shard = question.shard_of(self._shards, request)
        retry = Retry(self._node.clock, shard)
        while True:
            owner = await self._owner_of(shard)
            if owner is not None:
                try:
                    async with asyncio.timeout(max(retry.remaining_s(), 0.001)):
                        return await self._call(owner, question, request, retry.remaining_s())
                except (WrongOwner, ConnectionError):
                    self._directory.forget(shard)
                except TimeoutError:
                    raise Unavailable(f"Shard {shard} did not answer in time; try again later") from None
                except MatrixError:
                    raise
                except Exception as error:
                    raise Unknown("A part of the server failed to answer") from error
            await retry.wait()

    async def _owner_of(self, shard: Shard) -> Node | None:
        try:
            address = await self._directory.address_of(shard)
        except StoreError:
            return None
        return self._cluster.node_at(address)

    async def _call(self, owner: Node, question: Question[Any, Any], request: Any, timeout_s: float) -> Any:
        cluster = self._cluster
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def begin() -> None:
            owner.process.create_task(self._answer(owner, question, request, timeout_s, answer))

        cluster.loop.outside(cluster.rng.uniform(*LATENCY_S), begin)
        owner.asked_by.append(answer)
        try:
            return await answer
        finally:
            if answer in owner.asked_by:
                owner.asked_by.remove(answer)

    async def _answer(
        self, owner: Node, question: Question[Any, Any], request: Any, timeout_s: float, answer: asyncio.Future[Any]
    ) -> None:
        """In the owner's process."""
        try:
            with answer_within(timeout_s, owner.clock):
                servicer, owns = owner.servicer_of(question)
                if question.is_for_owner and not owns(question.shard_of(self._shards, request)):
                    raise WrongOwner
                method = getattr(servicer, question.method)
                if question.is_streamed:
                    result: Any = [chunk async for chunk in method(request)]
                else:
                    result = await method(request)
        except Exception as error:
            self._cluster.loop.outside(self._cluster.rng.uniform(*LATENCY_S), _fail, answer, error)
        else:
            self._cluster.loop.outside(self._cluster.rng.uniform(*LATENCY_S), _set, answer, result)


def _set(answer: asyncio.Future[Any], result: Any) -> None:
    if not answer.done():
        answer.set_result(result)


def _fail(answer: asyncio.Future[Any], error: Exception) -> None:
    if not answer.done():
        answer.set_exception(error)
