"""Jobs that only count: the first wrong step that continuations suggest, and what a rewrite did.

A continuation is named by the hash of what is asked (`tasks/score/cases.py`), stored as it comes, and never asked for
twice.
"""

import asyncio
from functools import partial
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from review.jobs.desk import MODEL, UNSAMPLED, Desk, keepable, together
from review.store.models import Item, Rollout
from review.store.once import add_once
from schemas.tables import Status
from tasks.asking import Question
from tasks.engines.contract import Finish
from tasks.score.cases import Case, questions
from tasks.score.config import ScoreConfig
from tasks.score.search import Score, halving

Json = dict[str, Any]


async def suggest(desk: Desk) -> Json:
    """Find the item's first wrong step by binary search, and write it beside the item; returns `first_wrong`.

    OmegaPRM's search (Luo et al. 2024, arXiv 2406.06592, section 3.2).

    Raises:
        EngineError: the model cannot be loaded or reached; what came before is stored.
        WorkerError: the verifiers' workers cannot start.
    """
    case, config = _case(desk), _config(desk, desk.settings.review.suggest.k)
    scores: dict[int, Score] = {}
    while look := halving(case.steps, case.right, scores, config.threshold).look:
        for step in look:
            scores[step] = await _score(desk, case, step, config)
    first = halving(case.steps, case.right, scores, config.threshold).first_wrong
    told = {"suggestion": first, "suggested_by": f"rollouts: {_why(first, scores)}"}
    changed = update(Item).where(Item.id == desk.item.id).values(**told)
    await desk.store((), lambda session: session.execute(changed))
    return {"first_wrong": first}


async def effect(desk: Desk) -> Json:
    """How many continuations reach the answer: `before` the wrong step, and from it (`wrong`), each `[right, of]`.

    Nothing goes on from the last step: there the trace itself is the one continuation.

    Raises:
        EngineError: the model cannot be loaded or reached; what came before is stored.
        WorkerError: the verifiers' workers cannot start.
    """
    k, step = desk.settings.review.effect, desk.job.asked["step"]
    if not k:
        return {}
    case, config = _case(desk), _config(desk, k)
    before = await _score(desk, case, step - 1, config)
    last = step == case.steps - 1
    wrong = Score(int(case.right), 1) if last else await _score(desk, case, step, config)
    return {"before": list(before), "wrong": list(wrong)}


async def _score(desk: Desk, case: Case, step: int, config: ScoreConfig) -> Score:
    """Of the continuations of the steps up to this one; step -1 is the prompt alone."""
    identity = await asyncio.to_thread(desk.samples.identity, MODEL)
    asked = list(questions(case, step, config, identity))
    right = await desk.read(partial(_stored, names=[one.request.request_id for one in asked]))
    await desk.store(right)
    await together(_roll(desk, one, right) for one in asked if one.request.request_id not in right)
    return Score(sum(right.values()), len(right))


async def _roll(desk: Desk, question: Question, right: dict[str, bool]) -> None:
    name = question.request.request_id
    done = await desk.samples.complete(MODEL, question.request)
    if done.finish in UNSAMPLED or not keepable(done.text):
        await desk.store([name])
        return
    text = question.request.prefix + done.text
    reached = done.finish == Finish.STOP and (await desk.told(text)).status is Status.CORRECT
    row = {"id": name, "text": text, "finish_reason": done.finish, "right": reached}
    await desk.store([name], lambda session: add_once(session, Rollout, **row))
    right[name] = reached


def _stored(session: Session, names: list[str]) -> dict[str, bool]:
    found = session.execute(select(Rollout.id, Rollout.right).where(Rollout.id.in_(names)))
    return {row.id: row.right for row in found}


def _case(desk: Desk) -> Case:
    right = desk.trace.status == Status.CORRECT
    return Case(desk.trace.trace_id, desk.problem, desk.turns, desk.trace.text, tuple(desk.offsets), right)


def _config(desk: Desk, k: int) -> ScoreConfig:
    return ScoreConfig(model=MODEL, k=k, sampling=desk.settings.going_on.sampling, method="omega")


def _why(first: int | None, scores: dict[int, Score]) -> str:
    """No step's number is in it: pages count from 1, and say which step it is themselves."""
    if first is None:
        return "of a step that was looked at no continuation could be sampled"
    if first < 0:
        return "the answer is right"
    if first in scores:
        told = f"{_of(scores[first])} continuations of it reach the answer"
        return f"{told}, of the step before {_of(scores[first - 1])}" if first - 1 in scores else told
    told = "it is the last, and the answer is wrong"
    return f"{told}; {_of(scores[first - 1])} continuations of the step before reach it" if scores else told


def _of(score: Score) -> str:
    return f"{score.right} of {score.of}"
