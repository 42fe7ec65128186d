"""Going on from a rewritten step: each continuation is verified and stored as it comes.

Ids, seeds and prefixes are those of the lake's stage (`tasks/rewrite/continuing.py`), which takes these very texts in.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from review.jobs.desk import MODEL, UNSAMPLED, Desk, keepable, together
from review.store.models import Trace
from review.store.once import add_once
from tasks.asking import Question, record
from tasks.flaws import flaw
from tasks.rewrite.continuing import SAMPLED, Edit, ids, questions, recut
from tasks.rewrite.prefix import offsets_of
from tasks.text.steps import SPLITTER

Json = dict[str, Any]
_UNKEEPABLE: Final = "the text has a character that cannot be stored: NUL, or half a surrogate pair"
_KEPT: Final = tuple(name for name in SAMPLED if name != "text")


async def go_on(desk: Desk) -> Json:
    """Ask for the continuations that are not stored; returns `lost`: why nothing was sampled, by id.

    Raises:
        EngineError: the model cannot be loaded or reached; what came before is stored.
        WorkerError: the verifiers' workers cannot start.
    """
    asked = desk.job.asked
    edit: Edit = (asked["trace_id"], asked["step"], asked["after"])
    names = ids(edit, desk.settings.going_on.k, asked["offsets"])
    mine, others = await desk.read(partial(_stored, item_id=desk.item.id, names=names))
    lost: dict[str, str] = {}
    await desk.store(mine)
    wanted = [one for one in _questions(desk, edit) if one.request.request_id not in mine]
    await together(_continue(desk, one, others.get(one.request.request_id), lost) for one in wanted)
    return {"lost": lost}


def _questions(desk: Desk, edit: Edit) -> Iterable[Question]:
    whole = {"text": desk.trace.text, "step_offsets": desk.trace.step_offsets, "source": desk.item.source}
    parent = recut(whole, desk.job.asked["offsets"])
    return questions(edit, parent, desk.problem, desk.settings.going_on, desk.settings.prompts, MODEL)


async def _continue(desk: Desk, question: Question, known: Json | None, lost: dict[str, str]) -> None:
    name = question.request.request_id
    if known is None:
        done = await desk.samples.complete(MODEL, question.request)
        if done.finish in UNSAMPLED or not keepable(done.text):
            lost[name] = f"{done.finish}: {done.detail}" if done.finish in UNSAMPLED else _UNKEEPABLE
            await desk.store([name], found={"lost": dict(lost)})
            return
        known = record(question, done, desk.samples.identity(MODEL))
    row = await _row(desk, question, known)
    await desk.store([name], lambda session: add_once(session, Trace, **row))


async def _row(desk: Desk, question: Question, done: Json) -> Json:
    """A row of the store's traces; one that the lake would drop is verified as if it said nothing."""
    step, offsets = desk.job.asked["step"], desk.offsets
    fault = flaw(done["text"], done["finish_reason"], think=False)
    told = await desk.told("" if fault else done["text"])
    return {
        "item_id": desk.item.id,
        "trace_id": question.request.request_id,
        "parent_trace_id": desk.trace.trace_id,
        "fork_step": step,
        "fork_offset": offsets[step],
        "number": question.number,
        "job_id": desk.job.id,
        "text": done["text"],
        "step_offsets": offsets_of(done["text"], offsets[: step + 1]),
        "splitter": SPLITTER,
        "status": told.status,
        "answer": told.answer,
        "reason": "; ".join(filter(None, (fault, told.reason))),
        "sampled": {name: done[name] for name in _KEPT},
        "created_at": datetime.now(UTC),
    }


def _stored(session: Session, item_id: str, names: Sequence[str]) -> tuple[set[str], Mapping[str, Json]]:
    """Which continuations the item has, and what is known of those that only another batch's item has."""
    found = session.scalars(select(Trace).where(Trace.trace_id.in_(names))).all()
    mine = {one.trace_id for one in found if one.item_id == item_id}
    return mine, {one.trace_id: {**one.sampled, "text": one.text} for one in found if one.trace_id not in mine}
