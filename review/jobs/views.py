"""Jobs and what came of them, as pages see them."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from review.render import step_html
from review.store.models import Job, JobState, Round, Trace
from review.wire import EffectView, JobView, Share, StepView, TraceView
from schemas.tables import Status
from tasks.text.steps import steps


def job_view(job: Job) -> JobView:
    """Where a job stands."""
    return JobView(id=job.id, kind=job.kind, state=job.state, done=job.done, total=job.total, error=job.error)


def trace_view(trace: Trace, offsets: list[int] | None = None) -> TraceView:
    """A trace in its steps, or in those that start at `offsets`."""
    parts = steps(trace.text, offsets or trace.step_offsets)
    return TraceView(
        trace_id=trace.trace_id,
        parent_trace_id=trace.parent_trace_id,
        fork_step=trace.fork_step,
        number=trace.number,
        model=trace.sampled.get("model"),
        steps=[StepView(text=one, html=step_html(one)) for one in parts],
        status=trace.status,
        answer=trace.answer,
        reason=trace.reason,
    )


def continuations(session: Session, job_id: str) -> list[Trace]:
    """What came of a job so far, by number."""
    return list(session.scalars(select(Trace).where(Trace.job_id == job_id).order_by(Trace.number)))


def effect(session: Session, round_: Round) -> EffectView:
    """What a round's rewrite did; the share after it is told by the continuations themselves, once all are there."""
    counted = session.get(Job, round_.effect_id) if round_.effect_id else None
    asked = session.get(Job, round_.job_id) if round_.job_id else None
    after = None
    if asked is not None and asked.state == JobState.DONE:
        found = continuations(session, asked.id)
        after = _share([sum(one.status == Status.CORRECT for one in found), len(found)])
    found_of = counted.found if counted is not None else {}
    return EffectView(before=_share(found_of.get("before")), wrong=_share(found_of.get("wrong")), after=after)


def _share(counted: list[int] | None) -> Share | None:
    """Null also where nothing could be sampled."""
    return Share(right=counted[0], of=counted[1]) if counted and counted[1] else None
