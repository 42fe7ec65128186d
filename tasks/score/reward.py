"""Step scores by a reward model: what it is asked about a trace, and the verdict that comes of its scores."""

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pyarrow as pa

from schemas.conform import rows
from schemas.tables import VERDICTS, Status
from tasks.asking import Question
from tasks.engines.contract import Completion, Finish, Graded, Grading, Identity, Request, Sampling, said_in
from tasks.engines.rewards import REWARD
from tasks.ids import content_id
from tasks.score.cases import STAGE, Case
from tasks.score.config import ScoreConfig
from tasks.text.steps import steps

_NOT_SAMPLED = Sampling(temperature=0, max_tokens=1)


class Answer(NamedTuple):
    """What a reward model said of a trace, as COMPLETIONS has it."""

    text: str
    """A JSON list, a score for each step."""
    finish_reason: str
    detail: str | None


def question(case: Case, config: ScoreConfig, identity: Identity) -> Question:
    """What is asked about a trace; its id follows from the trace's text and the model alone."""
    turns = said_in(case.messages)
    offsets = json.dumps(case.offsets)
    name = content_id(REWARD, identity.model, identity.revision, identity.template_hash, offsets, case.text, *turns)
    request = Request(name, case.messages, _NOT_SAMPLED)
    return Question(REWARD, case.trace_id, 0, config.model, request)


async def scored(models: Grading, cases: Mapping[str, Case], one: Question) -> Completion:
    """The answer to a question about one of the traces, by its id: the scores as a JSON list."""
    case, request = cases[one.subject_id], one.request
    reply = tuple(steps(case.text, case.offsets))
    done = await models.score(one.model, Graded(request.request_id, request.messages, reply))
    finish = Finish.STOP if done.scores else Finish.REFUSED
    return Completion(request.request_id, json.dumps(done.scores), finish, done.tokens, 0, done.detail)


def verdicts(told: Sequence[tuple[Case, Answer]], config: ScoreConfig, version: str) -> pa.Table:
    """One verdict (VERDICTS) on each trace, by `reward`; it says how the steps are, not whether the answer is right.

    `correct`: no step is wrong, first_wrong_step is -1. `incorrect`: first_wrong_step is, counted from 0. `error`: the
    model could not score the trace. step_scores holds each step's score, from 0 to 1, and score the least of them.
    """
    made = [_verdict(case, answer, config) for case, answer in told]
    return rows([one | {"verifier_version": version} for one in made], VERDICTS, at=STAGE)


def _verdict(case: Case, answer: Answer, config: ScoreConfig) -> dict[str, object]:
    scores: list[float] = json.loads(answer.text) if answer.finish_reason == Finish.STOP else []
    wrong = [step for step, score in enumerate(scores) if score <= config.threshold]
    first = None if not scores else wrong[0] if wrong else -1
    status = Status.ERROR if first is None else Status.INCORRECT if first >= 0 else Status.CORRECT
    return {
        "trace_id": case.trace_id,
        "verifier": REWARD,
        "status": str(status),
        "score": min(scores, default=None),
        "extracted_answer": None,
        "first_wrong_step": first,
        "step_scores": scores or None,
        "reason": _why(answer, scores, first),
        "elapsed_ms": 0.0,
    }


def _why(answer: Answer, scores: Sequence[float], first: int | None) -> str:
    """No step's number is in it: the column counts from 0, the review page, which shows this, from 1."""
    if first is None:
        return answer.detail or "the reward model did not score it"
    if first < 0:
        return f"no step is wrong; the least score is {min(scores):.2f}"
    return f"its score is {scores[first]:.2f}"
