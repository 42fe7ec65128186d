"""A recipe's reward models: recipes that use one as what it is not are refused, and one scores steps in a run."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from flows.config import CurateConfig, RefreshConfig
from flows.curate import curate
from schemas.errors import TracemillError
from tasks.engines.models import Models
from tasks.lake import Lake
from tasks.places import DATA

PROBLEMS = [json.loads(line) for line in (DATA / "samples/demo-problems.jsonl").read_text().splitlines()[:4]]
MODELS = {
    "policy": {"model": "${TRACEMILL_DATA}/models/tiny-reasoner"},
    "prm": {"model": "${TRACEMILL_DATA}/models/tiny-prm", "engine": {"reward": {}}},
}


def recipe(path: Path, **settings: Any) -> dict[str, Any]:
    """Two right traces, and two whose last number is another one."""
    broken = [one | {"solution": one["solution"].replace(one["answer"], "599")} for one in PROBLEMS[:2]]
    path.write_text("\n".join(map(json.dumps, [*PROBLEMS[2:], *broken])))
    ingest = {
        "source": {"format": "jsonl", "path": str(path)},
        "problem": {"question": "question", "reference": "answer"},
        "completions": [{"text": "solution"}],
    }
    return {"name": "mine", "models": MODELS, "ingest": ingest, **settings}


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"score": {"model": "policy", "method": "reward"}}, r"score\.model: policy is no reward model.*reward: \{\}"),
        ({"score": {"model": "prm"}}, r"score\.model: prm is a reward model, which scores and does not write"),
        ({"score": {"model": "prm", "method": "omega"}}, r"score\.model: prm is a reward model"),
        ({"judges": {"j": {"grade": {"model": "prm"}}}}, r"judges\.j\.grade\.model: prm is a reward model"),
        ({"judges": {"reward": {"grade": {"model": "policy"}}}}, "judges: reward is a verifier's name"),
    ],
)
def test_a_model_has_to_be_what_it_is_used_as(tmp_path: Path, settings: dict[str, Any], why: str) -> None:
    with pytest.raises(TracemillError, match=why):
        CurateConfig.model_validate(recipe(tmp_path / "traces.jsonl", **settings))


@pytest.mark.parametrize(
    ("setting", "why"),
    [
        ({"generate": {"samplers": {"s": {"model": "prm"}}}}, r"generate\.samplers\.s\.model: prm is a reward model"),
        (
            {"generate": {"samplers": {"s": {"model": "huge"}}}},
            r"generate\.samplers\.s\.model: huge is none",
        ),
        ({"problems": {"model": "prm"}}, r"problems\.model: prm is a reward model"),
        ({"witness": {"model": "prm"}}, r"witness\.model: prm is a reward model"),
    ],
)
def test_a_model_that_writes_is_no_reward_model(setting: dict[str, Any], why: str) -> None:
    sound = {"name": "mine", "models": MODELS, "generate": {"samplers": {"s": {"model": "policy"}}}}
    sound["problems"] = {"model": "policy"}
    RefreshConfig.model_validate(sound)
    with pytest.raises(TracemillError, match=why):
        RefreshConfig.model_validate(sound | setting)


@pytest.mark.usefixtures("prefect_server")
def test_a_reward_model_labels_the_steps_of_a_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake, path = str(tmp_path / "lake"), tmp_path / "mine.yaml"
    settings: dict[str, Any] = {
        "score": {"model": "prm", "method": "reward"},
        "export": {"formats": {"stepwise": {"after_error": False}}},
    }
    path.write_text(yaml.safe_dump(recipe(tmp_path / "traces.jsonl", **settings)))
    made = curate(str(path), lake)
    store = Lake(lake)
    found = {row["trace_id"]: row for row in store.rows(store.newest(), "verdicts").to_pylist()}
    scored = {name: row for name, row in found.items() if row["verifier"] == "reward"}
    assert len(scored) == 4
    [part] = (Path(lake) / f"releases/mine/{made.version}/stepwise/train").glob("*.parquet")
    exported = {row["trace_id"]: row for row in pq.read_table(part).to_pylist()}
    assert {row["verifier"] for row in exported.values()} == {"reward"}
    for name, row in scored.items():
        first = row["first_wrong_step"]
        right = [at < first or first < 0 for at in range(len(row["step_scores"]))]
        assert exported[name]["labels"] == right
    monkeypatch.setattr(Models, "score", never)
    assert curate(str(path), lake).version == made.version


def never(*_: object) -> None:
    raise AssertionError("a model was asked")
