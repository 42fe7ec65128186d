"""The journal: what was yielded is on disk before the next is asked for, and is there after any end."""

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.conform import rows
from schemas.errors import SchemaError
from schemas.refs import Ref, Stage
from schemas.tables import PERSONAS
from tasks.journal import add_each, arrived, collect, collect_each
from tasks.lake import Lake

STAGE = Stage(name="test", version="1", config={}, tables=("personas",))
(REF,) = STAGE.outputs["personas"]


def batch(*ids: int) -> pa.Table:
    records: list[dict[str, object]] = [
        {"persona_id": f"p{one}", "persona": f"persona {one}", "domain": None, "source": "test"} for one in ids
    ]
    return rows(records, PERSONAS, at="test")


class Rest:
    """Yields ids 0 to 9 that are not stored, three a batch; ends with an error after `fail_after` batches."""

    def __init__(self, fail_after: int | None = None) -> None:
        self.fail_after = fail_after
        self.stored: list[str] = []

    def __call__(self, stored: Iterator[pa.Table]) -> Iterator[pa.Table]:
        self.stored = [str(one) for table in stored for one in table["persona_id"].to_pylist()]
        missing = [one for one in range(10) if f"p{one}" not in self.stored]
        for number, start in enumerate(range(0, len(missing), 3)):
            if number == self.fail_after:
                raise RuntimeError("the engine broke")
            yield batch(*missing[start : start + 3])


@pytest.fixture(params=["folder", "memory"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake") if request.param == "folder" else f"memory://{uuid.uuid4().hex}/lake")


def ids(lake: Lake) -> list[str]:
    return [str(one) for one in lake.read(REF, columns=["persona_id"])["persona_id"].to_pylist()]


def test_batches_become_one_part_and_the_journal_goes(lake: Lake) -> None:
    assert collect(lake, STAGE, Rest()) == STAGE.outputs
    assert ids(lake) == [f"p{one}" for one in range(10)]
    names = lake.storage.names(REF.path)
    assert [name.split("-")[0] for name in names] == ["manifest.json", "part", "stage.json"]


def test_a_finished_stage_asks_for_nothing(lake: Lake) -> None:
    collect(lake, STAGE, Rest())
    rest = Rest(fail_after=0)
    collect(lake, STAGE, rest)
    assert rest.stored == []


def test_an_error_keeps_what_was_yielded_and_the_next_run_goes_on_from_there(lake: Lake) -> None:
    with pytest.raises(RuntimeError, match="the engine broke"):
        collect(lake, STAGE, Rest(fail_after=2))
    assert lake.manifest(REF) is None
    rest = Rest()
    collect(lake, STAGE, rest)
    assert rest.stored == [f"p{one}" for one in range(6)]
    assert ids(lake) == [f"p{one}" for one in range(10)]


def test_nothing_at_all_is_an_empty_table(lake: Lake) -> None:
    collect(lake, STAGE, lambda stored: ())
    assert ids(lake) == []
    assert lake.whole(REF)


def test_a_damaged_part_costs_only_its_own_rows(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.journal.PART_BYTES", 1)
    collect(lake, STAGE, Rest())
    manifest = lake.manifest(REF)
    assert manifest is not None
    assert [part.rows for part in manifest.parts] == [3, 3, 3, 1]
    lake.storage.write(f"{REF.path}/{manifest.parts[1].name}", b"damaged")
    rest = Rest()
    collect(lake, STAGE, rest)
    assert rest.stored == [f"p{one}" for one in (0, 1, 2, 6, 7, 8, 9)]
    assert sorted(ids(lake)) == [f"p{one}" for one in range(10)]


def test_a_torn_journal_file_counts_as_not_stored(lake: Lake) -> None:
    with pytest.raises(RuntimeError):
        collect(lake, STAGE, Rest(fail_after=2))
    (first, _) = (name for name in lake.storage.names(REF.path) if name.startswith("journal-"))
    data = lake.storage.read(f"{REF.path}/{first}")
    assert data is not None
    lake.storage.write(f"{REF.path}/{first}", data[: len(data) // 2])
    rest = Rest()
    collect(lake, STAGE, rest)
    assert rest.stored == ["p3", "p4", "p5"]
    assert sorted(ids(lake)) == [f"p{one}" for one in range(10)]


def test_a_row_that_two_runs_wrote_is_kept_once(lake: Lake) -> None:
    def twice(stored: Iterator[pa.Table]) -> Iterator[pa.Table]:
        yield batch(1, 2)
        yield batch(2, 3)

    collect(lake, STAGE, twice)
    assert ids(lake) == ["p1", "p2", "p3"]


def test_a_batch_that_breaks_the_contract_names_the_stage(lake: Lake) -> None:
    with pytest.raises(SchemaError, match="test"):
        collect(lake, STAGE, lambda stored: [pa.table({"persona_id": ["p1"]})])


KILLED = """
import sys, time
import pyarrow as pa
from schemas.conform import rows
from schemas.refs import Stage
from schemas.tables import PERSONAS
from tasks.journal import add_each, arrived, collect, collect_each
from tasks.lake import Lake

def rest(stored):
    for number in range(1000):
        yield rows([{"persona_id": f"p{number}", "persona": "a", "domain": None, "source": "test"}], PERSONAS, at="t")
        print(number, flush=True)

collect(Lake(sys.argv[1]), Stage(name="test", version="1", config={}, tables=("personas",)), rest)
"""


def test_kill_9_loses_nothing_that_was_asked_past(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True, env=os.environ
    ) as child:
        assert child.stdout is not None
        written = 0
        while written < 20:
            written = int(child.stdout.readline())
        child.send_signal(signal.SIGKILL)
    found: list[str] = []

    def rest(stored: Iterator[pa.Table]) -> Iterator[pa.Table]:
        found.extend(str(one) for table in stored for one in table["persona_id"].to_pylist())
        yield from ()

    collect(Lake(str(tmp_path)), STAGE, rest)
    assert set(found) >= {f"p{one}" for one in range(21)}
    assert Lake(str(tmp_path)).row_count([Ref(table="personas", key=STAGE.key)]) == len(found)


def test_rows_of_several_stages_come_mixed(lake: Lake) -> None:
    stages = [STAGE.model_copy(update={"config": {"round": number}}) for number in range(3)]
    refs = [stage.outputs["personas"][0] for stage in stages]
    told: list[dict[int, list[str]]] = []

    def rest(stored: Mapping[int, Iterator[pa.Table]]) -> Iterator[tuple[int, pa.Table]]:
        known = {
            at: [str(one) for table in those for one in table["persona_id"].to_pylist()] for at, those in stored.items()
        }
        told.append(known)
        for number in range(4):
            for at, ids_ in known.items():
                if f"p{number}" not in ids_:
                    yield at, batch(number)
            if number == 1 and len(told) == 1:
                raise RuntimeError("the engine broke")

    collect(lake, stages[1], lambda _: [batch(7)])
    with pytest.raises(RuntimeError):
        collect_each(lake, stages, rest)
    assert collect_each(lake, stages, rest) == [stage.outputs for stage in stages]
    assert told == [{0: [], 2: []}, {0: ["p0", "p1"], 2: ["p0", "p1"]}]
    found = [[str(one) for one in lake.read(ref)["persona_id"].to_pylist()] for ref in refs]
    assert found == [["p0", "p1", "p2", "p3"], ["p7"], ["p0", "p1", "p2", "p3"]]
    assert collect_each(lake, stages, rest) == [stage.outputs for stage in stages]
    assert len(told) == 2


@given(
    orders=st.lists(st.permutations(range(10)), min_size=1, max_size=3), size=st.integers(1, 10), small=st.booleans()
)
def test_what_comes_of_a_journal_does_not_depend_on_who_wrote_what_when(
    orders: list[list[int]], size: int, small: bool
) -> None:
    """Several writers, each with all rows in an order of its own, in files whose numbers are the same."""
    lake = Lake(f"memory://{uuid.uuid4().hex}/lake")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tasks.journal.PART_BYTES", 1 if small else 2**20)
        for order in orders:
            batches = [(0, batch(*order[start : start + size])) for start in range(0, 10, size)]
            add_each(lake, [STAGE], lambda stored, those=batches: those)  # type: ignore[misc]
        collect(lake, STAGE, lambda stored: ())
    assert ids(lake) == [f"p{one}" for one in range(10)]
    assert lake.read(REF).equals(batch(*range(10)))


def test_writers_that_know_nothing_of_each_other_lose_nothing(lake: Lake) -> None:
    known: set[str] = set()

    def both(stored: Mapping[int, Iterator[pa.Table]]) -> Iterator[tuple[int, pa.Table]]:
        yield 0, batch(1)
        add_each(lake, [STAGE], lambda stored: [(0, batch(2))])
        yield 0, batch(3)

    add_each(lake, [STAGE], both)
    assert sorted(str(one) for table in arrived(lake, REF, known) for one in table["persona_id"].to_pylist()) == [
        "p1",
        "p2",
        "p3",
    ]
    assert list(arrived(lake, REF, known)) == []
    assert lake.manifest(REF) is None


def test_nothing_is_added_to_a_table_that_another_has_finished(lake: Lake) -> None:
    def late(stored: Mapping[int, Iterator[pa.Table]]) -> Iterator[tuple[int, pa.Table]]:
        collect(lake, STAGE, Rest())
        yield 0, batch(11)
        raise AssertionError("it went on")

    add_each(lake, [STAGE], late)
    add_each(lake, [STAGE], late)
    assert ids(lake) == [f"p{one}" for one in range(10)]
