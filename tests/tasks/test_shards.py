"""Who makes the parts of a stage, and what may travel."""

import pickle
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.conform import rows
from schemas.errors import SchemaError
from schemas.refs import Stage, Tables
from schemas.tables import DROPPED
from tasks.lake import Lake
from tasks.progress import Record, watched_by, watcher
from tasks.shards import MOST, TURNS, Job, Portable, Shared, crew, grouped, shared_by, worked
from tasks.workers import Done, WorkerPool

R = TypeVar("R")


def portables(sizes: list[int]) -> list[Portable[int]]:
    return [Portable(partial(int, number), size) for number, size in enumerate(sizes)]


@given(st.lists(st.integers(0, 100_000)), st.integers(0, 500), st.integers(1, 200_000))
def test_shards_hold_each_call_once_in_order_and_are_neither_many_nor_small(
    sizes: list[int], places: int, least: int
) -> None:
    jobs = portables(sizes)
    groups = grouped(jobs, places, least)
    assert [job for group in groups for job in group] == jobs
    assert len(groups) <= min(MOST, TURNS * max(places, 1)) + 1
    assert all(group for group in groups)
    assert all(sum(job.rows for job in group) >= least for group in groups[:-1])


def test_all_places_have_work_where_there_is_enough() -> None:
    assert len(grouped(portables([50_000] * 200), 8, 20_000)) >= 8
    assert [len(group) for group in grouped(portables([10] * 6), 8, 30)] == [3, 3]
    assert len(grouped(portables([10] * 6), 8, 1_000)) == 1


def built(numbers: list[int], name: str) -> str:
    numbers.append(len(numbers))
    return f"{name} {len(numbers)}"


def test_what_is_shared_is_built_once_here_and_once_where_it_arrives() -> None:
    here = Shared(built, [], "library")
    assert [here(), here()] == ["library 1", "library 1"]
    fresh = Shared(built, [], "index")
    data = pickle.dumps(fresh)
    one, other = pickle.loads(data), pickle.loads(data)
    assert one is other
    assert one is not fresh
    assert [one(), other()] == ["index 1", "index 1"]


def test_a_pool_of_workers_becomes_the_other_process_s_own() -> None:
    with WorkerPool(2, memory_mb=2048) as pool:
        there: WorkerPool = pickle.loads(pickle.dumps(pool))
        assert there is pickle.loads(pickle.dumps(pool))
        assert there is not pool
        with there:
            ((index, done),) = there.map(abs, [-3], deadline_s=60)
    assert isinstance(done, Done)
    assert (index, done.value) == (0, 3)


def counted(number: int) -> int:
    watcher().advanced("stage", number)
    watcher().measured("stage", {"tokens": 2 * number})
    watcher().noted(f"note {number}")
    return number


def test_what_a_shard_reports_reaches_the_watcher_when_it_is_back() -> None:
    shard = pickle.loads(pickle.dumps(worked([partial(counted, 1), partial(counted, 4)])))
    seen = Record()
    with watched_by(seen):
        assert list(shard.told()) == [1, 4]
    assert (seen.rows, seen.notes) == ({"stage": 5}, ["note 1", "note 4"])
    assert seen.amounts == {"stage": {"tokens": 10}}


class Away:
    """Stands for other machines: what is portable is pickled, made last first, and pickled back."""

    def __init__(self) -> None:
        self.made = list[tuple[str, int]]()

    def each(self, stage: str, jobs: Iterable[Job[R]]) -> Iterator[R]:
        away = []
        for job in jobs:
            if isinstance(job, Portable):
                away.append(pickle.dumps(job))
                self.made.append((stage, job.rows))
            else:
                yield job()
        for data in reversed(away):
            shard = pickle.loads(pickle.dumps(worked([pickle.loads(data)])))
            yield from shard.told()


def source(lake: Lake) -> Tables:
    def part(number: int) -> Mapping[str, pa.Table]:
        record = {"table": "traces", "row_id": f"t{number}", "stage": "s", "reason": "r"}
        return {"dropped": rows([record | {"evidence": None, "duplicate_of": None}] * (number + 1), DROPPED, at="test")}

    stage = Stage(name="source", version="1", config={}, tables=("dropped",))
    return lake.run(stage, lambda: (partial(part, number) for number in range(3)))


def renamed(table: pa.Table, name: str) -> Mapping[str, pa.Table]:
    watcher().advanced("renamed", len(table))
    column = pa.array([name] * len(table), pa.string())
    return {name: table.set_column(table.column_names.index("stage"), "stage", column)}


def relabelled(table: pa.Table, names: list[str]) -> Mapping[str, pa.Table]:
    return {name: renamed(table, name)[name] for name in names}


def stage(name: str) -> Stage:
    return Stage(name=name, version="1", config={}, tables=("dropped",))


def run(lake: Lake) -> Tables:
    refs = source(lake)["dropped"]
    return lake.run_together({name: stage(name) for name in "ab"}, lambda: lake.mapped(refs, relabelled, ["a", "b"]))


def files(lake: Lake) -> list[str]:
    return sorted(str(one.relative_to(lake.url)) for one in Path(lake.url).rglob("*.parquet"))


def test_parts_made_elsewhere_are_the_same(tmp_path: Path) -> None:
    here, there, away, seen = Lake(str(tmp_path / "here")), Lake(str(tmp_path / "there")), Away(), Record()
    run(here)
    with shared_by(away), watched_by(seen):
        tables = run(there)
    assert away.made == [("a", 1), ("a", 2), ("a", 3)], "the source's parts are no portable calls"
    assert files(there) == files(here)
    assert seen.rows == {"renamed": 12}
    assert there.rows(tables, "dropped")["stage"].to_pylist() == ["a"] * 6 + ["b"] * 6
    assert not list(tmp_path.rglob(".tmp-*"))
    assert crew() is not away


def test_a_part_that_came_meanwhile_is_not_made_again_and_one_that_lacks_is_made_alone(tmp_path: Path) -> None:
    lake, away = Lake(str(tmp_path / "lake")), Away()
    whole = run(lake)
    (first,) = (tmp_path / "lake" / whole["dropped"][0].path).glob("part-00001-*")
    first.unlink()
    with shared_by(away):
        run(lake)
    assert away.made == [("a", 2)]
    assert first.exists()

    (ref,) = source(lake)["dropped"]
    job = next(iter(lake.mapped([ref], failing)))
    with pytest.raises(SchemaError, match="failing"):
        lake.run(stage("failing"), lambda: [job])


def failing(table: pa.Table) -> Mapping[str, pa.Table]:
    return {"dropped": table.drop_columns(["reason"])}


def test_a_lake_travels_by_its_full_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert pickle.loads(pickle.dumps(Lake("lake"))).url == str(tmp_path / "lake")
    assert pickle.loads(pickle.dumps(Lake("memory://lake"))).url == "memory://lake"
