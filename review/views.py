"""An assignment as its page shows it, in five queries whatever its length.

What would sway a reviewer is not in it: the reference before it was asked for, the suggestion before its time, other
reviewers' marks, which model wrote the trace where that would tell items of known verdict from others.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Final, NamedTuple

from sqlalchemy import exists, or_, select
from sqlalchemy.orm import Session

from review.config import BatchSettings
from review.render import markdown_html, step_html
from review.store.models import Assignment, Batch, BatchState, Item, Job, JobState, Past, Round, Trace
from review.wire import (
    AssignmentView,
    EffectView,
    JobView,
    Lease,
    ProblemView,
    RoundView,
    Share,
    StepView,
    SuggestionView,
    TraceView,
)
from review.work.holding import holds, reference_of
from review.work.settings import settings_of
from schemas.tables import Status
from tasks.text.steps import steps

_REMEMBERED: Final = 2_000
"""Characters; longer texts are rendered each time."""


class _Seen(NamedTuple):
    """What is known of an assignment."""

    assignment: Assignment
    item: Item
    batch: Batch
    rounds: Sequence[Round]
    traces: Mapping[str, Trace]
    of_job: Mapping[str | None, Sequence[Trace]]
    jobs: Mapping[str, Job]

    @property
    def settings(self) -> BatchSettings:
        return settings_of(self.batch)


def view(session: Session, assignment: Assignment, viewer_id: int, now: datetime) -> AssignmentView:
    """What this viewer is shown: whose assignment it is not gets neither lease nor draft."""
    seen = _seen(session, assignment)
    mine = viewer_id == assignment.user_id
    return AssignmentView(
        id=assignment.id,
        item_id=seen.item.id,
        batch=seen.batch.name,
        state=assignment.state,
        version=assignment.version,
        lease=lease(assignment, now) if mine else None,
        problem=_problem(seen.item.domain, seen.item.question),
        reference=_reference(seen),
        round=assignment.round,
        rounds=[_round(one, seen) for one in seen.rounds],
        rounds_left=_rewrites_left(seen),
        draft=assignment.draft if mine else None,
        suggestion=_suggestion(seen),
        guidelines_html=_markdown(seen.settings.review.guidelines),
        can_undo=mine and _can_undo(session, seen, now),
    )


def lease(assignment: Assignment, now: datetime) -> Lease | None:
    """The right to change it, if it has not run out."""
    if not holds(assignment, now) or assignment.lease_token is None or assignment.lease_until is None:
        return None
    return Lease(token=assignment.lease_token, until=assignment.lease_until.isoformat())


def job_view(job: Job) -> JobView:
    """Where a job stands."""
    return JobView(id=job.id, kind=job.kind, state=job.state, done=job.done, total=job.total, error=job.error)


def hidden_in(assignment: Assignment, item: Item) -> str | None:
    """What no verifier's reason may tell the reviewer yet."""
    return None if assignment.revealed_at else reference_of(item)


def effect_view(asked: Job | None, counted: Job | None, continuations: Sequence[Trace]) -> EffectView:
    """What a rewrite did: `asked` made the continuations, which tell the share after it once all are there."""
    found = counted.found if counted else {}
    right = sum(each.status == Status.CORRECT for each in continuations)
    after = (right, len(continuations)) if asked and asked.state == JobState.DONE else None
    return EffectView(before=_share(found.get("before")), wrong=_share(found.get("wrong")), after=_share(after))


def trace_view(trace: Trace, cuts: Sequence[int] | None = None, hidden: str | None = None) -> TraceView:
    """A trace, in steps that start at `cuts`, else at its own; a reason that tells what is `hidden` is left out.

    Only continuations say which model wrote them.
    """
    parts = steps(trace.text, trace.step_offsets if cuts is None else cuts)
    return TraceView(
        trace_id=trace.trace_id,
        parent_trace_id=trace.parent_trace_id,
        fork_step=trace.fork_step,
        number=trace.number,
        model=trace.sampled.get("model") if trace.parent_trace_id else None,
        steps=[_step(one) for one in parts],
        status=trace.status,
        answer=trace.answer,
        reason="" if hidden and hidden.strip() in trace.reason else trace.reason,
    )


def _seen(session: Session, assignment: Assignment) -> _Seen:
    found = select(Item, Batch).join(Batch, Batch.id == Item.batch_id).where(Item.id == assignment.item_id)
    item, batch = session.execute(found).one()
    mine = select(Round).where(Round.assignment_id == assignment.id).order_by(Round.number)
    rounds = session.scalars(mine).all()
    named = [one.trace_id for one in rounds]
    asked = [one for each in rounds for one in (each.job_id, each.effect_id) if one is not None]
    wanted = or_(Trace.trace_id.in_(named), Trace.job_id.in_(asked))
    traces = session.scalars(select(Trace).where(Trace.item_id == item.id, wanted).order_by(Trace.number)).all()
    of_job: defaultdict[str | None, list[Trace]] = defaultdict(list)
    for one in traces:
        of_job[one.job_id].append(one)
    jobs = session.scalars(select(Job).where(Job.id.in_(asked))).all() if asked else []
    by_id = {one.trace_id: one for one in traces}
    return _Seen(assignment, item, batch, rounds, by_id, of_job, {one.id: one for one in jobs})


def _round(one: Round, seen: _Seen) -> RoundView:
    hidden = hidden_in(seen.assignment, seen.item)
    continuations = seen.of_job.get(one.job_id, []) if one.job_id else []
    job = seen.jobs.get(one.job_id or "")
    return RoundView(
        number=one.number,
        trace=trace_view(seen.traces[one.trace_id], one.offsets, hidden),
        ratings=one.ratings,
        first_wrong=one.first_wrong,
        after=one.after,
        doubts=one.doubts,
        job=None if job is None else job_view(job),
        continuations=[trace_view(each, hidden=hidden) for each in continuations],
        effect=None if one.after is None else effect_view(job, seen.jobs.get(one.effect_id or ""), continuations),
        chosen=one.chosen,
    )


def _rewrites_left(seen: _Seen) -> int:
    rewritten = sum(one.after is not None for one in seen.rounds)
    return max(0, seen.settings.going_on.rounds - rewritten)


def _share(counted: Sequence[int] | None) -> Share | None:
    """Null also where nothing could be sampled."""
    return Share(right=counted[0], of=counted[1]) if counted and counted[1] else None


def _reference(seen: _Seen) -> str | None:
    return reference_of(seen.item) if seen.assignment.revealed_at else None


def _suggestion(seen: _Seen) -> SuggestionView | None:
    when, item = seen.settings.review.suggest.when, seen.item
    marked = bool(seen.rounds) and seen.rounds[0].first_wrong is not None
    if item.suggested_by is None or when == "never" or (when == "after_mark" and not marked):
        return None
    return SuggestionView(first_wrong=item.suggestion, by=item.suggested_by)


def _can_undo(session: Session, seen: _Seen, now: datetime) -> bool:
    if seen.batch.state != BatchState.OPEN or not holds(seen.assignment, now):
        return False
    return bool(session.scalar(select(exists().where(Past.assignment_id == seen.assignment.id))))


def _step(text: str) -> StepView:
    return _remembered_step(text) if len(text) <= _REMEMBERED else StepView(text=text, html=step_html(text))


def _problem(domain: str, question: str) -> ProblemView:
    return ProblemView(domain=domain, question=question, html=_markdown(question))


def _markdown(text: str) -> str:
    return _remembered_markdown(text) if len(text) <= _REMEMBERED * 10 else markdown_html(text)


@lru_cache(maxsize=8_000)
def _remembered_step(text: str) -> StepView:
    return StepView(text=text, html=step_html(text))


@lru_cache(maxsize=2_000)
def _remembered_markdown(text: str) -> str:
    return markdown_html(text)
