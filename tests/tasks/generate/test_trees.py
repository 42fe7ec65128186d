"""Trees that are searched: sub-trees go their own ways, values are means of what was backed up, tokens are kept to."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import pyarrow as pa
import pytest

from tasks.engines.contract import Completion, Finish, Graded, Request
from tasks.engines.flight import GradingStreams
from tasks.generate.config import GenerateConfig
from tasks.generate.contract import Accepts
from tasks.generate.generate import Batch, Goal, sample
from tasks.generate.rollouts import Rollouts

Problems = list[dict[str, Any]]
Rows = list[dict[str, Any]]
STEP: Mapping[str, Any] = {"end": "\n", "max_tokens": 20}
DEEP = 4


class Models(GradingStreams, Protocol):
    asked: list[Request]


Told = Callable[..., Models]


def walking(request: Request) -> Completion:
    """Adds by some steps, each right or wrong as its seed falls; the last says whether all were right."""
    done, seed = request.prefix.count("\n"), request.sampling.seed or 0
    number = int(request.messages[-1].content.split()[2])
    lines = [f"{'good' if (seed >> at) % 3 else 'bad'} {seed % 5}" for at in range(done, DEEP)]
    if "\n" in request.sampling.stop and done < DEEP:
        return Completion(request.request_id, lines[0], Finish.STOP, 5, 2, stopped="\n")
    text = "\n".join([*lines, ""]) + f"So {number + 1 + ('bad' in request.prefix + ' '.join(lines))}"
    return Completion(request.request_id, text, Finish.STOP, 5, 2 * (DEEP - done) + 2)


def judging(request: Graded) -> Sequence[float]:
    return [0.2 if "bad" in step else 0.8 for step in request.steps]


def run(problems: Problems, models: Models, live: Accepts, strategy: Mapping[str, Any]) -> Batch:
    sampler = {"model": "m", "n": 1, "temperatures": [0.7], "strategy": strategy, "sampling": {"max_tokens": 60}}
    how = GenerateConfig.model_validate({"samplers": {"searching": sampler}})
    came = list(sample(problems, Rollouts(how, models, live, {}), models, how, Goal()))
    return Batch(*(pa.concat_tables(those) for those in zip(*came, strict=True)))


def chosen(batch: Batch) -> Rows:
    return [row for row in batch.traces.to_pylist() if row["search"]["chosen"]]


def right(rows: Rows) -> int:
    return sum(row["text"].endswith(str(int(row["problem_id"][1:]) + 1)) for row in rows)


PRM = {"step": STEP, "worth": {"reward": "prm", "reduce": "min"}}
ROLLOUTS = {"step": STEP, "worth": {"rollouts": 3}}


@pytest.mark.parametrize(
    "strategy",
    [
        {"dvts": {"n": 8, "width": 4} | PRM},
        {"mcts": {"simulations": 12, "width": 4} | PRM},
        {"mcts": {"simulations": 12, "width": 4, "by": "value"} | PRM},
        {"mcts": {"simulations": 6, "width": 3, "wave": 2} | ROLLOUTS},
    ],
)
def test_searches_find_what_samples_do_not(strategy: Any, told: Told, live: Accepts, problems: Problems) -> None:
    plain = chosen(run(problems, told(walking), live, {"best_of_n": {"n": 1, "by": "majority"}}))
    found = chosen(run(problems, told(walking, judging), live, strategy))
    assert len(found) == len(problems)
    assert right(found) >= 0.8 * len(problems) > 2 * right(plain)


def test_sub_trees_have_a_branch_each_to_the_end(told: Told, live: Accepts, problems: Problems) -> None:
    batch = run(problems[:2], told(walking, judging), live, {"dvts": {"n": 6, "width": 2} | PRM})
    rows = {row["trace_id"]: row for row in batch.traces.to_pylist()}

    def first(row: dict[str, Any]) -> str:
        return first(rows[row["parent_trace_id"]]) if row["parent_trace_id"] else row["trace_id"]

    for problem in problems[:2]:
        whole = [one for one in rows.values() if one["finish_reason"] == "stop"]
        mine = {first(one) for one in whole if one["problem_id"] == problem["problem_id"]}
        assert len(mine) == 3


@pytest.mark.parametrize("how", [PRM, ROLLOUTS])
def test_a_branch_has_the_mean_of_what_was_found_below_it(
    how: Any, told: Told, live: Accepts, problems: Problems
) -> None:
    strategy = {"mcts": {"simulations": 10, "width": 2, "wave": 3} | how}
    rows = run(problems[:3], told(walking, judging), live, strategy).traces.to_pylist()
    known = {row["trace_id"]: row["search"] for row in rows}
    visited = [row for row in rows if row["search"]["visits"]]
    assert {row["search"]["scorer"] for row in rows} == {"prm" if how is PRM else "rollouts"}
    for row in visited:
        below = [one for one in visited if one["parent_trace_id"] == row["trace_id"]]
        assert row["search"]["visits"] == 1 + sum(one["search"]["visits"] for one in below)
        assert row["search"]["step_scores"][-1] == row["search"]["value"]
        assert len(row["search"]["step_scores"]) == len(row["step_offsets"])
        parent = known.get(row["parent_trace_id"])
        assert parent is None or row["search"]["step_scores"][:-1] == parent["step_scores"]
        # Its own value, once, is the rest of the sum: a share, as a reward model or rollouts give it.
        rest = row["search"]["value"] * row["search"]["visits"]
        rest -= sum(one["search"]["value"] * one["search"]["visits"] for one in below)
        assert -1e-4 <= rest <= 1 + 1e-4
    firsts = [row for row in visited if row["parent_trace_id"] is None]
    # The first simulation runs alone: there is but one leaf. A wave may select a leaf twice.
    assert len(firsts) <= 3 * 2
    assert max(row["search"]["visits"] for row in visited) > 2


@pytest.mark.parametrize("kind", ["beam", "dvts", "mcts"])
def test_no_round_begins_once_the_tokens_are_spent(kind: str, told: Told, live: Accepts, problems: Problems) -> None:
    def spent(**more: Any) -> tuple[int, int]:
        batch = run(problems[:1], told(walking, judging), live, {kind: {"width": 2} | ROLLOUTS | more})
        return sum(row["completion_tokens"] for row in batch.completions.to_pylist()), batch.traces.num_rows

    all_tokens, all_rows = spent()
    one_round, rows = spent(tokens=1)
    assert one_round < all_tokens
    assert rows < all_rows
    some, _ = spent(tokens=one_round + 1)
    assert one_round < some <= all_tokens
    assert spent(tokens=all_tokens) == (all_tokens, all_rows)


def test_rollouts_have_the_scores_of_the_steps_that_they_go_on_from(
    told: Told, live: Accepts, problems: Problems
) -> None:
    batch = run(problems[:2], told(walking), live, {"beam": {"n": 2, "width": 2} | ROLLOUTS})
    rows = {row["trace_id"]: row for row in batch.traces.to_pylist()}
    ends = [one for one in rows.values() if one["parent_trace_id"] and one["search"]["visits"] == 0]
    assert ends
    for row in ends:
        parent, scores = rows[row["parent_trace_id"]]["search"], row["search"]["step_scores"]
        assert scores[: len(parent["step_scores"])] == parent["step_scores"]
        assert scores[-1] == row["search"]["value"]
        assert all(0 <= one <= 1 for one in scores if one is not None)
