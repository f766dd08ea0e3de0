"""Rows in Parquet: what goes in comes back."""

from __future__ import annotations

import types
import typing
from dataclasses import FrozenInstanceError, asdict, fields, replace
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from photochrom.jobs.records import (
    EventRow,
    LedgerRow,
    PlanRow,
    PrintedRow,
    from_parquet,
    schema_of,
    to_parquet,
)
from photochrom.jobs.storage.store import Store
from tests.jobs.archive import keys

ROWS = [PlanRow, LedgerRow, PrintedRow, EventRow]
_VALUES: dict[type, st.SearchStrategy[Any]] = {
    str: st.text(max_size=20),
    int: st.integers(-(1 << 63), (1 << 63) - 1),
    float: st.floats(allow_nan=False),
    bool: st.booleans(),
    datetime: st.datetimes(datetime(1840, 1, 1), timezones=st.just(UTC)),
}


def strategy(row: type[Any]) -> st.SearchStrategy[Any]:
    """Make rows of a class from its type hints."""
    hints = typing.get_type_hints(row)
    made = {}
    for field in fields(row):
        hint = hints[field.name]
        optional = isinstance(hint, types.UnionType)
        kind = next(k for k in (typing.get_args(hint) if optional else (hint,)) if k in _VALUES)
        made[field.name] = st.none() | _VALUES[kind] if optional else _VALUES[kind]
    return st.builds(row, **made)


@pytest.mark.parametrize("row", ROWS)
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(data=st.data())
def test_every_row_comes_back(row: type[Any], data: st.DataObject) -> None:
    rows = data.draw(st.lists(strategy(row), max_size=3))
    assert from_parquet(row, to_parquet(row, rows, {"kind": "grow"})) == (rows, {"kind": "grow"})


@pytest.mark.parametrize("row", ROWS)
def test_a_schema_has_every_field_in_order(row: type[Any]) -> None:
    schema = schema_of(row)
    assert schema.names == [field.name for field in fields(row)]
    optional = {f.name for f in schema if f.nullable}
    hints = typing.get_type_hints(row)
    assert optional == {n for n, hint in hints.items() if isinstance(hint, types.UnionType)}


def event() -> EventRow:
    now = datetime(2026, 5, 1, 12, tzinfo=UTC)
    return EventRow(
        event="review", row_id="a", row_key="k", subject="s", actor="me", at=now, note="é ☂"
    )


def test_columns_of_later_versions_are_left_out() -> None:
    table = pq.read_table(pa.BufferReader(to_parquet(EventRow, [event()])))
    sink = pa.BufferOutputStream()
    pq.write_table(table.append_column("mood", pa.array(["good"])), sink)
    assert from_parquet(EventRow, bytes(sink.getvalue()))[0] == [event()]


def test_columns_that_may_be_absent_are_none() -> None:
    schema = schema_of(LedgerRow)
    required = [field.name for field in schema if not field.nullable]
    values: dict[str, Any] = {"started_at": event().at, "finished_at": event().at}
    values |= {field.name: False for field in schema if field.type == pa.bool_()}
    numbers = {f.name: 0 for f in schema if f.type in (pa.int64(), pa.float64())}
    record = {name: values.get(name, numbers.get(name, "")) for name in required}
    sink = pa.BufferOutputStream()
    table = pa.Table.from_pylist([record], schema=pa.schema([schema.field(n) for n in required]))
    pq.write_table(table, sink)
    (row,), _ = from_parquet(LedgerRow, bytes(sink.getvalue()))
    assert row.plate_uri is None
    assert row.source_sha256 is None


def test_a_row_of_before_low_chroma_has_none(place: Store) -> None:
    (key, *_) = keys(place, "ledger")
    table = pq.read_table(pa.BufferReader(place.read(key)))
    sink = pa.BufferOutputStream()
    pq.write_table(table.drop_columns(["low_chroma"]), sink)
    rows, _ = from_parquet(LedgerRow, bytes(sink.getvalue()))
    assert rows
    assert {row.low_chroma for row in rows} == {False}


def test_the_same_rows_are_the_same_bytes() -> None:
    assert to_parquet(EventRow, [event()]) == to_parquet(EventRow, [event()])
    assert to_parquet(EventRow, [event()]) != to_parquet(EventRow, [replace(event(), note="")])


def test_a_row_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        event().note = "no"  # type: ignore[misc]
    assert asdict(event())["note"] == "é ☂"


def test_a_missing_value_is_refused_where_there_must_be_one() -> None:
    nothing: Any = None
    with pytest.raises(pa.ArrowInvalid):
        pq.read_table(pa.BufferReader(to_parquet(EventRow, [replace(event(), actor=nothing)])))
