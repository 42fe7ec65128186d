"""Every strategy goes through the same cases: its tree, what breaks it off, and what it asks again."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.tables import Status
from tasks import plugins
from tasks.engines.contract import Completion, Finish, Graded, Request
from tasks.engines.flight import GradingStreams
from tasks.engines.models import ModelConfig, Models
from tasks.generate.config import STRATEGIES, GenerateConfig
from tasks.generate.contract import Accepts
from tasks.generate.generate import Batch, Goal, sample, stored_replies
from tasks.generate.rollouts import Rollouts
from tasks.places import DATA

Answer = Callable[[Request], str | Completion]


def stepwise(request: Request) -> Completion:
    """Three steps, of which the second is right or wrong as the seed falls, and the last says what comes of it."""
    told, seed = request.prefix.count("\n"), request.sampling.seed or 0
    lines = ["We add.", f"It is {_number(request) + (1 if seed % 2 == 0 else 2)}."]
    lines.append(f"So {lines[1].split()[-1][:-1] if told < 2 else request.prefix.split()[-1][:-1]}")
    if "\n" in request.sampling.stop and told < 2:
        return Completion(request.request_id, lines[told], Finish.STOP, 5, 3, stopped="\n")
    return Completion(request.request_id, "\n".join(lines[told:]), Finish.STOP, 5, 3 * (3 - told))


def thinking(request: Request) -> Completion:
    """Thinks for a step, then answers; closes its thinking by itself."""
    if "</think>" in request.prefix:
        return Completion(request.request_id, f"So {_number(request) + 1}", Finish.STOP, 5, 2)
    said = f" Hm, {(request.sampling.seed or 0) % 7}." if request.prefix else "<think>\nI add."
    return Completion(request.request_id, said, Finish.STOP, 5, 3, stopped="</think>")


def prompted(request: Request) -> str | Completion:
    """Follows the prompts of strategies; drafts are right or wrong as the seed falls."""
    asked = request.messages[-1].content
    said = {
        "most of them agree": '{"choice": 2}',
        "Recall": f"Q: What is 0 + 0?\nA: 0\n## Solution\nSo {_number(request) + 1}",
        "numbered": "1. What is the sum?\n2. Is it whole?",
        "of these words": "sure" if (request.sampling.seed or 0) % 2 else "likely",
        "best choice": "The best choice is 1",
        "Check your reply": "The second step is wrong.",
        "```python": f"We add.\n```python\nprint({_number(request)} + 1)\n```",
    }
    return next((text for words, text in said.items() if words in asked), None) or stepwise(request)


def calling(request: Request) -> str:
    """Calls the calculator, and says what it is told."""
    last = request.messages[-1].content
    if "<tool_response>" in last:
        return f"So {last.split()[1]}"
    return f'I add.\n<tool_call>{{"name": "calculator", "arguments": {{"expression": "{_number(request)} + 1"}}}}'


class Example(NamedTuple):
    """A strategy's settings, and what the models say that it asks; the question is `What is N + 1?`."""

    settings: Mapping[str, Any]
    sampler: Mapping[str, Any] = {}
    answer: Answer = stepwise


STEP: Final = {"end": "\n", "max_tokens": 40}
_BY_PRM: Final = {"step": STEP, "worth": {"reward": "prm", "reduce": "min"}}
_BY_ROLLOUTS: Final = {"step": STEP, "worth": {"rollouts": 2}}

EXAMPLES: Final[Mapping[str, Sequence[Example]]] = {
    "sample": [Example({})],
    "best_of_n": [
        Example({"n": 3}),
        Example({"n": 4, "by": "majority"}),
        Example({"n": 4, "by": "weighted", "worth": {"reward": "prm"}}),
        Example({"n": 4, "by": "reward", "worth": {"reward": "prm"}}),
        Example({"n": 3, "by": "consistent"}, {}, prompted),
    ],
    "beam": [
        Example({"n": 4, "width": 2} | _BY_PRM),
        Example({"n": 2, "width": 2} | _BY_ROLLOUTS),
        Example({"n": 4, "width": 2, "by": "reward", "tokens": 20} | _BY_ROLLOUTS),
    ],
    "dvts": [Example({"n": 4, "width": 2} | _BY_PRM), Example({"n": 4, "width": 2, "by": "majority"} | _BY_ROLLOUTS)],
    "mcts": [
        Example({"simulations": 6, "width": 2, "wave": 3, "by": "weighted"} | _BY_PRM),
        Example({"simulations": 3, "width": 2, "wave": 2} | _BY_ROLLOUTS),
        Example({"simulations": 9, "width": 3, "by": "value", "tokens": 40} | _BY_ROLLOUTS),
    ],
    "budget_forcing": [Example({"least": 5, "most": 30, "waits": 1}, {"think": True}, thinking)],
    "tree_of_thoughts": [
        Example({"thoughts": 2, "breadth": 1, "depth": 2, "values": 1, "step": STEP}, {}, prompted),
        Example({"propose": "list", "value": "vote", "breadth": 1, "depth": 2, "step": STEP}, {}, prompted),
    ],
    "least_to_most": [Example({"most": 2}, {}, prompted)],
    "analogical": [Example({}, {}, prompted), Example({"keep": "solution"}, {}, prompted)],
    "self_refine": [Example({"rounds": 1}, {}, prompted)],
    "chain_of_verification": [Example({"most": 2}, {}, prompted)],
    "program": [Example({"limits": {"memory_mb": 256}}, {}, prompted)],
    "tools": [Example({"protocol": "words"}, answer=calling)],
}
"""By strategy; each has one. What searches by a reward model is left out where the bundled model writes."""

CASES: Final = [(name, one) for name, those in EXAMPLES.items() for one in those]
NAMED: Final = [pytest.param(*one, id=f"{one[0]}-{at}") for at, one in enumerate(CASES)]
cases = pytest.mark.parametrize(("name", "example"), NAMED)
searching = pytest.mark.parametrize(("name", "example"), NAMED[1:])
bundled = pytest.mark.parametrize("name", EXAMPLES)

PROBLEMS: Final = [
    {"problem_id": f"p{n}", "domain": "math", "question": f"What is {n} + 1?", "reference": str(n + 1)}
    for n in range(5)
]
DAMAGED: Final = "p3"
OUTPUT: Final = "output"
"""The kind of completion that no model is asked for: what a program printed."""


class Asking(GradingStreams, Protocol):
    """The scripted models."""

    asked: list[Request]
    graded: list[Graded]


Told = Callable[..., Asking]


class Said(NamedTuple):
    """Where a text stands."""

    status: Status
    answer: str | None
    reason: str = ""


class Exact:
    """Accepts what ends in the reference; raises where it is told to."""

    def __init__(self, *, breaks: bool = False) -> None:
        self._breaks = breaks
        self.broke = False

    def accepted(self, problem: Mapping[str, Any], texts: Sequence[str]) -> list[bool]:
        return [text.endswith(str(problem["reference"])) for text in texts]

    def told(self, problem: Mapping[str, Any], texts: Sequence[str]) -> list[Said]:
        if self._breaks and problem["problem_id"] == DAMAGED:
            self.broke = True
            raise ZeroDivisionError("in the middle")
        right = self.accepted(problem, texts)
        return [
            Said(Status.CORRECT if one else Status.INCORRECT, text.split()[-1] if text.split() else None)
            for one, text in zip(right, texts, strict=True)
        ]


def trusting(request: Graded) -> Sequence[float]:
    right = f"{_number(request) + 1}"
    return [0.1 if "It is" in step and right not in step else 0.9 for step in request.steps]


def _number(request: Request | Graded) -> int:
    found = re.search(r"What is (\d+) \+ 1", " ".join(one.content for one in request.messages))
    assert found, "the question is not asked"
    return int(found[1])


def config(name: str, example: Example) -> GenerateConfig:
    common = {"model": "m", "n": 1, "temperatures": [0.7], "sampling": {"max_tokens": 90}}
    sampler = common | dict(example.sampler) | {"strategy": {name: dict(example.settings)}}
    return GenerateConfig.model_validate({"samplers": {"searching": sampler}})


def run(models: GradingStreams, live: Accepts, how: GenerateConfig, *stored: pa.Table) -> Batch:
    """All samples; rows sorted by their ids."""
    problems = PROBLEMS[1:2] if isinstance(models, Models) else PROBLEMS
    rollouts = Rollouts(how, models, live, {}, replies=stored_replies(stored))
    came = list(sample(problems, rollouts, models, how, Goal()))
    traces, asked = (pa.concat_tables(those) for those in zip(*came, strict=True))
    return Batch(traces.sort_by("trace_id"), asked.sort_by("completion_id"))


def ids(models: Asking) -> list[str]:
    """What was asked of them."""
    return [one.request_id for one in models.asked] + [one.request_id for one in models.graded]


def others(traces: pa.Table) -> pa.Table:
    """Those of all problems but the one that something happens to."""
    return traces.filter(pc.not_equal(traces["problem_id"], pa.scalar(DAMAGED)))


def own(traces: pa.Table, problems: Collection[str]) -> list[dict[str, Any]]:
    """What each of these problems' searches came to: one row each."""
    rows = [row for row in traces.to_pylist() if row["search"] is None or row["search"]["note"]]
    mine = [row for row in rows if row["problem_id"] in problems]
    assert sorted(row["problem_id"] for row in mine) == sorted(problems)
    return mine


def test_every_strategy_has_an_example() -> None:
    assert set(EXAMPLES) == set(plugins.names(STRATEGIES))
    for name, example in CASES:
        config(name, example)


@cases
def test_a_tree(name: str, example: Example, told: Told) -> None:
    how = config(name, example)
    models = told(example.answer, trusting)
    batch = run(models, Exact(), how)
    again = run(told(example.answer, trusting), Exact(), how)
    assert again.traces.equals(batch.traces)
    assert again.completions.equals(batch.completions)
    rows = {row["trace_id"]: row for row in batch.traces.to_pylist()}
    assert len(rows) == batch.traces.num_rows
    assert len({one.request_id for one in models.asked}) == len(models.asked)
    own(batch.traces, [one["problem_id"] for one in PROBLEMS])
    for row in rows.values():
        said, parent = row["search"], rows.get(row["parent_trace_id"])
        assert (parent is None) == (row["parent_trace_id"] is None) == (row["fork_step"] is None)
        assert parent is None or parent["problem_id"] == row["problem_id"]
        assert row["step_offsets"] == sorted(set(row["step_offsets"]))
        assert said is None or len(said["step_scores"] or ()) <= len(row["step_offsets"])
    chosen = sum(bool(row["search"] and row["search"]["chosen"]) for row in rows.values())
    assert chosen <= len(PROBLEMS)
    assert chosen or name == "sample"


@searching
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_what_is_stored_is_not_asked_again(name: str, example: Example, told: Told, data: st.DataObject) -> None:
    how = config(name, example)
    first = told(example.answer, trusting)
    whole = run(first, Exact(), how)
    count = whole.completions.num_rows
    kept = data.draw(st.lists(st.booleans(), min_size=count, max_size=count))
    models = told(example.answer, trusting)
    resumed = run(models, Exact(), how, whole.completions.filter(pa.array(kept)))
    assert resumed.traces.equals(whole.traces)
    rest = whole.completions.filter(pa.array([not one for one in kept]))
    assert resumed.completions.equals(rest)
    # What a program printed is stored too, and no model said it.
    assert sorted(ids(models)) == sorted({*ids(first)} & {*rest["completion_id"].to_pylist()})


def overflowing(answer: Answer) -> Answer:
    def said(request: Request) -> str | Completion:
        if _number(request) != 3:
            return answer(request)
        return Completion(request.request_id, "", Finish.OVERFLOW, 999, 0, "the prompt is too long")

    return said


def endless(answer: Answer) -> Answer:
    def said(request: Request) -> str | Completion:
        if _number(request) != 3 or not request.prefix:
            return answer(request)
        return Completion(request.request_id, " on and on", Finish.LENGTH, 5, request.sampling.max_tokens)

    return said


def unread(request: Graded) -> Sequence[float]:
    return () if _number(request) == 3 else trusting(request)


@cases
def test_one_that_breaks_off_says_so_and_the_others_go_on(name: str, example: Example, told: Told) -> None:
    how = config(name, example)
    undisturbed = run(told(example.answer, trusting), Exact(), how)

    def damaged(models: Asking, live: Exact) -> tuple[dict[str, Any], int]:
        """What the search for the one problem comes to, and how large its tree is."""
        traces = run(models, live, how).traces
        assert others(traces).equals(others(undisturbed.traces))
        (mine,) = own(traces, [DAMAGED])
        return mine, traces.num_rows - others(traces).num_rows

    live = Exact(breaks=True)
    mine, size = damaged(told(example.answer, trusting), live)
    note = mine["search"]["note"] if mine["search"] else ""
    assert note.startswith("broken off: a verifier broke: ZeroDivisionError") == live.broke
    assert not live.broke or ((size > 1 or mine["text"]) and not mine["search"]["chosen"])
    mine, _ = damaged(told(overflowing(example.answer), trusting), Exact())
    assert mine["finish_reason"] != "stop"
    damaged(told(endless(example.answer), trusting), Exact())
    models = told(example.answer, unread)
    mine, size = damaged(models, Exact())
    assert not models.graded or (size > 1 and mine["search"]["note"].endswith("could be valued by prm"))


@pytest.fixture(scope="module")
def tiny() -> Iterator[Models]:
    """The bundled model, each request decoded alone: its texts do not depend on what else is in flight."""
    engine = {"transformers": {"batch": 1, "threads": 1}}
    with Models({"m": ModelConfig(model=str(DATA / "models/tiny-reasoner"), engine=engine)}) as models:
        yield models


@bundled
def test_the_bundled_model(name: str, tiny: Models) -> None:
    example = next(one for one in EXAMPLES[name] if "prm" not in str(one))
    how = config(name, example)
    whole = run(tiny, Exact(), how)
    own(whole.traces, ["p1"])
    half = whole.completions.slice(0, whole.completions.num_rows // 2)
    before = tiny.used["m"].requests
    resumed = run(tiny, Exact(), how, half)
    assert resumed.traces.equals(whole.traces)
    assert tiny.used["m"].requests - before <= (1 if name == "sample" else whole.completions.num_rows - half.num_rows)
    before = tiny.used["m"].requests
    assert name == "sample" or run(tiny, Exact(), how, whole.completions).traces.equals(whole.traces)
    assert tiny.used["m"].requests == before
