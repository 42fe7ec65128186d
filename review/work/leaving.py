"""Leaving a trace, done or not, and going back on what was done."""

from review.store.models import AT_WORK, FINISHED, State
from review.wire import ExitIn, SubmitIn
from review.work.claiming import has_room, turn
from review.work.holding import Work, go_back
from review.work.standing import adjudicated, settle
from schemas.errors import ReviewError
from schemas.tables import Status


def submit(work: Work, given: SubmitIn) -> None:
    """The work is done: no step of the last round is wrong. In a batch without a model the mark itself is the work.

    Raises:
        ReviewError: a step is wrong or not all are marked; or the answer is graded incorrect, and it was not said that
            the trace is right despite that.
    """
    marked = work.round.first_wrong
    labels_only = work.settings.model is None
    work.need(State.MARKING, *([State.REWRITING] if labels_only else []))
    if marked is None or (marked >= 0 and not labels_only):
        raise ReviewError("mark the trace first: it is done when every step is rated and none is wrong")
    incorrect = work.trace.status == Status.INCORRECT and marked < 0
    if incorrect and not given.despite:
        raise ReviewError(
            "the answer is graded incorrect, but no step is marked wrong: look again, or submit despite the grade"
        )
    _leave(work, State.SUBMITTED, "submitted", "despite its grade" if incorrect else "")


def skip(work: Work, given: ExitIn) -> None:
    """Leave it to others; it does not come back to who skipped it."""
    _leave(work, State.SKIPPED, "skipped", given.reason)


def give_up(work: Work, given: ExitIn) -> None:
    """End without a right trace.

    Raises:
        ReviewError: there is no reason.
    """
    _leave(work, State.GAVE_UP, "gave up", _needed(given.reason))


def bad_problem(work: Work, given: ExitIn) -> None:
    """End, for the problem itself is wrong, unclear or unanswerable.

    Raises:
        ReviewError: there is no reason.
    """
    _leave(work, State.BAD_PROBLEM, "bad problem", _needed(given.reason))


def undo(work: Work) -> None:
    """Go back to what was before the newest change, finished or not. What a model was asked, and wrote, stays.

    Raises:
        ReviewError: there is nothing to undo; an adjudicator has decided; or somebody took the place of one who
            skipped.
    """
    was = State(work.assignment.state)
    if was in FINISHED and adjudicated(work):
        raise ReviewError("an adjudicator has decided about this trace: it cannot be taken back")
    if was not in AT_WORK | FINISHED:
        turn(work.session, work.batch.id)
        if not has_room(work.session, work.assignment, work.settings.review.overlap, work.now):
            raise ReviewError("others have taken this trace since: it cannot be taken back")
    action = go_back(work)
    work.raise_version()
    if was in FINISHED:
        settle(work)
    work.noted("undid", what=action)


def _leave(work: Work, state: State, action: str, reason: str) -> None:
    work.need(*AT_WORK)
    with work.change(action) as told:
        if reason.strip():
            told["reason"] = work.assignment.reason = reason.strip()
        work.assignment.state, work.assignment.finished_at = state, work.now
        settle(work)


def _needed(reason: str) -> str:
    if not reason.strip():
        raise ReviewError("say why: a reason is needed")
    return reason
