"""Calls about one reviewer's work on one trace; each change answers with the assignment as it is then."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Final, TypeVar

from fastapi import APIRouter, Depends, HTTPException, Path, Response
from pydantic import BaseModel
from sqlalchemy.orm import Session

from review.store.models import Assignment, Role
from review.views import lease, view
from review.web.access import Reviewer, Store, Viewer
from review.wire import (
    AssignmentView,
    BeatIn,
    ChooseIn,
    ClaimIn,
    DraftIn,
    ExitIn,
    Held,
    MarkIn,
    Problem,
    RewriteIn,
    SubmitIn,
)
from review.work import acting, leaving
from review.work.claiming import claim
from review.work.errors import AbsentError, StaleError
from review.work.holding import Work, held

router = APIRouter(prefix="/api")
Id = Annotated[str, Path(pattern=r"^[\w-]{1,32}$")]
Given = TypeVar("Given", bound=Held)
Beaten = TypeVar("Beaten")


class _Desk:
    """Who asks, about which assignment, and where it is kept."""

    def __init__(self, assignment_id: Id, viewer: Reviewer, store: Store) -> None:
        self.assignment_id, self.viewer, self.store = assignment_id, viewer, store

    def change(self, given: Given, act: Callable[[Work, Given], None]) -> Response:
        """Do it under the lease, as of the version that was seen; answer with what it is then."""

        def under_lease(session: Session) -> None:
            # The time is taken within the transaction, which may have waited for others.
            act(held(session, self.assignment_id, self.viewer.id, given, datetime.now(UTC)), given)

        return self.answer(under_lease, lambda _: self.shown())

    def answer(self, act: Callable[[Session], Beaten], told: Callable[[Beaten], BaseModel]) -> Response:
        """Do it in a transaction, and answer once that is over; 409 where the page is behind, with what it is now."""
        try:
            with self.store.writing() as session:
                done = act(session)
            return _json(told(done))
        except AbsentError as exc:
            raise HTTPException(404, str(exc)) from exc
        except StaleError as exc:
            return _json(Problem(error="stale", message=str(exc), current=self.shown()), 409)

    def shown(self) -> AssignmentView:
        """As it is now; to its owner, and to those who may look on.

        Raises:
            HTTPException: 404: to nobody else.
        """
        with self.store.reading() as session:
            found = session.get(Assignment, self.assignment_id)
            if found is None or not _may_see(self.viewer, found):
                raise HTTPException(404, f"assignment {self.assignment_id}: none of this id is yours")
            return view(session, found, self.viewer.id, datetime.now(UTC))


Desk = Annotated[_Desk, Depends()]
_OF: Final = "/assignments/{assignment_id}"


@router.post("/claim", response_model=AssignmentView, responses={204: {}})
def claim_next(given: ClaimIn, viewer: Reviewer, store: Store) -> Response:
    """The trace to work on next; 204 where nothing is left."""
    with store.writing() as session:
        found = claim(session, viewer.id, datetime.now(UTC), given.batch)
    if found is None:
        return Response(status_code=204)
    with store.reading() as session:
        return _json(view(session, found, viewer.id, datetime.now(UTC)))


@router.get(_OF, response_model=AssignmentView)
def show(desk: Desk) -> Response:
    """All that the review page shows."""
    return _json(desk.shown())


@router.post(f"{_OF}/heartbeat")
def heartbeat(desk: Desk, given: BeatIn) -> Response:
    """A sign of life: the lease is renewed."""

    def beat(session: Session) -> Work:
        return acting.renew(session, desk.assignment_id, desk.viewer.id, given, datetime.now(UTC))

    return desk.answer(beat, lambda work: _needed(lease(work.assignment, work.now)))


@router.put(f"{_OF}/draft")
def draft(desk: Desk, given: DraftIn) -> Response:
    """Keep what the page has not sent yet; answers with the new version."""

    def save(session: Session) -> Work:
        work = held(session, desk.assignment_id, desk.viewer.id, given, datetime.now(UTC))
        acting.save_draft(work, given)
        return work

    return desk.answer(save, lambda work: _Version(version=work.assignment.version))


@router.post(f"{_OF}/mark")
def mark(desk: Desk, given: MarkIn) -> Response:
    """Ratings, and the first wrong step."""
    return desk.change(given, acting.mark)


@router.post(f"{_OF}/rewrite")
def rewrite(desk: Desk, given: RewriteIn) -> Response:
    """The first wrong step's new text, to be gone on from."""
    return desk.change(given, acting.rewrite)


@router.post(f"{_OF}/retry")
def retry(desk: Desk, given: Held) -> Response:
    """Ask the model again, after a failure."""
    return desk.change(given, lambda work, _: acting.retry(work))


@router.post(f"{_OF}/choose")
def choose(desk: Desk, given: ChooseIn) -> Response:
    """The continuation that the next round is about."""
    return desk.change(given, acting.choose)


@router.post(f"{_OF}/submit")
def submit(desk: Desk, given: SubmitIn) -> Response:
    """Done."""
    return desk.change(given, leaving.submit)


@router.post(f"{_OF}/skip")
def skip(desk: Desk, given: ExitIn) -> Response:
    """Leave it to others."""
    return desk.change(given, leaving.skip)


@router.post(f"{_OF}/give-up")
def give_up(desk: Desk, given: ExitIn) -> Response:
    """End without a right trace."""
    return desk.change(given, leaving.give_up)


@router.post(f"{_OF}/bad-problem")
def bad_problem(desk: Desk, given: ExitIn) -> Response:
    """The problem itself is at fault."""
    return desk.change(given, leaving.bad_problem)


@router.post(f"{_OF}/undo")
def undo(desk: Desk, given: Held) -> Response:
    """Back to what was before the newest change."""
    return desk.change(given, lambda work, _: leaving.undo(work))


@router.post(f"{_OF}/reveal")
def reveal(desk: Desk, given: Held) -> Response:
    """Show the reference, which is logged."""
    return desk.change(given, lambda work, _: acting.reveal(work))


class _Version(BaseModel):
    version: int


def _may_see(viewer: Viewer, assignment: Assignment) -> bool:
    return viewer.id == assignment.user_id or viewer.role.rank >= Role.ADJUDICATOR.rank


def _needed(found: BaseModel | None) -> BaseModel:
    if found is None:
        raise StaleError("the lease on this trace ran out")
    return found


def _json(told: BaseModel, status: int = 200) -> Response:
    return Response(told.model_dump_json(), status, media_type="application/json")
