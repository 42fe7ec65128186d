"""The gate: exact columns, types, no null where none may be."""

import pyarrow as pa
import pytest

from schemas.conform import conform, rows, updated
from schemas.errors import SchemaError
from schemas.tables import DROPPED, TABLES, TRACES

ROW: dict[str, object] = {
    "table": "traces",
    "row_id": "t1",
    "stage": "dedupe",
    "reason": "exact duplicate",
    "evidence": None,
    "duplicate_of": "t0",
}


def test_passes_and_orders_columns() -> None:
    table = rows([ROW], DROPPED, at="dedupe").select(list(reversed(DROPPED.names)))
    assert conform(table, DROPPED, at="dedupe").schema.equals(DROPPED, check_metadata=True)


def test_casts_what_loses_nothing() -> None:
    table = rows([ROW], DROPPED, at="x")
    large = table.set_column(0, "table", table["table"].cast(pa.large_string()))
    assert conform(large, DROPPED, at="x")["table"].type == pa.string()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop_columns(["reason"]), "missing columns \\['reason'\\]"),
        (lambda t: t.append_column("more", [[1]]), "unknown columns \\['more'\\]"),
        (
            lambda t: t.set_column(3, "reason", [pa.array([None], pa.string())]),
            "dropped.reason: 1 of 1 values are null",
        ),
        (lambda t: t.set_column(3, "reason", [pa.array([[1]])]), "dropped.reason: list"),
    ],
)
def test_refuses_and_names_stage_and_column(change: "object", message: str) -> None:
    assert callable(change)
    with pytest.raises(SchemaError, match=message) as caught:
        conform(change(rows([ROW], DROPPED, at="x")), DROPPED, at="dedupe")
    assert str(caught.value).startswith("dedupe: ")


def test_rows_refuse_a_missing_or_extra_column() -> None:
    with pytest.raises(SchemaError, match=r"record 1 differs.*\['evidence'\]"):
        rows([ROW, {key: value for key, value in ROW.items() if key != "evidence"}], DROPPED, at="x")
    with pytest.raises(SchemaError, match="does not fit"):
        rows([ROW | {"reason": 3}], DROPPED, at="x")


@pytest.mark.parametrize("name", sorted(TABLES))
def test_every_table_carries_its_name_and_version(name: str) -> None:
    metadata = TABLES[name].metadata
    assert metadata is not None
    assert metadata[b"tracemill.table"] == name.encode()
    assert int(metadata[b"tracemill.version"]) >= 1


def test_a_table_of_an_earlier_version_gets_its_new_columns_empty() -> None:
    now = TRACES.empty_table()
    before = now.drop_columns(["search", "conversation"])
    assert updated(before, TRACES).schema.equals(TRACES)
    lacking = now.drop_columns(["text"])
    with pytest.raises(SchemaError, match="text"):
        conform(updated(lacking, TRACES), TRACES, at="x")
