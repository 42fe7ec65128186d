"""A search: its tree becomes traces, what it asked is told again, and what breaks it off is said."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import pyarrow as pa
import pytest

from schemas.errors import RecipeError
from tasks.engines.contract import Completion, Finish, Graded, Request
from tasks.engines.flight import GradingStreams
from tasks.generate.config import GenerateConfig, Sampler
from tasks.generate.contract import Accepts
from tasks.generate.generate import Batch, Goal, sample, stored_replies
from tasks.generate.rollouts import Rollouts
from tasks.generate.screen import screen

Problems = list[dict[str, Any]]


class Models(GradingStreams, Protocol):
    asked: list[Request]
    graded: list[Graded]


Told = Callable[..., Models]
STEP: Mapping[str, Any] = {"end": "\n", "max_tokens": 20}


def stepwise(request: Request) -> Completion:
    """Three steps, of which the second is right or wrong as the seed falls, and the last says what comes of it."""
    told = request.prefix.count("\n")
    number = int(request.messages[-1].content.split()[2])
    right = (request.sampling.seed or 0) % 2 == 0
    lines = ["We add.", f"It is {number + (1 if right else 2)}."]
    lines.append(f"So {lines[1].split()[-1][:-1] if told < 2 else request.prefix.split()[-1][:-1]}")
    if "\n" in request.sampling.stop and told < 2:
        return Completion(request.request_id, lines[told], Finish.STOP, 5, 3, stopped="\n")
    return Completion(request.request_id, "\n".join(lines[told:]), Finish.STOP, 5, 3 * (3 - told))


def trusting(request: Graded) -> Sequence[float]:
    number = int(request.messages[-1].content.split()[2])
    return [0.1 if "It is" in step and str(number + 1) not in step else 0.9 for step in request.steps]


def config(strategy: Mapping[str, Any], **more: Any) -> GenerateConfig:
    sampler = {"model": "m", "n": 1, "temperatures": [0.7], "strategy": strategy, "sampling": {"max_tokens": 60}}
    return GenerateConfig.model_validate({"samplers": {"searching": sampler | more}})


def run(problems: Problems, models: Models, live: Accepts, settings: GenerateConfig, *before: pa.Table) -> Batch:
    rollouts = Rollouts(settings, models, live, {}, replies=stored_replies(before))
    came = list(sample(problems, rollouts, models, settings, Goal()))
    return Batch(*(pa.concat_tables(those) for those in zip(*came, strict=True)))


BEST = {"best_of_n": {"n": 6}}
BEAM = {"beam": {"n": 4, "width": 2, "step": STEP, "worth": {"reward": "prm"}}}
ROLLED = {"beam": {"n": 2, "width": 2, "step": STEP, "worth": {"rollouts": 2}}}


@pytest.mark.parametrize("strategy", [BEST, BEAM, ROLLED])
def test_the_tree_is_traces_with_parents(strategy: Any, told: Told, live: Accepts, problems: Problems) -> None:
    traces = run(problems, told(stepwise, trusting), live, config(strategy)).traces.to_pylist()
    by_id = {row["trace_id"]: row for row in traces}
    assert len(by_id) == len(traces)
    own = [row for row in traces if row["search"]["note"]]
    assert sorted(row["problem_id"] for row in own) == sorted(one["problem_id"] for one in problems)
    assert sum(row["search"]["chosen"] for row in own) >= 18
    for row in traces:
        parent = by_id.get(row["parent_trace_id"])
        assert (parent is None) == (row["parent_trace_id"] is None)
        if parent:
            assert row["text"].startswith(parent["text"])
            assert row["step_offsets"][: row["fork_step"]] == parent["step_offsets"]
            assert row["origin"] == "searched"
        assert row["step_offsets"] == sorted(set(row["step_offsets"]))


def test_a_reward_model_leads_to_right_traces(told: Told, live: Accepts, problems: Problems) -> None:
    batch = run(problems, told(stepwise, trusting), live, config(BEAM))
    chosen = [row for row in batch.traces.to_pylist() if row["search"]["chosen"]]
    right = [row for row in chosen if row["text"].endswith(str(int(row["problem_id"][1:]) + 1))]
    assert len(right) > len(problems) * 0.8
    assert all(len(row["search"]["step_scores"]) == len(row["step_offsets"]) for row in chosen)
    assert {row["search"]["scorer"] for row in chosen} == {"prm"}
    gone = screen(batch.traces, config(BEAM))
    assert set(gone["reason"].to_pylist()) <= {"a branch that its search left"}
    assert not set(gone["row_id"].to_pylist()) & {row["trace_id"] for row in chosen}


@pytest.mark.parametrize("strategy", [BEST, BEAM, ROLLED])
def test_what_was_told_is_not_asked_again(strategy: Any, told: Told, live: Accepts, problems: Problems) -> None:
    first = told(stepwise, trusting)
    whole = run(problems, first, live, config(strategy))
    assert whole.completions.num_rows == len(first.asked) + len(first.graded)
    half = whole.completions.slice(0, whole.completions.num_rows // 2)
    again = told(stepwise, trusting)
    resumed = run(problems, again, live, config(strategy), half)
    assert len(again.asked) + len(again.graded) == whole.completions.num_rows - half.num_rows
    assert resumed.traces.sort_by("trace_id").equals(whole.traces.sort_by("trace_id"))


def test_a_verifier_that_errs_breaks_its_search_off_and_no_other(told: Told, live: Accepts, problems: Problems) -> None:
    class Erring:
        def accepted(self, problem: Mapping[str, Any], texts: Sequence[str]) -> list[bool]:
            return live.accepted(problem, texts)

        def told(self, problem: Mapping[str, Any], texts: Sequence[str]) -> Any:
            if problem["problem_id"] == "p3":
                raise ZeroDivisionError("in the middle")
            return live.told(problem, texts)

    traces = run(problems, told(stepwise), Erring(), config(ROLLED)).traces.to_pylist()
    broken = [row for row in traces if row["problem_id"] == "p3"]
    assert [row["search"]["note"] for row in broken if row["search"]["note"]] == [
        "broken off: a verifier broke: ZeroDivisionError: in the middle"
    ]
    assert len(broken) > 2
    assert len({row["problem_id"] for row in traces if row["search"]["chosen"]}) >= 17


def test_a_step_that_never_ends_is_given_up(told: Told, live: Accepts, problems: Problems) -> None:
    def endless(request: Request) -> Completion:
        if request.prefix:
            return Completion(request.request_id, "on and on", Finish.LENGTH, 5, request.sampling.max_tokens)
        return stepwise(request)

    batch = run(problems[:2], told(endless, trusting), live, config(BEAM))
    notes = [row["search"]["note"] for row in batch.traces.to_pylist() if row["search"]["note"]]
    assert notes == ["no branch came to an end"] * 2
    reasons = screen(batch.traces, config(BEAM))["reason"].to_pylist()
    assert len(reasons) == batch.traces.num_rows
    assert set(reasons) == {"ran into max_tokens", "a branch that its search left"}


def test_a_server_that_does_not_say_what_ended_a_step_is_understood(
    told: Told, live: Accepts, problems: Problems
) -> None:
    def silent(request: Request) -> Completion:
        return stepwise(request)._replace(stopped="")

    class Reading:
        def accepted(self, problem: Mapping[str, Any], texts: Sequence[str]) -> list[bool]:
            return live.accepted(problem, texts)

        def told(self, problem: Mapping[str, Any], texts: Sequence[str]) -> Any:
            told: Any = live.told(problem, texts)
            return [one if "So" in text else one._replace(answer=None) for one, text in zip(told, texts, strict=True)]

    batch = run(problems[:3], told(silent, trusting), Reading(), config(BEAM))
    chosen = [row for row in batch.traces.to_pylist() if row["search"]["chosen"]]
    assert [len(row["step_offsets"]) for row in chosen] == [3] * 3


def test_settings_that_do_not_fit_are_named() -> None:
    for strategy, fault in [
        ({"beam": {"n": 3, "width": 2, "worth": {"reward": "prm"}}}, "strategy: beam: n has to be a multiple of width"),
        ({"beam": {"worth": {}}}, "give either reward"),
        ({"best_of_n": {"by": "reward"}}, "worth"),
        ({"beams": {}}, "unknown name 'beams'"),
        ({"sample": {}, "beam": {}}, "exactly one"),
    ]:
        with pytest.raises((RecipeError, ValueError), match=fault):
            Sampler.model_validate({"model": "m", "strategy": strategy})
