"""Sampling traces: what is missing is taken, each as it comes, and nothing that came is lost."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import pyarrow as pa
import pytest

from schemas.errors import EngineError
from tasks.engines.contract import Completion, Request
from tasks.engines.flight import GradingStreams
from tasks.generate.config import GenerateConfig
from tasks.generate.contract import Accepts
from tasks.generate.generate import Goal, Share, sample, stored_texts
from tasks.generate.rollouts import Rollouts
from tasks.generate.screen import screen

Problems = list[dict[str, Any]]


class Models(GradingStreams, Protocol):
    asked: list[Request]
    under_way: int


Told = Callable[[Callable[[Request], str | Completion | Exception]], Models]


def right(request: Request) -> str:
    number = int(request.messages[-1].content.split()[2])
    return f"{number} + 1 = {number + 1}\nThe answer is {number + 1}"


def config(**samplers: Mapping[str, Any]) -> GenerateConfig:
    named = samplers or {"plain": {"model": "m", "n": 3, "temperatures": [0.5, 1.0]}}
    return GenerateConfig.model_validate({"samplers": named})


def run(
    problems: Problems,
    models: Models,
    live: Accepts,
    settings: GenerateConfig,
    *,
    stored: Sequence[pa.Table] = (),
    before: frozenset[str] = frozenset(),
    goal: Goal | None = None,
) -> list[pa.Table]:
    rollouts = Rollouts(settings, models, live, stored_texts(stored, settings), before)
    return [one.traces for one in sample(problems, rollouts, models, settings, goal or Goal())]


def ids(tables: Sequence[pa.Table]) -> set[str]:
    return {str(one) for table in tables for one in table["trace_id"].to_pylist()}


def test_every_sample_comes_once_with_all_that_is_known_of_it(told: Told, live: Accepts, problems: Problems) -> None:
    models = told(right)
    goal = Goal()
    table = pa.concat_tables(run(problems, models, live, config(), goal=goal))
    assert goal.accepted == 60
    assert Counter(table["problem_id"].to_pylist()) == {one["problem_id"]: 3 for one in problems}
    assert len(set(table["trace_id"].to_pylist())) == 60
    row = next(row for row in table.to_pylist() if row["problem_id"] == "p4" and row["sample_index"] == 1)
    assert row["text"] == "4 + 1 = 5\nThe answer is 5"
    assert row["step_offsets"] == [0, 10]
    told_of = {
        "model": "told-m", "model_revision": "r1", "engine": "told", "template_hash": "t1", "temperature": 1.0,
        "origin": "generated", "finish_reason": "stop", "prompt_tokens": 7, "completion_tokens": 9, "source": "plain",
    }  # fmt: skip
    assert {name: row[name] for name in told_of} == told_of
    seeds = {request.sampling.seed for request in models.asked}
    assert len(seeds) == 60


def test_what_is_stored_is_not_sampled_again(told: Told, live: Accepts, problems: Problems) -> None:
    first = run(problems, told(right), live, config())
    kept = [first[0].slice(0, 25)]
    models = told(right)
    rest = run(problems, models, live, config(), stored=kept)
    assert len(models.asked) == 35
    assert ids(rest) | ids(kept) == ids(first)
    seeds = {row["trace_id"]: row["seed"] for table in first for row in table.to_pylist()}
    assert all(row["seed"] == seeds[row["trace_id"]] for table in rest for row in table.to_pylist())


def test_a_later_round_takes_only_the_samples_that_a_larger_n_adds(
    told: Told, live: Accepts, problems: Problems
) -> None:
    first = run(problems, told(right), live, config())
    models = told(right)
    more = run(problems, models, live, config(plain={"model": "m", "n": 5}), before=frozenset(ids(first)))
    assert len(models.asked) == 40
    assert not ids(more) & ids(first)


def test_another_sampler_is_another_set_of_samples(told: Told, live: Accepts, problems: Problems) -> None:
    two = config(a={"model": "m", "n": 1, "on_policy": True}, b={"model": "other", "n": 2, "on_policy": False})
    table = pa.concat_tables(run(problems, told(right), live, two))
    found = Counter((row["source"], row["model"], row["on_policy"]) for row in table.to_pylist())
    assert found == {("a", "told-m", True): 20, ("b", "told-other", False): 40}


def test_sampling_ends_when_enough_are_accepted(told: Told, live: Accepts, problems: Problems) -> None:
    asked: Counter[str] = Counter()

    def third_time_lucky(request: Request) -> str:
        question = request.messages[-1].content
        asked[question] += 1
        return right(request) if asked[question] >= 3 else "It is so"

    until = config(plain={"model": "m", "n": 10, "until_accepted": 2})
    table = pa.concat_tables(run(problems, told(third_time_lucky), live, until))
    # Two wrong, then two right.
    assert set(Counter(table["problem_id"].to_pylist()).values()) == {4}
    hopeless = run(problems, told(lambda request: "It is so"), live, until)
    assert sum(table.num_rows for table in hopeless) == 200


def test_what_is_stored_counts_towards_enough(told: Told, live: Accepts, problems: Problems) -> None:
    until = config(plain={"model": "m", "n": 10, "until_accepted": 2})
    stored = run(problems, told(right), live, until)
    models = told(right)
    assert not run(problems, models, live, until, stored=stored)
    assert not models.asked


def test_a_goal_stops_the_run_and_gives_up_what_is_in_flight(told: Told, live: Accepts, problems: Problems) -> None:
    models = told(right)
    goal = Goal(target=6)
    settings = config().model_copy(update={"in_flight": 1})
    found = run(problems, models, live, settings, goal=goal)
    assert goal.reached
    assert 6 <= goal.accepted == sum(table.num_rows for table in found) < 60
    assert models.under_way == 0


def test_an_engine_that_breaks_ends_the_run_after_all_that_came(told: Told, live: Accepts, problems: Problems) -> None:
    def breaks(request: Request) -> str | Exception:
        return EngineError("the server went away") if "13 +" in request.messages[-1].content else right(request)

    models = told(breaks)
    settings = config()
    got: list[pa.Table] = []
    rollouts, slow = Rollouts(settings, models, live, {}), settings.model_copy(update={"in_flight": 4})
    with pytest.raises(EngineError, match="went away"):
        got.extend(one.traces for one in sample(problems, rollouts, models, slow, Goal()))
    done = {str(one) for table in got for one in table["problem_id"].to_pylist()}
    assert done >= {f"p{number}" for number in range(10)}
    assert models.under_way == 0


def test_unusable_texts_are_stored_and_never_accepted(told: Told, live: Accepts, problems: Problems) -> None:
    goal = Goal()
    table = pa.concat_tables(run(problems[:1], told(lambda _: "and + 1" * 300), live, config(), goal=goal))
    assert goal.accepted == 0
    assert screen(table, config())["reason"].to_pylist() == ["goes in circles"] * 3


@pytest.mark.parametrize("of", [1, 2, 7])
def test_each_problem_belongs_to_one_share(problems: Problems, of: int) -> None:
    owners = Counter(
        one["problem_id"] for number in range(of) for one in problems if Share(Goal(), number, of).has(one)
    )
    assert owners == {one["problem_id"]: 1 for one in problems}


def test_what_is_stored_of_finished_problems_counts_towards_a_target(
    told: Told, live: Accepts, problems: Problems
) -> None:
    models = told(right)
    stored = run(problems[:5], models, live, config())
    before = len(models.asked)
    goal = Goal(15)
    assert run(problems, models, live, config(), stored=stored, goal=goal) == []
    assert (goal.accepted, len(models.asked)) == (15, before)
