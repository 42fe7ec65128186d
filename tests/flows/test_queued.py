"""What a batch is made of: gold traces, and what it keeps of its recipe."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from flows.config import RefreshConfig
from flows.queued import gold, queued, settings_of
from flows.recipes import resolve
from review.config import ReviewConfig
from schemas.errors import SourceError
from schemas.refs import Stage, Tables
from schemas.tables import TABLES
from tasks.lake import Lake
from tasks.prompts import Prompting
from tasks.score.scores import ROLLOUTS
from tasks.text.steps import steps

BLANK: dict[str, Any] = {"string": "", "int32": 0, "int64": 0, "float": 0.0, "double": 0.0, "bool": False}
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


def store(lake: Lake, name: str, *made: dict[str, Any]) -> Tables:
    """A table of two parts, the second one of rows that nobody asks for."""
    blank = {field.name: None if field.nullable else BLANK.get(str(field.type), []) for field in TABLES[name]}
    others = [blank | {key: f"other-{at}" for key in blank if key.endswith("_id")} for at in range(100)]
    stage = Stage(name=f"made {name}", version="1", config={}, tables=(name,))
    parts = [pa.Table.from_pylist(rows, TABLES[name]) for rows in ([blank | one for one in made], others)]
    return lake.run(stage, lambda: [lambda part=part: {name: part} for part in parts])  # type: ignore[misc]


def test_a_queue_is_of_its_own_rows_and_no_table_is_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = Lake(str(tmp_path / "lake"))
    tables = store(lake, "queue", *({"trace_id": f"t{at}", "problem_id": "p", "rank": 3 - at} for at in (1, 2)))
    tables |= store(lake, "traces", *({"trace_id": f"t{at}", "problem_id": "p", "text": str(at)} for at in (0, 1, 2)))
    tables |= store(lake, "problems", {"problem_id": "p", "question": "1 + 1?"})
    tables |= store(lake, "references", {"problem_id": "p", "reference": "2"})
    tables |= store(lake, "standings", *({"trace_id": f"t{at}", "status": "incorrect"} for at in (0, 1, 2)))
    about = {"trace_id": "t2"}
    said = about | {"verifier": "math", "reason": "not 2", "extracted_answer": "3"}
    rollouts: dict[str, Any] = about | {"verifier": ROLLOUTS, "first_wrong_step": 0, "reason": "r"}
    tables |= store(lake, "verdicts", said, rollouts)
    read: list[str] = []

    def rows(self: Lake, tables: Tables, name: str, columns: list[str] | None = None) -> pa.Table:
        read.append(name)
        return whole(self, tables, name, columns)

    whole = Lake.rows
    monkeypatch.setattr(Lake, "rows", rows)
    others = {f"other-{at}" for at in range(100)}
    found = queued(lake, tables, others)
    assert [(one.trace["trace_id"], one.trace["text"], one.rank) for one in found] == [("t2", "2", 1), ("t1", "1", 2)]
    assert {one.problem["reference"] for one in found} == {"2"}
    first, second = found
    assert (first.reason, first.answer, first.suggestion, first.suggested_by) == ("math: not 2", "3", 0, "rollouts: r")
    assert (second.reason, second.suggestion, second.status) == ("", None, "incorrect")
    assert read == ["queue"]
    assert lake.chosen(tables, "traces", "trace_id", []).num_rows == 0
    assert lake.chosen({}, "traces", "trace_id", ["t1"], ["text"]).column_names == ["text"]
