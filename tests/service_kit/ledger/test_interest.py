from __future__ import annotations

import pytest

from service_kit.clock import ManualClock
from service_kit.ledger import interest as interest_module
from service_kit.ledger.interest import Interest
from service_kit.rpc.pb.facts_pb2 import ConsumerMessage, Fact, FactDelivery, InterestRequest
from service_kit.shards import Shard

EPOCH = 7


@pytest.fixture
def interest() -> Interest:
    return Interest(Shard("room", 1), EPOCH, 100, ManualClock())


def follow(interest: Interest, consumer: str, *room_ids: str, replace: bool = True) -> int:
    request = InterestRequest(consumer=consumer, replace=replace, known_epoch=EPOCH, add_room_ids=room_ids)
    reply = interest.register(request)
    assert not reply.unknown
    assert reply.epoch == EPOCH
    return reply.head_position


def publish(interest: Interest, first_position: int, *facts: Fact) -> list[tuple[str, FactDelivery]]:
    messages = interest.publications(first_position, facts, [fact.SerializeToString() for fact in facts])
    return [
        (subject, delivery)
        for subject, payload in messages
        for delivery in ConsumerMessage.FromString(payload).deliveries
    ]


def test_each_consumer_gets_one_message_with_what_concerns_it(interest: Interest) -> None:
    assert follow(interest, "a", "!1:x", "!2:x") == 100
    assert follow(interest, "b", "!2:x") == 100
    facts = [Fact(room_id="!1:x"), Fact(room_id="!2:x"), Fact(room_id="!3:x")]
    told = dict(publish(interest, 101, *facts))
    assert set(told) == {"fact.a", "fact.b"}
    assert [fact.position for fact in told["fact.a"].facts] == [101, 102]
    assert [fact.position for fact in told["fact.b"].facts] == [102]
    for delivery in told.values():
        assert (delivery.after_position, delivery.head_position, delivery.epoch) == (100, 103, EPOCH)
        assert delivery.facts[-1].fact == facts[1].SerializeToString()


def test_next_delivery_begins_where_the_one_before_ended(interest: Interest) -> None:
    follow(interest, "a", "!1:x")
    publish(interest, 101, Fact(room_id="!1:x"))
    assert publish(interest, 102, Fact(room_id="!other:x")) == []
    ((_, delivery),) = publish(interest, 103, Fact(room_id="!1:x"))
    assert (delivery.after_position, delivery.head_position) == (101, 103)


def test_heartbeat_tells_the_head_and_counts_as_told(interest: Interest) -> None:
    follow(interest, "a", "!1:x")
    publish(interest, 101, Fact(room_id="!other:x"))
    heartbeat = interest.heartbeat("a")
    assert heartbeat is not None
    assert (heartbeat.after_position, heartbeat.head_position) == (100, 101)
    ((_, delivery),) = publish(interest, 102, Fact(room_id="!1:x"))
    assert delivery.after_position == 101
    assert interest.heartbeat("nobody") is None


def test_too_large_deliveries_are_split_without_a_gap(interest: Interest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interest_module, "DELIVERY_BYTES_MAX", 100)
    follow(interest, "a", "!1:x")
    deliveries = [
        delivery for _, delivery in publish(interest, 101, *(Fact(room_id="!1:x", traceparent="x" * 60),) * 4)
    ]
    assert len(deliveries) == 4
    assert [delivery.after_position for delivery in deliveries] == [100, 101, 102, 103]
    assert [delivery.head_position for delivery in deliveries] == [101, 102, 103, 104]


def test_registrations_of_another_epoch_are_unknown(interest: Interest) -> None:
    follow(interest, "a", "!1:x")
    assert interest.register(InterestRequest(consumer="a", known_epoch=EPOCH - 1)).unknown
    assert interest.register(InterestRequest(consumer="b", known_epoch=EPOCH)).unknown
    assert not interest.register(InterestRequest(consumer="a", known_epoch=EPOCH)).unknown


def test_replacing_forgets_what_was_registered_before(interest: Interest) -> None:
    follow(interest, "a", "!1:x")
    follow(interest, "a", "!2:x")
    assert publish(interest, 101, Fact(room_id="!1:x")) == []
    assert len(publish(interest, 102, Fact(room_id="!2:x"))) == 1


def test_removed_rooms_and_users_are_not_delivered(interest: Interest) -> None:
    interest.register(InterestRequest(consumer="a", replace=True, add_room_ids=["!1:x"], add_user_ids=["@u:x"]))
    interest.register(
        InterestRequest(consumer="a", known_epoch=EPOCH, remove_room_ids=["!1:x"], remove_user_ids=["@u:x"])
    )
    assert publish(interest, 101, Fact(room_id="!1:x", user_id="@u:x")) == []


def test_silent_consumers_are_forgotten() -> None:
    clock = ManualClock()
    interest = Interest(Shard("room", 1), EPOCH, 0, clock)
    follow(interest, "a", "!1:x")
    clock._elapsed_s = 16
    follow(interest, "b", "!1:x")
    interest.drop_silent()
    assert list(interest.consumers) == ["b"]


def test_number_of_consumers_is_bounded(interest: Interest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interest_module, "CONSUMERS_MAX", 1)
    follow(interest, "a", "!1:x")
    assert interest.register(InterestRequest(consumer="b", replace=True)).unknown
    assert interest.register(InterestRequest(consumer="", replace=True)).unknown
    follow(interest, "a", "!1:x")


def test_registration_that_was_overtaken_on_its_way_changes_nothing(interest: Interest) -> None:
    interest.register(InterestRequest(consumer="a", number=2, replace=True, add_room_ids=["!1:x", "!2:x"]))
    late = InterestRequest(consumer="a", number=1, replace=True, add_room_ids=["!1:x"])
    assert interest.register(late).unknown
    assert len(publish(interest, 101, Fact(room_id="!2:x"))) == 1
