"""Continuations become scores, scores verdicts."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any, Final, NamedTuple, Protocol

import pyarrow as pa

from schemas.conform import rows
from schemas.tables import VERDICTS, Status
from tasks.engines.contract import Finish
from tasks.score.cases import STAGE, Case
from tasks.score.config import ScoreConfig
from tasks.score.search import METHODS, Score, Scores

ROLLOUTS: Final = "rollouts"
"""The verifier whose verdicts these are."""
_UNSAMPLED: Final = frozenset({Finish.OVERFLOW, Finish.REFUSED})


class Accepts(Protocol):
    """Tells which of a problem's texts are right."""

    @property
    def settings(self) -> dict[str, Any]:
        """All that its word depends on."""

    def accepted(self, problem: Mapping[str, Any], texts: Sequence[str]) -> list[bool]:
        """For each text, whether it stands as correct. `problem` is a row of PROBLEMS."""


class Rollout(NamedTuple):
    """A continuation, as COMPLETIONS has it: with the steps that it goes on from."""

    text: str
    finish_reason: str


class Looked(NamedTuple):
    """A step, and the continuations of it."""

    case: Case
    step: int
    rollouts: tuple[Rollout, ...]


def scored(looked: Iterable[Looked], live: Accepts) -> dict[tuple[str, int], Score]:
    """The score of each step, by trace and step; steps of one problem's traces come one after another.

    A continuation that ran into max_tokens does not reach the answer; one that could not be sampled (its prompt too
    long for the model) is not counted.

    Raises:
        WorkerError: the verifiers' workers cannot start.
    """
    found: dict[tuple[str, int], Score] = {}
    for _, those in groupby(looked, key=lambda one: one.case.problem["problem_id"]):
        steps = list(those)
        whole = {one.text for each in steps for one in each.rollouts if one.finish_reason == Finish.STOP}
        texts = sorted(whole)
        right = dict(zip(texts, live.accepted(steps[0].case.problem, texts), strict=True))
        for each in steps:
            sampled = [one for one in each.rollouts if one.finish_reason not in _UNSAMPLED]
            reached = sum(one.finish_reason == Finish.STOP and right[one.text] for one in sampled)
            found[each.case.trace_id, each.step] = Score(reached, len(sampled))
    return found


def verdicts(
    cases: Sequence[Case], found: Mapping[tuple[str, int], Score], config: ScoreConfig, version: str
) -> pa.Table:
    """One verdict (VERDICTS) on each trace, by `rollouts`; it says how the steps are, not whether the answer is right.

    `correct`: no step is wrong, first_wrong_step is -1. `incorrect`: first_wrong_step is, counted from 0. `error`: no
    continuation of a step could be sampled. By `math_shepherd` step_scores holds each step's share, for the last step 1
    where the trace is right, else 0, and score the least of them; by `omega` both are null.
    """
    of_trace: defaultdict[str, dict[int, Score]] = defaultdict(dict)
    for (trace_id, step), score in found.items():
        of_trace[trace_id][step] = score
    made = [_verdict(case, of_trace[case.trace_id], config) for case in cases]
    return rows([one | {"verifier_version": version} for one in made], VERDICTS, at=STAGE)


def _verdict(case: Case, scores: Scores, config: ScoreConfig) -> dict[str, object]:
    first = METHODS[config.method](case.steps, case.right, scores, config.threshold).first_wrong
    shares = _shares(case, scores) if config.method == "math_shepherd" else None
    status = Status.ERROR if first is None else Status.INCORRECT if first >= 0 else Status.CORRECT
    return {
        "trace_id": case.trace_id,
        "verifier": ROLLOUTS,
        "status": str(status),
        "score": min((one for one in shares if one is not None), default=None) if shares else None,
        "extracted_answer": None,
        "first_wrong_step": first,
        "step_scores": shares,
        "reason": f"{_why(case, first, scores)}; {sum(one.of for one in scores.values())} continuations in all",
        "elapsed_ms": 0.0,
    }


def _shares(case: Case, scores: Scores) -> list[float | None]:
    known = (scores[step] for step in range(case.steps - 1))
    return [*(one.right / one.of if one.of else None for one in known), float(case.right)]


def _why(case: Case, first: int | None, scores: Scores) -> str:
    """No step's number is in it: the column counts from 0, the review page, which shows this, from 1."""
    if first is None:
        return "of a step that was looked at no continuation could be sampled"
    if first < 0:
        return "no step is wrong"
    if first == case.steps - 1:
        return "it is the last step, and the answer is wrong"
    return f"{scores[first].right} of {scores[first].of} continuations of it reach the answer"
