"""Every strategy by prompting with the bundled model, which cannot follow such prompts: nothing breaks, all is said."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tasks.engines.models import ModelConfig, Models
from tasks.generate.config import GenerateConfig
from tasks.generate.generate import Goal, sample
from tasks.generate.rollouts import Rollouts
from tasks.generate.screen import screen
from tasks.verify.live import LiveVerifier
from tasks.verify.verify import VerifyConfig

MODEL = str(Path(__file__).parents[4] / "data/models/tiny-reasoner")
QUESTION = "Oksana the mechanic brings 24 bolts on Monday and 35 on Tuesday. What is the number of bolts at the end?"
STEP = {"end": "\n", "max_tokens": 40}
STRATEGIES: dict[str, dict[str, Any]] = {
    "tree_of_thoughts": {"thoughts": 2, "breadth": 1, "depth": 2, "values": 1, "step": STEP},
    "least_to_most": {"most": 2},
    "analogical": {},
    "self_refine": {"rounds": 1},
    "chain_of_verification": {"most": 2},
    "program": {},
    "best_of_n": {"n": 3, "by": "consistent"},
}


@pytest.fixture(scope="module")
def models() -> Iterator[Models]:
    engine = {"transformers": {"threads": 1, "batch": 8}}
    with Models({"tiny": ModelConfig(model=MODEL, engine=engine)}) as models:
        yield models


@pytest.mark.parametrize("name", STRATEGIES)
def test_what_it_cannot_do_is_said(name: str, models: Models) -> None:
    sampler = {"model": "tiny", "n": 1, "strategy": {name: STRATEGIES[name]}, "sampling": {"max_tokens": 80}}
    config = GenerateConfig.model_validate({"samplers": {name: sampler}})
    problems = [
        {"problem_id": f"p{n}", "domain": "math", "question": QUESTION, "reference": answer, "tests": None}
        | {"constraints": None}
        for n, answer in enumerate(["59", None])
    ]
    with LiveVerifier(VerifyConfig(verifiers={"math": {}})) as live:
        batches = list(sample(problems, Rollouts(config, models, live, {}), models, config, Goal()))
    traces = pa.concat_tables([one.traces for one in batches])
    rows = traces.to_pylist()
    assert {one["problem_id"] for one in rows} == {"p0", "p1"}
    noted = {one["problem_id"]: one["search"]["note"] for one in rows if one["search"]["note"]}
    assert noted.keys() == {"p0", "p1"}
    gone = set(screen(traces, config)["row_id"].to_pylist())
    assert all(one["search"]["chosen"] or one["origin"] == "generated" for one in rows if one["trace_id"] not in gone)
