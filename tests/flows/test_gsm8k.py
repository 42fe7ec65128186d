"""5,276 real traces of four models, with labels."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from flows.curate import curate
from schemas.errors import EmptyError
from schemas.refs import Snapshot
from tasks.lake import Lake

GSM8K = Path(__file__).parents[3] / "shared/data/gsm8k"
pytestmark = [
    pytest.mark.skipif(not GSM8K.exists(), reason="needs ../shared/data/gsm8k"),
    pytest.mark.usefixtures("prefect_server"),
]
TEST_SET = (
    f"decontaminate.benchmarks={{gsm8k-test: {{source: {{format: jsonl, path: {GSM8K}/test.jsonl}}, text: question}}}}"
)


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    monkeypatch.setenv("GSM8K", str(GSM8K))
    return Lake(str(tmp_path / "lake"))


def newest(lake: Lake) -> Snapshot:
    return lake.snapshots()[-1]


def test_verdicts_agree_with_the_labels(lake: Lake) -> None:
    release = curate("gsm8k-model-solutions", lake.url)
    (found,) = release.summary.agreements
    assert found.labelled == 5276
    assert found.share >= 0.995
    assert len(found.disagreements) == found.labelled - found.agreeing
    assert release.summary.exported["sft/train"] > 1500


def test_train_overlaps_only_where_a_problem_is_another_one_reworded(lake: Lake) -> None:
    curate("gsm8k-model-solutions", lake.url)
    overlaps = lake.read(*newest(lake).tables["contamination"])
    assert len(set(overlaps["problem_id"].to_pylist())) == 2
    spans = [span["text"] for row in overlaps.to_pylist() for span in row["spans"]]
    assert any("Some of the stamps had a snowflake design" in text for text in spans)
    assert any("hours would it take to travel an additional" in text for text in spans)


@pytest.mark.parametrize("mode", ["coverage", "any_ngram"])
def test_the_test_set_flags_every_problem(lake: Lake, mode: str) -> None:
    with pytest.raises(EmptyError, match="1,319 problems by decontaminate"):
        curate("gsm8k-model-solutions", lake.url, [TEST_SET, f"decontaminate.mode={mode}"])
    overlaps = lake.read(*newest(lake).tables["contamination"])
    whole = overlaps.filter(pc.equal(overlaps["coverage"], pa.scalar(1.0, pa.float32())))
    assert len(set(whole["problem_id"].to_pylist())) == 1319
