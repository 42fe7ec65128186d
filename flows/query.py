"""SQL over the lake: DuckDB views named as the tables, the newest version of each."""

import duckdb
import pyarrow as pa

from schemas.errors import QueryError
from schemas.tables import TABLES
from tasks.lake import Lake


def query(lake: Lake, sql: str) -> pa.Table:
    """Run one statement. A table that no run has written yet is empty.

    Raises:
        QueryError: DuckDB refuses the statement.
        LakeError: the lake cannot be read.
    """
    newest = lake.newest()
    with duckdb.connect() as connection:
        for name in TABLES:
            connection.register(name, lake.dataset(name, newest.get(name, ())))
        try:
            result = connection.sql(sql)
            table: pa.Table | None = None if result is None else result.to_arrow_table()
        except duckdb.Error as exc:
            raise QueryError(f"sql: {' '.join(str(exc).split())}") from exc
    return table if table is not None else pa.table({})
