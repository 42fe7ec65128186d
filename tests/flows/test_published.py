"""Every published recipe, run on the bundled model with small numbers; what follows instructions is a small server."""

import json
import re
import threading
from collections.abc import Callable, Iterator
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from data.tiny_reasoner.evaluate import Loaded, complete, load, prompt_of
from flows.config import RefreshConfig
from flows.recipes import names, resolve
from flows.refresh import refresh
from schemas.refs import ReleaseManifest
from tasks.lake import Lake
from tasks.places import DATA
from tasks.text.steps import steps

pytestmark = pytest.mark.usefixtures("prefect_server")

SAMPLES = [json.loads(line) for line in (DATA / "samples/demo-problems.jsonl").read_text().splitlines()]
HELPFUL = ("helpfulness", "instruction_following", "honesty", "truthfulness")
BUNDLED = {"demo", "demo-mix", "demo-traces", "gsm8k-model-solutions", "pass-at-k", "tool-use"}
"""The recipes that no paper describes."""
_ONE_AT_A_TIME = threading.Lock()


def short(*samplers: str, n: int = 4) -> list[str]:
    each = (f"n={n}", "sampling.max_tokens=200")
    return [f"generate.samplers.{name}.{setting}" for name in samplers for setting in each]


SETTINGS: dict[str, list[str]] = {
    "tulu3-persona-math": ["problems.count=16", *short("solver", n=5)],
    "tulu3-preferences": short("policy", "pool", n=2),
    "s1": ["select.2.diversity.count=3", *short("teacher", "small", "large", n=1)],
    "r1-distill": ["generate.samplers.teacher.think=false", "verify.filters.format={}", *short("teacher")],
    "open-r1": short("teacher"),
    "openmathinstruct-majority": ["verify.majority.least=2", *short("solver")],
    "irpo": short("policy"),
    "sky-t1-flash": short("policy"),
    "self-rewarding": short("policy"),
    "math-shepherd": ["score.k=2", "score.sampling.max_tokens=150", "select.0.caps.traces=2", *short("policy")],
    "prm800k": ["score.k=2", "score.sampling.max_tokens=150", "score.per_problem=1", *short("policy")],
    "search-beam": [
        "models.policy.engine={transformers: {threads: 1}}",
        "generate.samplers.beam.strategy.beam.n=2",
        *short("beam", n=1),
    ],
    "search-mcts": [
        "models.policy.engine={transformers: {threads: 1}}",
        "generate.samplers.mcts.strategy.mcts.simulations=3",
        "generate.samplers.mcts.strategy.mcts.worth.rollouts=1",
        *short("mcts", n=1),
    ],
    "first-wrong-step": ["rewrite.k=2", "rewrite.sampling.max_tokens=200", *short("policy")],
}


def judge(content: str) -> dict[str, Any]:
    """Rates by a digest, calls everything correct, and prefers the judgement whose text sorts first."""
    if "judgement A" in content:
        first, second = (content.index(f"judgement {one}") for one in "AB")
        texts = content[first:second].split("\n", 1)[1], content[second:].split("\n", 1)[1]
        return {"reason": "it comes first", "better": "A" if texts[0] <= texts[1] else "B"}
    if "the answer to rate" in content:
        number = sha256(content.encode()).digest()[0]
        return {name: {"reason": f"{number}", "rating": 1 + number % 5} for name in HELPFUL}
    return {"reason": "why not", "verdict": "correct"}


@cache
def tiny() -> Loaded:
    return load(DATA / "models/tiny-reasoner")


def reply(http: dict[str, Any]) -> Any:
    """Judges what is to be judged; the bundled model, which cannot, solves the rest."""
    content, seed = http["messages"][0]["content"], http["seed"] or 0
    if "judgement A" in content or "the answer to rate" in content or "verdict" in content:
        text = json.dumps(judge(f"{content}{seed}"))
    else:
        with _ONE_AT_A_TIME:
            (text,) = complete(tiny(), [prompt_of(content)], temperature=http["temperature"], seed=seed)
    message = {"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return {"choices": [message], "usage": {"prompt_tokens": 100, "completion_tokens": 10}}


@pytest.fixture(scope="module")
def judging(served: Callable[[Any], str]) -> str:
    """What makes the server a recipe's model."""
    return f"{{model: m, engine: {{openai: {{base_url: '{served(reply)}'}}}}}}"


@pytest.fixture
def run(tmp_path: Path, judging: str) -> Callable[..., ReleaseManifest]:
    """Run a recipe with small numbers on eight problems, of which two have no reference."""
    path = tmp_path / "problems.jsonl"
    rows = [one | ({"answer": None} if at % 4 == 3 else {}) for at, one in enumerate(SAMPLES[:8])]
    path.write_text("\n".join(map(json.dumps, rows)))

    def made(name: str, *more: str) -> ReleaseManifest:
        given = [] if name == "tulu3-persona-math" else [f"ingest.source.path={path}"]
        of_its_own = "policy" if name == "self-rewarding" else "judge"
        settings = [f"models.{of_its_own}={judging}", *given, *SETTINGS[name], *more]
        return refresh(name, str(tmp_path / "lake"), settings)

    return made


def rows(folder: Path, name: str) -> list[dict[str, Any]]:
    store = Lake(str(folder / "lake"))
    found: list[dict[str, Any]] = store.rows(store.newest(), name).to_pylist()
    return found


def test_every_published_recipe_is_run() -> None:
    assert set(SETTINGS) == set(names()) - BUNDLED


@pytest.mark.parametrize("name", sorted(names()))
def test_a_recipe_says_why(name: str) -> None:
    """Each published one names its paper or project, and comments its choices."""
    text = (DATA / f"recipes/{name}.yaml").read_text()
    if name in SETTINGS:
        assert "arXiv" in text or "NovaSky" in text or "open-r1" in text
        resolve(name, [], RefreshConfig)
    assert text.count("#") > 3 or name in BUNDLED


@pytest.mark.parametrize("name", sorted(set(SETTINGS) - {"first-wrong-step"}))
def test_it_makes_a_release(name: str, run: Callable[..., ReleaseManifest], tmp_path: Path) -> None:
    release = run(name)
    formats = resolve(name, [], RefreshConfig).export.formats
    assert {key.split("/")[0] for key in release.summary.exported} == set(formats)
    assert all(release.summary.exported.values()), (release.summary.exported, release.summary.no_pairs)
    card = (tmp_path / f"lake/releases/{release.name}/{release.version}/README.md").read_text()
    assert "## How it was sampled" in card
    if name in CHECKS:
        CHECKS[name](tmp_path)


def majority_alone(folder: Path) -> None:
    assert {row["origin"] for row in rows(folder, "references")} == {"majority"}


def best_against_a_worse_one(folder: Path) -> None:
    rated = {row["subject_id"]: row["score"] for row in rows(folder, "ratings")}
    pairs = rows(folder, "pairs")
    assert all(rated[row["chosen_trace_id"]] > rated[row["rejected_trace_id"]] for row in pairs)


def three_hard_problems(folder: Path) -> None:
    lost = {row["row_id"] for row in rows(folder, "dropped") if row["table"] != "pairs"}
    assert sum(row["problem_id"] not in lost for row in rows(folder, "problems")) == 3
    alive = [row for row in rows(folder, "traces") if row["trace_id"] not in lost and row["problem_id"] not in lost]
    assert {row["source"] for row in alive} == {"teacher"}


def judged_where_math_is_not(folder: Path) -> None:
    unknown = {row["problem_id"] for row in rows(folder, "problems") if row["reference"] is None}
    assert unknown == {row["problem_id"] for row in rows(folder, "judgements")}


def gold_wins(folder: Path) -> None:
    gold = {row["trace_id"] for row in rows(folder, "traces") if row["source"] == "gold"}
    pairs = rows(folder, "pairs")
    assert any(row["chosen_trace_id"] in gold for row in pairs)
    assert not any(row["rejected_trace_id"] in gold for row in pairs)


def every_step_scored(folder: Path) -> None:
    count = {row["trace_id"]: len(row["step_offsets"]) for row in rows(folder, "traces")}
    scored = [row for row in rows(folder, "verdicts") if row["verifier"] == "rollouts"]
    assert all(len(row["step_scores"]) == count[row["trace_id"]] for row in scored)


def convincing_ones_wait(folder: Path) -> None:
    stands = {row["trace_id"]: row["status"] for row in rows(folder, "standings")}
    queue = rows(folder, "queue")
    assert queue
    assert {stands[row["trace_id"]] for row in queue} == {"incorrect"}


def trees_and_their_values(folder: Path) -> None:
    found = rows(folder, "traces")
    unknown = {row["problem_id"] for row in rows(folder, "problems") if row["reference"] is None}
    own = {row["problem_id"]: row["search"] for row in found if row["search"]["note"]}
    assert {
        name for name, one in own.items() if one["note"].startswith("broken off: no branch could be val")
    } == unknown
    lost = {row["row_id"] for row in rows(folder, "dropped")}
    stay = [row["search"] for row in found if row["trace_id"] not in lost and row["problem_id"] not in unknown]
    assert all(one["scorer"] == "rollouts" and one["step_scores"] for one in stay)
    assert {one["strategy"] for one in stay} == {"beam"} or all(one["chosen"] for one in stay)


CHECKS: dict[str, Callable[[Path], None]] = {
    "search-beam": trees_and_their_values,
    "search-mcts": trees_and_their_values,
    "tulu3-persona-math": majority_alone,
    "tulu3-preferences": best_against_a_worse_one,
    "self-rewarding": best_against_a_worse_one,
    "s1": three_hard_problems,
    "open-r1": judged_where_math_is_not,
    "openmathinstruct-majority": majority_alone,
    "irpo": gold_wins,
    "math-shepherd": every_step_scored,
    "prm800k": convincing_ones_wait,
}


def rewritten(folder: Path) -> Iterator[dict[str, Any]]:
    """A rewrite of the first step of each queued trace that works out something else than the gold solution's."""
    gold = {one["question"]: one["solution"].split("\n") for one in SAMPLES}
    questions = {row["problem_id"]: row["question"] for row in rows(folder, "problems")}
    traces = {row["trace_id"]: row for row in rows(folder, "traces")}
    for queued in rows(folder, "queue"):
        trace = traces[queued["trace_id"]]
        right = gold[questions[trace["problem_id"]]]
        lines = steps(trace["text"], trace["step_offsets"])
        for at, (line, better) in enumerate(zip(lines, right, strict=False)):
            if set(re.findall(r"\d+", line)) != set(re.findall(r"\d+", better)):
                yield {"trace_id": trace["trace_id"], "step": at, "after": better, "reviewer": "owl"}
                break


def test_the_first_wrong_step_is_rewritten_and_the_model_goes_on(
    run: Callable[..., ReleaseManifest], tmp_path: Path
) -> None:
    source = f"rewrite.source={{format: jsonl, path: '{tmp_path / 'rewrites-*.jsonl'}'}}"
    first = run("first-wrong-step", source)
    written = list(rewritten(tmp_path))
    assert written
    (tmp_path / "rewrites-1.jsonl").write_text("\n".join(map(json.dumps, written)))
    second = run("first-wrong-step", source)
    assert (second.previous, second.version) == (first.version, "v2")
    told = rows(tmp_path, "rewrites")
    assert len(told) == 2 * len(written)
    right = {row["continuation_trace_id"] for row in told if row["outcome"] == "correct"}
    assert right
    parents = {row["continuation_trace_id"]: row["trace_id"] for row in told}
    pairs = {(row["chosen_trace_id"], row["rejected_trace_id"]): row for row in rows(tmp_path, "pairs")}
    kept = {one: parent for one, parent in parents.items() if (one, parent) in pairs}
    assert kept
    steps_of = {row["trace_id"]: row["step"] for row in told}
    assert all(pairs[one, parent]["shared_prefix"] >= steps_of[parent] for one, parent in kept.items())
