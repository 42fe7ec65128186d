from pathlib import Path

import pyarrow as pa
from datasketch import MinHash, MinHashLSH

from schemas.refs import Stage
from schemas.tables import PROBLEMS
from tasks.dedupe.near import near_duplicates
from tasks.dedupe.sketch import PERMUTATIONS, SEED, Near, minhashes
from tasks.lake import Lake
from tasks.text.words import Splitting

TEXTS = [
    "Natalia sold clips to 48 of her friends in April, and then she sold half as many clips in May. How many in all?",
    "Weng earns 12 dollars an hour for babysitting. Yesterday, she did 50 minutes of it. How much did she earn?",
    "Betty is saving money for a new wallet which costs 100 dollars. She has only half of the money she needs.",
]
NEAR = Near(shingle=2, threshold=0.7)


def test_datasketch_queries_the_lake(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "lake"))
    empty = {field.name: None if field.nullable else "" for field in PROBLEMS} | {"domain": "math", "round": 0}
    made = [empty | {"problem_id": f"p{at}", "question": text} for at, text in enumerate(TEXTS)]
    parts = [pa.Table.from_pylist([row], PROBLEMS) for row in made]
    stage = Stage(name="made", version="1", config={}, tables=("problems",))
    tables = lake.run(stage, lambda: [lambda part=part: {"problems": part} for part in parts])  # type: ignore[misc]

    index = MinHashLSH(threshold=0.5, num_perm=PERMUTATIONS)
    ids = lake.rows(tables, "problems", ["problem_id"])["problem_id"].to_pylist()
    for name, sketch in zip(ids, minhashes(lake.parts(tables, "problems", "question"), NEAR, Splitting()), strict=True):
        index.insert(name, sketch)
    edited = pa.array([TEXTS[1].replace("Yesterday", "Last night"), "Nothing of the kind is in the lake at all."])
    alike, unlike = minhashes(edited, NEAR, Splitting())
    assert index.query(alike) == ["p1"]
    assert index.query(unlike) == []


def test_datasketch_estimates_what_is_counted_here() -> None:
    texts = [TEXTS[0], TEXTS[0].replace("half", "twice"), TEXTS[0].replace("April", "June").upper()]
    first, *others = minhashes(pa.array(texts), NEAR, Splitting())
    assert (first.seed, first.scheme, len(first)) == (SEED, "affine32", PERMUTATIONS)
    found = near_duplicates(pa.array(texts), NEAR, Splitting())
    assert found.keepers.tolist() == [0, 0, 0]
    for sketch, jaccard in zip(others, found.jaccard[1:], strict=True):
        assert abs(first.jaccard(sketch) - jaccard) < 0.12
    union = MinHash(PERMUTATIONS, SEED)
    for sketch in (first, *others):
        union.merge(sketch)
    assert union.count() > first.count()
