from collections.abc import Callable, Iterator

import pyarrow as pa
import pytest

from tasks.workers import WorkerPool

TableMaker = Callable[[list[tuple[str | None, str]]], tuple[pa.Table, pa.Table]]


@pytest.fixture(scope="session")
def pool() -> Iterator[WorkerPool]:
    with WorkerPool(2, memory_mb=4096) as shared:
        yield shared


@pytest.fixture(scope="session")
def tables() -> TableMaker:
    """Make (problems, traces) from (reference, text) pairs: row i is trace `t<i>` of problem `p<i>`."""

    def make(pairs: list[tuple[str | None, str]]) -> tuple[pa.Table, pa.Table]:
        count = len(pairs)
        ids = [f"p{index}" for index in range(count)]
        problems = pa.table(
            {
                "problem_id": ids,
                "domain": ["math"] * count,
                "question": ["How many?"] * count,
                "reference": pa.array([reference for reference, _ in pairs], pa.string()),
                "tests": pa.nulls(count, pa.string()),
                "constraints": pa.nulls(count, pa.string()),
            }
        )
        texts = [text for _, text in pairs]
        traces = pa.table({"trace_id": [f"t{index}" for index in range(count)], "problem_id": ids, "text": texts})
        return problems, traces

    return make
