"""What a model makes of a rewritten step, sent to the page as it comes (server-sent events, WHATWG HTML, 9.2)."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Final, NamedTuple
from weakref import WeakKeyDictionary

from fastapi import APIRouter, Header, HTTPException, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from starlette.datastructures import State

from review.jobs.feed import Feed
from review.jobs.views import continuations, job_view, trace_view
from review.store.database import Database
from review.store.models import Assignment, Job, JobState, Role, Round
from review.web.access import Reviewer, Store, Viewer
from review.wire import JobView, TraceView

router = APIRouter()
LONGEST_S: Final = 600.0
"""Then the page's EventSource asks again, and hears the rest."""
SIGN_S: Final = 15.0
"""Between two signs of life, which keep proxies from hanging up."""
_OVER: Final = frozenset({JobState.DONE, JobState.FAILED})
_DONE: Final = "done"


class Place(NamedTuple):
    """How far a page has heard: it is the id of an event, `<job>:<number>,<number>` or `<job>:done`."""

    job_id: str
    heard: frozenset[str] = frozenset()
    """Numbers of continuations."""

    @classmethod
    def of(cls, event_id: str, job_id: str) -> "Place":
        """What `Last-Event-ID` says; of another job nothing was heard."""
        job, _, heard = event_id.partition(":")
        return cls(job_id, frozenset(filter(None, heard.split(","))) if job == job_id else frozenset())

    def __str__(self) -> str:
        return f"{self.job_id}:{','.join(sorted(self.heard))}"


@router.get("/api/assignments/{assignment_id}/events")
def events(
    request: Request,
    assignment_id: str,
    viewer: Reviewer,
    store: Store,
    last_event_id: Annotated[str, Header()] = "",
) -> Response:
    """The round's job: `job` (JobView) and `trace` (TraceView) as they come, `done` at the end.

    A stream that ended with `done` is not taken up again: whoever asks for it hears 204, which ends an EventSource.

    Raises:
        HTTPException: 404: there is no such assignment, or it is another reviewer's.
    """
    job_id = _job_of(store, assignment_id, viewer)
    place = Place.of(last_event_id, job_id or "")
    if job_id is None or _DONE in place.heard:
        return Response(status_code=204)
    headers = {"X-Accel-Buffering": "no"}
    return StreamingResponse(_stream(request.app.state, store, place), media_type="text/event-stream", headers=headers)


def _job_of(store: Database, assignment_id: str, viewer: Viewer) -> str | None:
    with store.reading() as session:
        assignment = session.get(Assignment, assignment_id)
        if assignment is None or (assignment.user_id != viewer.id and viewer.role.rank < Role.ADJUDICATOR.rank):
            raise HTTPException(404, "there is no such assignment, or it is another reviewer's")
        round_ = session.get(Round, (assignment.id, assignment.round))
        return round_.job_id if round_ else None


def _feed(state: State, store: Database) -> Feed:
    """The one of this app and event loop, made when it is first asked for."""
    if not hasattr(state, "feeds"):
        state.feeds = WeakKeyDictionary()
    feed: Feed = state.feeds.setdefault(asyncio.get_running_loop(), Feed(store))
    return feed


async def _stream(state: State, store: Database, place: Place) -> AsyncIterator[str]:
    feed = _feed(state, store)
    clock = asyncio.get_running_loop().time
    until, stand = clock() + LONGEST_S, None
    async with feed.watching(place.job_id):
        while (left := until - clock()) > 0:
            before, stand = stand, await feed.change(place.job_id, stand, min(SIGN_S, left))
            if stand is None or stand == before:
                yield ": still here\n\n"
                continue
            job, traces = await asyncio.to_thread(_read, store, place)
            for trace in traces:
                place = place._replace(heard=place.heard | {str(trace.number)})
                yield _event("trace", place, trace)
            yield _event("job", place, job)
            if job.state in _OVER:
                yield _event(_DONE, place._replace(heard=frozenset({_DONE})), job)
                return


def _read(store: Database, place: Place) -> tuple[JobView, list[TraceView]]:
    with store.reading() as session:
        # The job first: what came in between is sent with its next change.
        job = job_view(session.get_one(Job, place.job_id))
        new = [one for one in continuations(session, place.job_id) if str(one.number) not in place.heard]
        return job, [trace_view(one) for one in new]


def _event(name: str, place: Place, data: BaseModel) -> str:
    return f"id: {place}\nevent: {name}\ndata: {data.model_dump_json()}\n\n"
