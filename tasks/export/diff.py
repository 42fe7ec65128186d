"""What changed between two versions of an exported format, row by row."""

from typing import Final

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds

from tasks.export.published import Files

DIFF: Final = pa.schema(
    [
        pa.field("format", pa.string(), nullable=False),
        pa.field("row_id", pa.string(), nullable=False),
        pa.field("change", pa.string(), nullable=False),
        pa.field("reason", pa.string()),
    ]
)
"""One row for each exported row that was added, removed or changed; `reason` says which stage dropped it,
or how often it was there before."""


def between(name: str, id_column: str, new: Files, old: Files | None, dropped: pa.Table) -> pa.Table:
    """The diff of one format between two versions' files; what both have under one key needs no look."""
    shared = {part.key for part in new.parts} & {part.key for part in old.parts} - {""} if old else set[str]()
    return compare(name, id_column, new.dataset(shared), old.dataset(shared) if old else None, dropped)


def compare(
    name: str, id_column: str, new: pa.Table | ds.Dataset, old: ds.Dataset | None, dropped: pa.Table
) -> pa.Table:
    """The diff (DIFF, sorted by row) of one format; with no `old`, all rows are added.

    Rows with one id count as one, which has changed where their content or number has. A removed row's reason is
    looked up in `dropped` by the ids of the traces it was made of.
    """
    with duckdb.connect() as connection:
        connection.register("new_rows", new)
        connection.register("old_rows", old if old is not None else pa.Table.from_batches([], new.schema))
        connection.register("dropped", dropped)
        columns = [column for column in new.schema.names if old is None or column in old.schema.names]
        content = f"hash(struct_pack({', '.join(columns)}))"
        ids = [column for column in columns if column.endswith("trace_id")]
        traces = f"[{', '.join(ids)}]" if ids else f"[{id_column}]"
        rows: pa.Table = connection.sql(
            f"""
            with fresh as (select {id_column} as id, count(*) as times, sum({content}::hugeint) as content
                           from new_rows group by {id_column}),
                 stale as (select {id_column} as id, count(*) as times, sum({content}::hugeint) as content,
                           any_value({traces}) as traces from old_rows group by {id_column}),
                 gone as (select id, unnest(traces) as trace_id from stale anti join fresh using (id)),
                 why as (select id, min(stage || ': ' || reason) as reason
                         from gone join dropped on "table" = 'traces' and row_id = trace_id group by id)
            select '{name}' as format, coalesce(fresh.id, stale.id) as row_id, case
                   when stale.id is null then 'added' when fresh.id is null then 'removed' else 'changed' end as change,
                   case when fresh.times <> stale.times then format('{{}} rows, {{}} before', fresh.times, stale.times)
                   else why.reason end as reason
            from fresh full join stale on fresh.id = stale.id left join why on why.id = stale.id
            where fresh.id is null or stale.id is null or fresh.times <> stale.times or fresh.content <> stale.content
            order by row_id
            """  # noqa: S608 - the names are columns of our own exports
        ).to_arrow_table()
    return rows.cast(DIFF)
