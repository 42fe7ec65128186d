"""Strategies by prompting in a whole run: a server's model, verifiers, the sandbox, pairs and releases."""

import json
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from flows.refresh import refresh
from tasks.lake import Lake

pytestmark = pytest.mark.usefixtures("prefect_server")

Reply = Callable[[dict[str, Any]], Any]
RECIPE = """
name: prompted
models: {m: {model: m, engine: {openai: {base_url: "%s"}}}}
ingest:
  source: {format: jsonl, path: "%s"}
  problem: {question: question, reference: answer}
generate:
  samplers:
    pal: {model: m, n: 1, strategy: program}
    refined: {model: m, n: 1, strategy: {self_refine: {rounds: 1}}}
    parted: {model: m, n: 1, strategy: {least_to_most: {most: 2}}}
preferences: {rules: {correct_vs_incorrect: {}}}
export: {formats: {sft: {}, dpo: {}}}
"""


def says(body: dict[str, Any]) -> str:
    """Programs, parts and revisions; a draft is wrong. The sums are of the two numbers in a question."""
    first, last = body["messages"][0]["content"], body["messages"][-1]
    one, other = [int(word) for word in first.split() if word.isdigit()][:2]
    if last["role"] == "assistant":
        return f"I see {one + other} things. So it is \\boxed{{{one + other}}}."
    asked = last["content"]
    if "Python program" in asked:
        return f"The two are added.\n\n```python\nprint({one} + {other})\n```"
    if "List at most" in asked:
        return "1. How many are red?\n2. How many are green?"
    if "anew" in asked:
        assert "is wrong" in asked
        assert str(one + other) not in asked
        return f"{one} and {other} make \\boxed{{{one + other}}}."
    return f"{one} and {other} make \\boxed{{{one + other + 1}}}."


@pytest.fixture
def recipe(tmp_path: Path, served: Callable[[Reply], str]) -> str:
    """Three problems, and a model that is told what to say."""

    def reply(body: dict[str, Any]) -> Any:
        choice = {"message": {"content": says(body)}, "finish_reason": "stop", "stop_reason": None}
        return {"choices": [choice], "usage": {"prompt_tokens": 9, "completion_tokens": 9}}

    problems = [("apples", 3, 14), ("boats", 20, 5), ("clocks", 31, 8)]
    lines = [
        {"question": f"A room holds {red} red {thing} and {green} green {thing}: how many?", "answer": str(red + green)}
        for thing, red, green in problems
    ]
    (tmp_path / "problems.jsonl").write_text("\n".join(map(json.dumps, lines)))
    path = tmp_path / "prompted.yaml"
    path.write_text(RECIPE % (served(reply), tmp_path / "problems.jsonl"))
    return str(path)


def test_what_strategies_come_to_is_verified_paired_and_published(recipe: str, tmp_path: Path) -> None:
    url = str(tmp_path / "lake")
    release = refresh(recipe, url)
    assert release.summary.verdicts == {"correct": 9, "incorrect": 3}
    lake = Lake(url)
    of: dict[str, list[Any]] = defaultdict(list)
    for row in lake.rows(lake.newest(), "traces").to_pylist():
        of[row["source"]].append(row)
    assert {name: len(rows) for name, rows in of.items()} == {"pal": 3, "refined": 6, "parted": 3}
    assert all("```output\n" in row["text"] for row in of["pal"])
    assert all(row["text"].count("Sub-question") == 2 for row in of["parted"])
    pairs = lake.rows(lake.newest(), "pairs").to_pylist()
    sides = {(one["chosen_trace_id"], one["rejected_trace_id"]) for one in pairs}
    revisions = {(row["trace_id"], row["parent_trace_id"]) for row in of["refined"] if row["parent_trace_id"]}
    assert len(revisions) == 3
    assert revisions <= sides
    rows = pq.read_table(f"{url}/releases/prompted/{release.version}/sft").num_rows
    assert rows == release.summary.exported["sft/train"] == 9
    assert refresh(recipe, url).version == release.version
