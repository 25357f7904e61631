"""Declarations of tables that cannot be served are refused when they are made."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from service_kit.store.schema import Column, ColumnType, Table


class Good(NamedTuple):
    room_id: str
    position: int
    content: bytes | None
    is_redacted: bool


class Strange(NamedTuple):
    room_id: str
    weight: float


class Ambiguous(NamedTuple):
    room_id: str
    value: str | int


class NullableKey(NamedTuple):
    room_id: str | None
    value: str


def test_columns_are_the_fields_of_the_row() -> None:
    table = Table("good", Good, partition_key=1, clustering_key=1, writer="tests")
    assert table.columns == (
        Column("room_id", ColumnType.TEXT, False),
        Column("position", ColumnType.INTEGER, False),
        Column("content", ColumnType.BLOB, True),
        Column("is_redacted", ColumnType.BOOLEAN, False),
    )
    assert table.key_of(Good("!r", 1, None, False)) == ("!r", 1)


@pytest.mark.parametrize(
    ("row_type", "partition_key", "clustering_key"),
    [(Strange, 1, 0), (Ambiguous, 1, 0), (NullableKey, 1, 0), (Good, 0, 1), (Good, 2, 3)],
)
def test_declaration_that_cannot_be_served_is_refused(
    row_type: type[Any], partition_key: int, clustering_key: int
) -> None:
    with pytest.raises(TypeError):
        Table("bad", row_type, partition_key=partition_key, clustering_key=clustering_key, writer="tests")
