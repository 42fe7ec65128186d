"""Shares of searches: workers write both journals, and the run that collects them asks nothing."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import pyarrow as pa
import pytest

from schemas.refs import Stage, Tables, added
from schemas.tables import PROBLEMS
from tasks.engines.contract import Completion, Finish, Request
from tasks.engines.flight import GradingStreams
from tasks.generate.config import GenerateConfig
from tasks.generate.contract import Accepts
from tasks.generate.generate import SEARCH, Goal, Share
from tasks.generate.task import generate, generate_share, missing, remake, searches_of, stages_of
from tasks.lake import Lake

Problems = list[dict[str, Any]]
STEP: Mapping[str, Any] = {"end": "\n", "max_tokens": 20}
HOW = GenerateConfig.model_validate(
    {
        "samplers": {
            "tree": {
                "model": "m",
                "n": 2,
                "strategy": {"beam": {"n": 2, "width": 2, "step": STEP, "worth": {"rollouts": 1}}},
            },
            "plain": {"model": "m", "n": 1},
        }
    }
)


class Models(GradingStreams, Protocol):
    asked: list[Request]


Told = Callable[..., Models]
Given = Callable[[Lake], list[Tables]]
Made = tuple[Lake, list[Tables]]


def stepwise(request: Request) -> Completion:
    number, seed = int(request.messages[-1].content.split()[2]), request.sampling.seed or 0
    if "\n" in request.sampling.stop and not request.prefix:
        return Completion(request.request_id, f"We add, {seed % 3}.", Finish.STOP, 5, 3, stopped="\n")
    return Completion(request.request_id, f"So {number + 1 + seed % 2}", Finish.STOP, 5, 2)


@pytest.fixture
def rounds(problems: Problems) -> Given:
    """Put the problems into a lake: two rounds of them."""
    empty = {one.name: None if one.nullable else 0 if one.type == pa.int32() else "s" for one in PROBLEMS}

    def make(lake: Lake) -> list[Tables]:
        made = []
        for number, some in enumerate((problems[:4], problems[4:7])):
            table = pa.Table.from_pylist([empty | one for one in some], PROBLEMS)
            stage = Stage(name="given", version="1", config={"round": number}, tables=("problems",))
            made.append(lake.run(stage, lambda table=table: [lambda: {"problems": table}]))  # type: ignore[misc]
        return made

    return make


def content(lake: Lake, tables: list[Tables]) -> list[list[dict[str, Any]]]:
    return [lake.rows(one, name).to_pylist() for one in tables for name in ("traces", "completions")]


@pytest.fixture
def alone(tmp_path: Any, told: Told, live: Accepts, rounds: Given) -> tuple[Lake, list[Tables]]:
    """What one run makes."""
    lake = Lake(str(tmp_path / "alone"))
    given = rounds(lake)
    return lake, added(given, generate.fn(lake, given, HOW, told(stepwise), live, Goal()))


def test_shares_come_to_what_one_run_does(alone: Made, tmp_path: Any, told: Told, live: Accepts, rounds: Given) -> None:
    lake = Lake(str(tmp_path / "shared"))
    given = rounds(lake)
    workers = [told(stepwise) for _ in range(2)]
    assert missing(lake, given, HOW, workers[0], live) == 7 * 3
    for number, models in enumerate(workers):
        generate_share.fn(lake, given, HOW, models, live, Share(Goal(), number, 2))
        assert models.asked
    assert missing(lake, given, HOW, workers[0], live) == 0
    last = told(stepwise)
    made = added(given, generate.fn(lake, given, HOW, last, live, Goal()))
    assert not last.asked
    assert content(lake, made) == content(*alone)
    assert all(one["completions"] for one in made)


@pytest.mark.parametrize("lost", ["traces", "completions", "both"])
def test_what_is_lost_is_made_again(lost: str, alone: Made, tmp_path: Any, told: Told, live: Accepts) -> None:
    lake, made = alone
    before = content(lake, made)
    wanted = ["traces", "completions"] if lost == "both" else [lost]
    for ref in [ref for one in made for name in wanted for ref in one[name]]:
        for part in (tmp_path / "alone" / ref.path).glob("part-*"):
            part.unlink()
    models = told(stepwise)
    for ref in [ref for one in made for name in wanted for ref in one[name]]:
        stage = Lake(lake.url).stage_of(ref)
        assert stage
        remake(lake, stage, HOW, models, live)
    assert content(Lake(lake.url), made) == before
    names = [one.request_id for one in models.asked]
    assert len(names) == len(set(names))
    plain = {row["trace_id"] for rows in before[::2] for row in rows if row["source"] == "plain"}
    if lost == "traces":
        assert set(names) == plain
    assert plain < set(names) if lost == "both" else plain.isdisjoint(names) == (lost == "completions")


def test_a_stage_of_before_searches_has_none(alone: Made, told: Told, rounds: Given) -> None:
    lake, _ = alone
    stages = stages_of(lake, rounds(lake), HOW, told(stepwise))
    assert [one.name for one in searches_of(stages.values())] == [SEARCH] * 2
    old = {"samplers": {"plain": {"model": "m", "n": 1, "budget": None}}, "seed": 0}
    assert not searches_of([one.model_copy(update={"config": old}) for one in stages.values()])
