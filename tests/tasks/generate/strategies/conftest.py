"""Searches with scripted models, and the same ones cut off and taken up again."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import pyarrow as pa
import pytest

from tasks.engines.contract import Completion, Finish, Request
from tasks.generate.config import GenerateConfig
from tasks.generate.generate import Goal, sample, stored_replies
from tasks.generate.rollouts import Rollouts
from tasks.generate.screen import screen
from tasks.ids import content_id

Answer = Callable[[Request], str | Completion]


class Played(NamedTuple):
    """What came of a search for one problem."""

    traces: list[dict[str, Any]]
    completions: pa.Table
    asked: list[Request]
    dropped: Mapping[str, str]

    @property
    def own(self) -> dict[str, Any]:
        """The trace that the search came to, or got furthest with."""
        name = content_id("p", "s", "told-m", "r1", 0)
        (own,) = (one for one in self.traces if one["trace_id"] == name)
        return own

    @property
    def note(self) -> str:
        return str(self.own["search"]["note"])

    @property
    def kinds(self) -> list[str]:
        """What was asked for, in order."""
        return list(map(str, self.completions["kind"].to_pylist()))

    def asked_for(self, kind: str) -> list[Request]:
        names = {
            name
            for name, one in zip(self.completions["completion_id"].to_pylist(), self.kinds, strict=True)
            if one == kind
        }
        return [one for one in self.asked if one.request_id in names]


@pytest.fixture
def problem() -> dict[str, Any]:
    """One sum, whose question has braces in it."""
    asked = {"question": "What is 3 + 4? {solution}", "reference": "7", "tests": None, "constraints": None}
    return {"problem_id": "p", "domain": "math", **asked}


@pytest.fixture
def play(told: Any, live: Any, problem: dict[str, Any]) -> Callable[..., Played]:
    """Run a strategy, then again from each part of its stored replies: the same tree, and only the rest is asked."""

    def run(answer: Answer, settings: GenerateConfig, judge: Any, *before: pa.Table) -> Played:
        models = told(answer)
        rollouts = Rollouts(settings, models, judge, {}, replies=stored_replies(before))
        came = list(sample([problem], rollouts, models, settings, Goal()))
        traces = pa.concat_tables([one.traces for one in came]).sort_by("trace_id")
        gone = screen(traces, settings)
        dropped = {str(one["row_id"]): str(one["reason"]) for one in gone.to_pylist()}
        return Played(traces.to_pylist(), pa.concat_tables([one.completions for one in came]), models.asked, dropped)

    def play(strategy: Mapping[str, Any], answer: Answer, *, judge: Any = None, **sampler: Any) -> Played:
        plain = {"model": "m", "n": 1, "strategy": strategy, "sampling": {"max_tokens": 500}}
        settings = GenerateConfig.model_validate({"samplers": {"s": plain | sampler}})
        whole = run(answer, settings, judge or live)
        ids = whole.completions["completion_id"].to_pylist()
        assert len(set(ids)) == len(ids)
        for count in {1, len(ids) // 2, len(ids) - 1}:
            again = run(answer, settings, judge or live, whole.completions.slice(0, count))
            assert again.traces == whole.traces
            assert len(again.asked) == sum(one.request_id not in ids[:count] for one in whole.asked)
        return whole

    return play


@pytest.fixture
def refused() -> Callable[[Request], Completion]:
    """What an engine says to a prompt that leaves no room."""
    return lambda request: Completion(request.request_id, "", Finish.OVERFLOW, None, 0, "a prompt of 9,000 tokens")
