"""Problems that are held against earlier ones by their sketches alone."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.refs import Stage, Tables
from schemas.tables import PROBLEMS, SKETCHES
from tasks.dedupe.dedupe import DedupeConfig, drop_problems
from tasks.dedupe.index import Lookup, Stored, sketched, sketches_of
from tasks.dedupe.near import near_duplicates
from tasks.dedupe.sketch import Near, sketch_batch
from tasks.dedupe.space import Effort
from tasks.dedupe.task import dedupe_problems
from tasks.lake import Lake
from tasks.text.ragged import Ragged
from tasks.text.strings import batches
from tasks.text.words import Punctuation, Splitting

NEAR = Near(shingle=3, threshold=0.6)
SPLITTING = Splitting(punctuation=Punctuation.OPERATORS)
WORDS = [
    "ana",
    "ben",
    "buys",
    "sells",
    "three",
    "four",
    "seven",
    "apples",
    "pears",
    "boxes",
    "at",
    "the",
    "market",
    "in",
]
WORDS += ["morning", "and", "then", "gives", "some", "away"]


def some(seed: int, count: int) -> list[str]:
    """Short problems, many of them nearly others."""
    draw = random.Random(seed)
    texts = [" ".join(draw.choices(WORDS, k=draw.randint(12, 30))) for _ in range(count)]
    for at in range(0, count, 3):
        words = draw.choice(texts).split()
        words[draw.randrange(len(words))] = draw.choice(WORDS)
        texts[at] = " ".join(words)
    return texts


def table(texts: list[str], prefix: str = "p", references: list[str | None] | None = None) -> pa.Table:
    return pa.table(
        {
            "problem_id": [f"{prefix}{at:04}" for at in range(len(texts))],
            "question": pa.array(texts, pa.string()),
            "reference": pa.array(references or [None] * len(texts), pa.string()),
        }
    )


def test_a_row_holds_all_that_a_text_is_compared_by() -> None:
    asked = table(["Three apples and three apples, and THREE apples.", "", "one"], references=[" 8 ", None, "x"])
    found = sketched(asked, NEAR, SPLITTING, threads=2)
    assert found.schema.equals(SKETCHES, check_metadata=True)
    assert found["reference"].to_pylist() == ["8", None, "x"]
    (batch,) = batches(asked["question"])
    expected, shingles = sketch_batch(batch, NEAR, SPLITTING)
    for mine, theirs in zip(sketches_of(found, NEAR), expected, strict=True):
        assert np.array_equal(np.asarray(mine), np.asarray(theirs))
    read: dict[int, list[int]] = {}

    def keep(rows: Any, sets: Ragged) -> None:
        read.update({int(row): sets.take(np.array([at])).values.tolist() for at, row in enumerate(rows)})

    Stored(lambda: [found["shingles"]]).each(np.array([True, False, True]), keep, 1)
    assert read == {row: sorted(set(shingles.take(np.array([row])).values.tolist())) for row in (0, 2)}


def test_no_problems_have_no_sketches() -> None:
    none = sketched(table([]), NEAR, SPLITTING, threads=1)
    assert none.schema.equals(SKETCHES, check_metadata=True)
    assert not Lookup(none, NEAR).agreeing(sketched(table(["one two three four"]), NEAR, SPLITTING, 1)).any()
    assert not len(Lookup(none, NEAR).agreeing(none))
    assert not len(drop_problems(none, none, pa.array([], pa.string()), DedupeConfig()))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 60), st.integers(0, 60))
def test_looking_up_finds_just_the_rows_that_agree_in_a_band(seed: int, later: int, earlier: int) -> None:
    texts = some(seed, later + earlier)
    new, old = (sketched(table(part), NEAR, SPLITTING, 1) for part in (texts[:later], texts[later:]))
    mine, theirs = (sketches_of(one, NEAR).bands for one in (new, old))
    expected = [bool((theirs[:, [at]] == mine).any()) for at in range(earlier)]
    assert Lookup(new, NEAR).agreeing(old).tolist() == expected


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 120), st.integers(1, 4))
def test_stored_sketches_find_what_the_texts_do(seed: int, count: int, threads: int) -> None:
    texts = some(seed, count)
    config = DedupeConfig(problems=NEAR, splitting=SPLITTING, threads=threads, memory_mb=16)
    rows = sketched(table(texts), NEAR, SPLITTING, threads)
    found = drop_problems(rows, rows.slice(0, 0), pa.array([], pa.string()), config)
    order = np.lexsort((np.arange(count), np.array([len(text.encode()) for text in texts])))
    whole = near_duplicates(pa.array([texts[at] for at in order]), NEAR, SPLITTING, effort=Effort(threads=threads))
    gone = {int(order[at]): int(order[keeper]) for at, keeper in enumerate(whole.keepers) if keeper != at}
    named = zip(found["row_id"].to_pylist(), found["duplicate_of"].to_pylist(), strict=True)
    assert {int(str(row)[1:]): int(str(keeper)[1:]) for row, keeper in named} == gone


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


def stored(lake: Lake, number: int, texts: list[str]) -> Tables:
    rows = [
        dict.fromkeys(PROBLEMS.names)
        | {
            "problem_id": f"r{number}-{at:03}",
            "domain": "math",
            "question": text,
            "source": "test",
            "round": number,
        }
        for at, text in enumerate(texts)
    ]
    stage = Stage(name="problems", version="1", config={"round": number}, tables=("problems",))
    return lake.run(stage, lambda: [lambda: {"problems": pa.Table.from_pylist(rows, PROBLEMS)}])


def gone(lake: Lake, found: list[Tables]) -> dict[Any, Any]:
    rows = [row for one in found for row in lake.rows(one, "dropped").to_pylist()]
    return {row["row_id"]: row["duplicate_of"] for row in rows}


def test_rounds_come_to_what_all_at_once_would(lake: Lake) -> None:
    texts = some(7, 90)
    rounds = [stored(lake, number, texts[number * 30 :][:30]) for number in range(3)]
    found = dedupe_problems.fn(lake, rounds, DedupeConfig())
    kept: list[str] = []
    expected: dict[str, str] = {}
    for number in range(3):
        names = [f"r{number}-{at:03}" for at in range(30)]
        later = dict(zip(names, texts[number * 30 :][:30], strict=True))
        order = kept + sorted(later, key=lambda name: (len(later[name].encode()), name))
        words = {f"r{n}-{at:03}": texts[n * 30 + at] for n in range(3) for at in range(30)}
        whole = near_duplicates(pa.array([words[name] for name in order]), NEAR, SPLITTING)
        expected |= {order[at]: order[keeper] for at, keeper in enumerate(whole.keepers) if keeper != at}
        kept = [name for name in order if name not in expected]
    assert gone(lake, found) == expected
    assert any(left.split("-")[0] != right.split("-")[0] for left, right in expected.items())


def test_earlier_text_is_not_read_again(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = some(3, 40)
    first, second = stored(lake, 0, texts), stored(lake, 1, [*texts[:5], "a problem that is like no other one here"])
    dedupe_problems.fn(lake, [first], DedupeConfig())
    opened: list[str] = []
    read = Lake.read_part

    def noted(self: Lake, ref: Any, index: int) -> pa.Table:
        opened.append(ref.path)
        return read(self, ref, index)

    monkeypatch.setattr(Lake, "read_part", noted)
    monkeypatch.setattr(Lake, "read", _only_of(lake, first["problems"][0].path))
    found = dedupe_problems.fn(lake, [first, second], DedupeConfig())
    assert opened == [second["problems"][0].path]
    assert len(gone(lake, found[1:])) == 5


def _only_of(lake: Lake, forbidden: str) -> Any:
    read = Lake.read

    def noted(self: Lake, *refs: Any, columns: list[str] | None = None) -> pa.Table:
        assert forbidden not in {ref.path for ref in refs}
        return read(self, *refs, columns=columns)

    return noted


def test_sketches_survive_parquet(tmp_path: Path) -> None:
    rows = sketched(table(some(5, 50)), NEAR, SPLITTING, 2)
    pq.write_table(rows, tmp_path / "a.parquet", row_group_size=7)
    back = pq.read_table(tmp_path / "a.parquet", schema=SKETCHES)
    for mine, theirs in zip(sketches_of(back, NEAR), sketches_of(rows, NEAR), strict=True):
        assert np.array_equal(np.asarray(mine), np.asarray(theirs))

    def parts() -> Iterator[Any]:
        return (batch.column("shingles") for batch in pq.ParquetFile(tmp_path / "a.parquet").iter_batches(11))

    ours: list[int] = []
    Stored(parts).each(np.ones(50, np.bool_), lambda rows, sets: ours.extend(rows.tolist() + sets.values.tolist()), 1)
    assert set(range(50)) <= set(ours)
