"""Working on a trace: `leased → marking → rewriting → generating → (marking, next round)*`.

Settings say how many rewrites may follow one another; in the round after the last one the trace is only rated.
"""

import json
from datetime import datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from review.jobs.guards import doubts
from review.jobs.queue import ask
from review.store.models import AT_WORK, JobKind, Json, Round, State, Trace
from review.wire import BeatIn, ChooseIn, DraftIn, MarkIn, RewriteIn
from review.work.cuts import carried, checked_cuts, rated
from review.work.holding import Work, leased, reference_of
from review.work.standing import settle
from schemas.errors import ReviewError
from tasks.text.steps import steps

_LONGEST_DRAFT: Final = 1_000_000
"""Characters, as JSON."""


def renew(session: Session, assignment_id: str, user_id: int, beat: BeatIn, now: datetime) -> Work:
    """A sign of life: the lease lasts its full time from now. No change of version.

    Raises:
        AbsentError: there is no such assignment of this user.
        StaleError: the lease is lost.
        ReviewError: the batch is closed.
    """
    work = leased(session, assignment_id, user_id, beat.token, now)
    if work.assignment.state in AT_WORK:
        work.assignment.seconds += beat.seconds
        work.renew()
        _begin(work)
    return work


def save_draft(work: Work, given: DraftIn) -> None:
    """Keep what the page has not sent yet; it outlives the lease.

    Raises:
        ReviewError: it is too long, or nobody works on the trace any more.
    """
    work.need(*AT_WORK)
    if len(json.dumps(given.draft)) > _LONGEST_DRAFT:
        raise ReviewError(f"draft: longer than {_LONGEST_DRAFT} characters")
    work.assignment.draft = given.draft
    _begin(work)
    work.raise_version()


def mark(work: Work, given: MarkIn) -> None:
    """Take a reviewer's ratings and the first wrong step, of the trace's own steps or of the reviewer's.

    With a wrong step the state is `rewriting`, without `marking`: it can be submitted then. Where no rewrite is left,
    a wrong step ends the work as `max_rounds`.

    Raises:
        ReviewError: the ratings do not fit the steps, the cuts not the text, or it is not the time to mark.
    """
    work.need(State.LEASED, State.MARKING, State.REWRITING)
    text, own = work.trace.text, work.trace.step_offsets
    cuts = own if given.offsets is None else checked_cuts(given.offsets, text)
    ratings = rated(given.ratings, given.first_wrong, len(cuts))
    with work.change("marked") as told:
        told |= {"first_wrong": given.first_wrong, "ratings": ratings}
        work.round.offsets = None if cuts == own else cuts
        work.round.ratings, work.round.first_wrong = list(ratings), given.first_wrong
        work.round.marked_at = work.now
        if given.first_wrong >= 0 and work.round.number >= work.settings.going_on.rounds:
            work.assignment.state, work.assignment.finished_at = State.MAX_ROUNDS, work.now
            settle(work)
        else:
            work.assignment.state = State.MARKING if given.first_wrong < 0 else State.REWRITING


def rewrite(work: Work, given: RewriteIn) -> None:
    """Take the first wrong step's new text; the model is asked to go on from it, and what the rewrite does is measured.

    Whitespace that parts steps is no part of it.

    Raises:
        ReviewError: no step is marked wrong, the text is empty or the old one, or the batch has no model.
    """
    work.need(State.REWRITING)
    if work.settings.model is None:
        raise ReviewError("this batch has no model to go on from a rewritten step: submit the mark alone")
    step, after = work.round.first_wrong, given.after.rstrip().lstrip("\n")
    assert step is not None
    before = steps(work.trace.text, work.offsets)[step]
    if not after.strip():
        raise ReviewError("the rewritten step is empty")
    if after == before.rstrip().lstrip("\n"):
        raise ReviewError("the rewritten step is the old one: change it, or mark another step")
    with work.change("rewrote") as told:
        work.round.after, work.round.rewritten_at = after, work.now
        work.round.doubts = list(doubts(before, after, work.item.reference))
        work.assignment.state = State.GENERATING
        _ask(work)
        told |= {"step": step, "job": work.round.job_id}


def retry(work: Work) -> None:
    """Ask again what failed.

    Raises:
        ReviewError: nothing was asked.
    """
    work.need(State.GENERATING)
    _ask(work)
    work.noted("asked again", job=work.round.job_id)


def choose(work: Work, given: ChooseIn) -> None:
    """Go on with one of the continuations in a new round.

    Raises:
        ReviewError: it is none of this rewrite's continuations.
    """
    work.need(State.GENERATING)
    before = work.round
    candidates = select(Trace).where(Trace.item_id == work.item.id, Trace.job_id == before.job_id)
    found = next((one for one in work.session.scalars(candidates) if one.trace_id == given.trace_id), None)
    if found is None or found.parent_trace_id != before.trace_id:
        raise ReviewError("this trace is no continuation of the rewritten step")
    assert before.first_wrong is not None
    with work.change("chose") as told:
        told["trace"] = before.chosen = found.trace_id
        ratings = carried(before.ratings, before.first_wrong, len(found.step_offsets))
        opened = {"assignment_id": before.assignment_id, "number": before.number + 1, "opened_at": work.now}
        work.session.add(Round(**opened, trace_id=found.trace_id, ratings=list(ratings)))
        work.assignment.state, work.assignment.round = State.MARKING, before.number + 1


def reveal(work: Work) -> None:
    """Show the reference; when it was looked at first is kept, undo or not.

    Raises:
        ReviewError: there is none.
    """
    if not reference_of(work.item):
        raise ReviewError("this problem has no reference")
    if work.assignment.revealed_at is None:
        work.assignment.revealed_at = work.now
        work.raise_version()
        work.noted("revealed the reference")


def _begin(work: Work) -> None:
    if work.assignment.state == State.LEASED:
        work.assignment.state = State.MARKING


def _ask(work: Work) -> None:
    current = work.round
    asked: Json = {"trace_id": current.trace_id, "step": current.first_wrong, "after": current.after}
    asked["offsets"] = current.offsets
    current.job_id = ask(work.session, work.item, JobKind.CONTINUE, asked).id
    if work.settings.review.effect:
        current.effect_id = ask(work.session, work.item, JobKind.EFFECT, asked).id
