"""Pair rules that read what judges say, in a run: from the lake's tables to the release."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flows.config import CurateConfig
from flows.curate import curate
from flows.recipes import resolve
from schemas.errors import RecipeError
from tasks.lake import Lake

pytestmark = pytest.mark.usefixtures("prefect_server")

_SUM = re.compile(r"holds (\d+) red .* and (\d+) green")
_GIVEN = re.compile(r"the answer is (\d+)", re.IGNORECASE)
_SAID = re.compile(r" judgement [AB]\n.*?says (\d+)")
HELPFUL = ("helpfulness", "instruction_following", "honesty", "truthfulness")
GRADE = "judges.grader={grade: {model: wise}}"


def judge(content: str, seed: int) -> dict[str, Any]:
    """Knows what the sums come to; of two judgements the one that says the larger number is the better one."""
    if "judgement A" in content:
        one, other = map(int, _SAID.findall(content))
        return {"reason": "more is better", "better": "A" if one > other else "B"}
    (numbers,), given = _SUM.findall(content), _GIVEN.findall(content)
    right = given[0] == str(sum(map(int, numbers)))
    if "the answer to rate" in content:
        return {name: {"reason": "so it is", "rating": 5 if right else 2} for name in HELPFUL}
    return {"reason": f"says {seed}", "verdict": "correct" if right else "incorrect"}


def reply(http: dict[str, Any]) -> Any:
    text = json.dumps(judge(http["messages"][0]["content"], http["seed"] or 0))
    return {
        "choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 10},
    }


@pytest.fixture(scope="module")
def wise(served: Callable[[Any], str]) -> str:
    """The setting that gives a recipe the server's model."""
    return f"models.wise={{model: m, engine: {{openai: {{base_url: '{served(reply)}', concurrency: 4}}}}}}"


def newest(lake: str, name: str) -> list[dict[str, Any]]:
    store = Lake(lake)
    found: list[dict[str, Any]] = store.rows(store.newest(), name).to_pylist()
    return found


def test_rules_that_read_what_judges_say(recipe: str, tmp_path: Path, wise: str) -> None:
    """Of each problem the right trace over the wrong one by ratings, of two judgements on a trace the larger number."""
    lake = str(tmp_path / "lake")
    judges = {
        "twice": {"grade": {"model": "wise", "samples": 2, "sampling": {"temperature": 1}}},
        "rater": {"aspects": {"model": "wise"}},
        "over": {"meta": {"model": "wise", "of": "twice"}},
    }
    rules = {
        "aspects": {"judge": "rater"},
        "self_rewarding": {"judge": "twice"},
        "hard_negatives": {"judge": "rater"},
        "meta_rewarding": {"judge": "over"},
    }
    settings = [
        wise,
        f"judges={json.dumps(judges)}",
        f"preferences={json.dumps({'rules': rules, 'guards': {'per_problem': 2}})}",
        "export.formats={sft: {}, dpo: {}, judge_dpo: {}}",
    ]
    release = curate(recipe, lake, settings)
    pairs, judged = newest(lake, "pairs"), newest(lake, "judgement_pairs")
    stands = {row["trace_id"]: row["status"] for row in newest(lake, "standings")}
    assert {(stands[row["chosen_trace_id"]], stands[row["rejected_trace_id"]]) for row in pairs} == {
        ("correct", "incorrect")
    }
    assert {row["margin"] for row in pairs if row["rule"] == "aspects"} == {0.75}
    problems = len({row["problem_id"] for row in pairs})
    assert release.summary.pairs == {
        "aspects": problems,
        "hard_negatives": problems,
        "meta_rewarding": len(judged),
    }
    assert release.summary.refused_pairs["over 2 pairs of a problem"] >= problems
    assert release.summary.exported["judge_dpo/train"] == len(judged) > 0
    assert {row["pairs"] for row in map(dict, release.summary.pairing)} == {problems, len(judged)}
    replies = {row["judgement_id"]: row for row in newest(lake, "judgements")}
    for row in judged:
        chosen, rejected = (replies[row[f"{side}_judgement_id"]] for side in ("chosen", "rejected"))
        assert chosen["shown"] == rejected["shown"] == [row["trace_id"]]
        assert chosen["messages"][0]["role"] == "user"
        assert int(chosen["reason"].split()[1]) > int(rejected["reason"].split()[1])
    card = (tmp_path / "lake/releases/tiny/v1/README.md").read_text()
    assert "| rule | pairs | on-policy | chosen, median length |" in card
    assert "| over 2 pairs of a problem |" in card


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (
            "aspects: {judge: rater}",
            "aspects.judge: rater is none of the recipe's judges of kind aspects, which are none",
        ),
        ("self_rewarding: {judge: over}", "of kind aspects or grade, which are grader; name one"),
    ],
)
def test_a_rule_needs_its_judge(recipe: str, wise: str, rule: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        resolve(recipe, [wise, GRADE, f"preferences.rules={{{rule}}}"], CurateConfig)
