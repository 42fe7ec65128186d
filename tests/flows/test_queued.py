"""What a batch is made of: gold traces, and what it keeps of its recipe."""

import json
from pathlib import Path
from typing import Any

import pytest

from flows.config import RefreshConfig
from flows.queued import gold, settings_of
from flows.recipes import resolve
from review.config import ReviewConfig
from schemas.errors import SourceError
from tasks.prompts import Prompting
from tasks.text.steps import steps

ROW = {"problem": "1 + 1?", "steps": ["1 + 1 = 3", "It is 3."], "label": 0, "final_answer_correct": False}


def review(path: Path, *rows: dict[str, Any], share: float = 0.5) -> ReviewConfig:
    path.write_text("\n".join(map(json.dumps, rows)))
    source = {"format": "jsonl", "path": str(path)}
    return ReviewConfig.model_validate({"gold": {"source": source, "share": share}})


def test_gold_traces_are_cut_as_their_source_cuts_them(tmp_path: Path) -> None:
    (one,) = gold(review(tmp_path / "gold.jsonl", ROW), 1)
    assert (one.gold, one.status, one.problem["question"], one.problem["domain"]) == (0, "incorrect", "1 + 1?", "math")
    assert steps(one.trace["text"], one.trace["step_offsets"]) == ["1 + 1 = 3\n\n", "It is 3."]


@pytest.mark.parametrize(
    ("count", "share", "expected"), [(0, 0.5, 0), (3, 0.5, 3), (9, 0.1, 1), (10, 0.1, 2), (90, 0.5, 8)]
)
def test_as_many_as_their_share_needs(count: int, share: float, expected: int, tmp_path: Path) -> None:
    rows = [ROW | {"problem": f"1 + {number}?"} for number in range(8)]
    config = review(tmp_path / "gold.jsonl", *rows, share=share)
    found = gold(config, count)
    assert len(found) == expected
    assert found == gold(config, 90)[:expected]


@pytest.mark.parametrize(
    "change", [{"steps": []}, {"steps": ["a", ""]}, {"label": 2}, {"label": -2}, {"problem": ""}, {"label": None}]
)
def test_what_is_no_gold_trace_ends_the_run(change: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"gold\.jsonl:1"):
        gold(review(tmp_path / "gold.jsonl", ROW | change), 1)


def test_a_batch_keeps_what_going_on_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-planted")
    config = resolve(
        "first-wrong-step", ["models.policy.engine={openai: {base_url: 'http://127.0.0.1:1/v1'}}"], RefreshConfig
    )
    kept = settings_of(config)
    assert kept.model == config.models["policy"]
    assert (kept.going_on.k, kept.going_on.sampling.max_tokens, kept.verify) == (4, 512, config.verify)
    assert kept.prompts == {"policy": Prompting()}
    assert "sk-planted" not in kept.model_dump_json()
    assert type(kept).model_validate_json(kept.model_dump_json()) == kept
    labels = settings_of(resolve("first-wrong-step", ["rewrite=null"], RefreshConfig))
    assert labels.model is None
