"""The one gate between stages: a table passes it, or a SchemaError names what is wrong."""

from collections.abc import Mapping, Sequence

import pyarrow as pa

from schemas.errors import SchemaError


def conform(table: pa.Table, schema: pa.Schema, *, at: str) -> pa.Table:
    """Return `table` with exactly `schema`: its columns in order, its types, no null where none may be.

    `at` names the stage in errors. Columns may come in any order and in types that cast without loss.

    Raises:
        SchemaError: a column is missing, unknown, of another type, or null where it must not be.
    """
    name = (schema.metadata or {}).get(b"tracemill.table", b"table").decode()
    expected, given = set(schema.names), set(table.column_names)
    if expected != given or len(table.column_names) != len(given):
        missing, unknown = sorted(expected - given), sorted(given - expected)
        raise SchemaError(
            f"{at}: {name} has missing columns {missing} and unknown columns {unknown}; expected {schema.names}"
        )
    return pa.table([_cast(table[field.name], field, f"{at}: {name}.{field.name}") for field in schema], schema=schema)


def updated(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """`table` with nulls in the columns that `schema` has been given since it was written."""
    for field in schema:
        if field.nullable and field.name not in table.column_names:
            table = table.append_column(field, pa.nulls(table.num_rows, field.type))
    return table.select(schema.names) if set(schema.names) <= set(table.column_names) else table


def rows(records: list[dict[str, object]], schema: pa.Schema, *, at: str) -> pa.Table:
    """Build a table from records that each name every column of `schema`, no more and no fewer.

    Raises:
        SchemaError: as `conform`, or a record lacks a column or has one too many.
    """
    expected = set(schema.names)
    for index, record in enumerate(records):
        if record.keys() != expected:
            raise SchemaError(
                f"{at}: record {index} differs from the schema in columns {sorted(record.keys() ^ expected)}"
            )
    columns = {name: [one[name] for one in records] for name in schema.names}
    return columns_to_table(columns, schema, at=at)


def columns_to_table(columns: Mapping[str, Sequence[object]], schema: pa.Schema, *, at: str) -> pa.Table:
    """Build a table from whole columns, one for each of `schema`.

    Raises:
        SchemaError: as `conform`, or a value does not fit its column's type.
    """
    try:
        arrays = [pa.array(columns[field.name], field.type) for field in schema if field.name in columns]
    except (pa.ArrowInvalid, pa.ArrowTypeError) as exc:
        raise SchemaError(f"{at}: a value does not fit its column: {exc}") from exc
    names = [name for name in schema.names if name in columns]
    unknown = {name: pa.nulls(len(values)) for name, values in columns.items() if name not in schema.names}
    return conform(pa.table({**dict(zip(names, arrays, strict=True)), **unknown}), schema, at=at)


def _cast(
    column: "pa.ChunkedArray[pa.Scalar[pa.DataType]]", field: "pa.Field[pa.DataType]", where: str
) -> "pa.ChunkedArray[pa.Scalar[pa.DataType]]":
    if column.null_count and not field.nullable:
        raise SchemaError(f"{where}: {column.null_count} of {len(column)} values are null; none may be")
    if column.type == field.type:
        return column
    try:
        return column.cast(field.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as exc:
        raise SchemaError(f"{where}: {column.type} does not become {field.type}: {exc}") from exc
