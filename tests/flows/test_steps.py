"""Steps are scored, and rewritten by a reviewer who knows arithmetic, with the bundled model."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from flows.curate import curate
from flows.refresh import refresh
from schemas.errors import TracemillError
from tasks.engines.models import Models
from tasks.lake import Lake
from tasks.places import DATA
from tasks.text.steps import steps

pytestmark = pytest.mark.usefixtures("prefect_server")

PROBLEMS = [json.loads(line) for line in (DATA / "samples/demo-problems.jsonl").read_text().splitlines()[:6]]
SHORT = {"max_tokens": 160}


def numbers(line: str) -> set[str]:
    return set(re.findall(r"\d+", line))


def rewrites(traces: list[dict[str, Any]], questions: dict[str, str]) -> Iterator[dict[str, Any]]:
    """The first line of each trace that works out something else than the gold solution's, as that has it."""
    gold = {one["question"]: one["solution"].split("\n") for one in PROBLEMS}
    for trace in traces:
        lines = steps(trace["text"], trace["step_offsets"])
        right = gold[questions[trace["problem_id"]]]
        for at, (line, better) in enumerate(zip(lines, right, strict=False)):
            if numbers(line) != numbers(better):
                yield {"trace_id": trace["trace_id"], "step": at, "after": better, "reviewer": "owl"}
                break


def rows(lake: str, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = Lake(lake).rows(Lake(lake).newest(), name).to_pylist()
    return found


def saved(path: Path, recipe: dict[str, Any]) -> str:
    path.write_text(yaml.safe_dump(recipe))
    return str(path)


def lined(path: Path, values: list[dict[str, Any]]) -> dict[str, str]:
    """A source of these rows."""
    path.write_text("\n".join(map(json.dumps, values)))
    return {"format": "jsonl", "path": str(path)}


def test_a_rewritten_step_leads_to_the_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake, path = str(tmp_path / "lake"), tmp_path / "steps.yaml"
    recipe: dict[str, Any] = {
        "name": "steps",
        "models": {"tiny": {"model": "${TRACEMILL_DATA}/models/tiny-reasoner"}},
        "ingest": {
            "source": lined(tmp_path / "problems.jsonl", PROBLEMS),
            "problem": {"question": "question", "reference": "answer"},
            "completions": [],
        },
        "generate": {"samplers": {"tiny": {"model": "tiny", "n": 3, "temperatures": [1.0], "sampling": SHORT}}},
        "score": {"model": "tiny", "k": 2, "method": "omega", "sampling": SHORT, "statuses": ["incorrect"]},
    }
    first = refresh(saved(path, recipe), lake)
    stands = {row["trace_id"]: row["status"] for row in rows(lake, "standings")}
    scored = [row for row in rows(lake, "verdicts") if row["verifier"] == "rollouts"]
    assert scored
    assert all(stands[row["trace_id"]] == "incorrect" and row["first_wrong_step"] >= 0 for row in scored)

    wrong = [row for row in rows(lake, "traces") if stands[row["trace_id"]] == "incorrect"]
    questions = {row["problem_id"]: row["question"] for row in rows(lake, "problems")}
    written = [*rewrites(wrong, questions), {"trace_id": "nobody", "step": 0, "after": "x", "reviewer": "owl"}]
    assert len(written) > 1
    source = lined(tmp_path / "rewrites.jsonl", written)
    recipe["rewrite"] = {"source": source, "model": "tiny", "k": 2, "sampling": SHORT}
    second = refresh(saved(path, recipe), lake)

    told = rows(lake, "rewrites")
    assert len(told) == 2 * (len(written) - 1)
    assert {row["reviewer"] for row in told} == {"owl"}
    stands = {row["trace_id"]: row["status"] for row in rows(lake, "standings")}
    traces = {row["trace_id"]: row for row in rows(lake, "traces")}
    for row in told:
        child, parent = traces[row["continuation_trace_id"]], traces[row["trace_id"]]
        fork = parent["step_offsets"][row["step"]]
        assert child["text"][:fork] == parent["text"][:fork]
        assert child["text"][fork:].startswith(row["after"])
        assert child["step_offsets"][: row["step"] + 1] == parent["step_offsets"][: row["step"] + 1]
        assert (child["origin"], child["fork_step"]) == ("rewritten", row["step"])
    assert {row["outcome"] for row in told if stands[row["continuation_trace_id"]] == "correct"} >= {"correct"}
    # They are no samples of their own: what the model solves is what it did.
    assert second.summary.pass_at_k == first.summary.pass_at_k
    assert [row["row_id"].split(":")[-1] for row in rows(lake, "dropped") if row["table"] == "rewrites"] == [
        str(len(written))
    ]
    assert len(rows(lake, "completions")) == len({row["completion_id"] for row in rows(lake, "completions")})

    monkeypatch.setattr(Models, "complete", never)
    assert refresh(str(path), lake).version == second.version


def test_imported_traces_are_rewritten_and_scored_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake, path = str(tmp_path / "lake"), tmp_path / "mine.yaml"
    broken = [one | {"solution": re.sub(r"\d+(?=\D*$)", "7", one["solution"])} for one in PROBLEMS[:2]]
    recipe: dict[str, Any] = {
        "name": "mine",
        "models": {"tiny": {"model": "${TRACEMILL_DATA}/models/tiny-reasoner"}},
        "ingest": {
            "source": lined(tmp_path / "traces.jsonl", [*PROBLEMS[:2], *broken]),
            "problem": {"question": "question", "reference": "answer"},
            "completions": [{"text": "solution"}],
        },
        "score": {"model": "tiny", "k": 1, "sampling": SHORT, "per_problem": 2},
    }
    curate(saved(path, recipe), lake)
    found = {row["trace_id"]: row for row in rows(lake, "verdicts") if row["verifier"] == "rollouts"}
    traces = rows(lake, "traces")
    assert {name: len(row["step_scores"]) for name, row in found.items()} == {
        row["trace_id"]: len(row["step_offsets"]) for row in traces
    }
    last = len(traces[-1]["step_offsets"]) - 1
    again = {"trace_id": traces[-1]["trace_id"], "step": last, "after": r"\boxed{5}", "reviewer": "owl"}
    source = lined(tmp_path / "rewrites.jsonl", [again])
    recipe["rewrite"] = {"source": source, "model": "tiny", "k": 1, "sampling": SHORT}
    made = curate(saved(path, recipe), lake)
    (told,) = rows(lake, "rewrites")
    assert told["reason"] == "the rewritten step holds the reference answer"
    assert told["continuation_trace_id"] in {row["trace_id"] for row in rows(lake, "traces")}

    monkeypatch.setattr(Models, "complete", never)
    assert curate(str(path), lake).version == made.version


def never(*_: object) -> None:
    raise AssertionError("a model was asked")


@pytest.mark.parametrize("stage", ["score", "rewrite"])
def test_an_unknown_model_is_named(stage: str, tmp_path: Path) -> None:
    source = lined(tmp_path / "traces.jsonl", PROBLEMS[:1])
    recipe: dict[str, Any] = {
        "name": "mine",
        "ingest": {"source": source, "problem": {"question": "question"}, "completions": [{"text": "solution"}]},
        stage: {"model": "huge"} | ({"source": source} if stage == "rewrite" else {}),
    }
    with pytest.raises(TracemillError, match=rf"{stage}\.model: huge is none of the recipe's models"):
        curate(saved(tmp_path / "r.yaml", recipe), str(tmp_path / "lake"))
