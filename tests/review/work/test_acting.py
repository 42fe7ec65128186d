"""Working on a trace, round by round."""

from typing import Any

import pytest
from sqlalchemy import select

from review.audit import broken
from review.store.models import Assignment, Audit, Batch, BatchState, Item, ItemState, Job, JobState
from review.wire import BeatIn, ChooseIn, DraftIn, ExitIn, Held, MarkIn, RewriteIn, SubmitIn
from review.work import acting, leaving
from review.work.errors import AbsentError, StaleError
from schemas.errors import ReviewError

Desk = Any
RIGHT = "She has 2 apples.\n\nShe buys 1 + 2 = 3 more.\n\nSo she has 5."
FIXED = "She buys 1 + 2 = 3 more."


def mark(desk: Desk, first_wrong: int, *ratings: int | None, offsets: list[int] | None = None) -> None:
    with desk.work() as work:
        given = {"first_wrong": first_wrong, "ratings": ratings or [None] * 3, "offsets": offsets}
        acting.mark(work, MarkIn.model_validate(desk.under().model_dump() | given))


def rewrite(desk: Desk, after: str = FIXED) -> None:
    with desk.work() as work:
        acting.rewrite(work, RewriteIn(**desk.under().model_dump(), after=after))


def choose(desk: Desk, trace_id: str) -> None:
    with desk.work() as work:
        acting.choose(work, ChooseIn(**desk.under().model_dump(), trace_id=trace_id))


def submit(desk: Desk, *, despite: bool = False) -> None:
    with desk.work() as work:
        leaving.submit(work, SubmitIn(**desk.under().model_dump(), despite=despite))


def undo(desk: Desk) -> None:
    with desk.work() as work:
        leaving.undo(work)


def item(desk: Desk) -> Item:
    with desk.store.reading() as session:
        found: Item = session.get_one(Item, desk.shown.item_id)
        return found


def test_a_trace_goes_from_a_lease_to_a_confirmed_right_answer(any_desk: Desk) -> None:
    desk = any_desk
    states = [desk.shown.state]

    def seen(act: Any, *given: Any) -> None:
        act(desk, *given)
        states.append(desk.shown.state)

    seen(mark, 1, None, None, None)
    assert desk.shown.rounds[0].ratings == [1, -1, None]
    seen(rewrite)
    first, _ = desk.continued(RIGHT, RIGHT + "!")
    seen(choose, first)
    assert (desk.shown.round, desk.shown.rounds[1].ratings) == (1, [1, 1, None])
    seen(mark, -1, 1, 1, 0)
    seen(submit)
    assert states == ["leased", "rewriting", "generating", "marking", "marking", "submitted"]
    assert (item(desk).state, item(desk).verdict) == (ItemState.AGREED, 1)
    with desk.store.reading() as session:
        actions = session.scalars(select(Audit.action).where(Audit.subject == desk.id)).all()
        assert actions == ["marked", "rewrote", "chose", "marked", "submitted"]
        assert session.scalars(select(Audit.actor).where(Audit.subject == desk.id).distinct()).all() == ["r0"]
        assert broken(session) is None


def test_every_change_can_be_undone_to_exactly_what_was(any_desk: Desk) -> None:
    desk = any_desk

    def told() -> dict[str, Any]:
        kept: dict[str, Any] = desk.shown.model_dump(exclude={"version", "lease"})
        return kept

    def leave(desk: Desk) -> None:
        with desk.work() as work:
            leaving.give_up(work, ExitIn(**desk.under().model_dump(), reason="hopeless"))

    was = [told()]
    mark(desk, 1)
    with desk.work() as work:
        acting.save_draft(work, DraftIn(**desk.under().model_dump(), draft={"after": "She b"}))
    was.append(told())
    rewrite(desk)
    name, *_ = desk.continued(RIGHT)
    was.append(told())
    choose(desk, name)
    was.append(told())
    mark(desk, -1, 1, 1, 1)
    was.append(told())
    submit(desk)
    versions = [desk.shown.version]
    for one in reversed(was):
        undo(desk)
        versions.append(desk.shown.version)
        assert told() == one
    assert versions == sorted(set(versions))
    with pytest.raises(ReviewError, match="nothing to undo"):
        undo(desk)
    leave(desk)
    assert desk.shown.state == "gave_up"
    undo(desk)
    assert (desk.shown.state, item(desk).state) == ("leased", ItemState.OPEN)


def test_a_rewrite_asks_once_and_says_what_is_doubtful(desk: Desk) -> None:
    mark(desk, 1)
    rewrite(desk, "She buys 3.\n\nSo she has 5.\n")
    current = desk.shown.rounds[0]
    assert (current.after, current.job.state) == ("She buys 3.\n\nSo she has 5.", JobState.QUEUED)
    assert any("2 steps" in one for one in current.doubts)
    assert any("reference" in one for one in current.doubts)
    undo(desk)
    rewrite(desk, "She buys 3.\n\nSo she has 5.")
    with desk.store.reading() as session:
        assert sorted(session.scalars(select(Job.kind))) == ["continue", "effect"]


@pytest.mark.parametrize(
    ("after", "says"), [("  \n", "is empty"), ("\nShe buys 1 + 2 = 4 more.\n\n", "is the old one")]
)
def test_a_rewrite_that_is_none_is_refused(desk: Desk, after: str, says: str) -> None:
    mark(desk, 1)
    with pytest.raises(ReviewError, match=says):
        rewrite(desk, after)
    assert desk.shown.state == "rewriting"


def test_what_failed_is_asked_again(desk: Desk) -> None:
    mark(desk, 1)
    rewrite(desk)
    with desk.store.writing() as session:
        for job in session.scalars(select(Job)):
            job.state, job.error = JobState.FAILED, "no model"
    with desk.work() as work:
        acting.retry(work)
    assert (desk.shown.rounds[0].job.state, desk.shown.rounds[0].job.error) == (JobState.QUEUED, None)


def test_own_cuts_are_the_rounds_steps_and_the_verdict_is_in_the_traces(desk: Desk) -> None:
    text = "".join(one.text for one in desk.shown.rounds[0].trace.steps)
    cut = [0, 4, text.index("She buys"), text.index("4 more")]
    mark(desk, 3, None, 0, None, None, offsets=cut)
    shown = desk.shown.rounds[0]
    assert ("".join(one.text for one in shown.trace.steps), len(shown.trace.steps)) == (text, 4)
    assert shown.ratings == [1, 0, 1, -1]
    with desk.work() as work:
        leaving.give_up(work, ExitIn(**desk.under().model_dump(), reason="no"))
    assert item(desk).verdict == 1


def into_the_last_round(desk: Desk) -> None:
    with desk.store.writing() as session:
        batch = session.get_one(Batch, "maths")
        batch.settings = batch.settings | {"going_on": {"rounds": 1}}
    left = [desk.shown.rounds_left]
    mark(desk, 1)
    rewrite(desk)
    left.append(desk.shown.rounds_left)
    name, *_ = desk.continued(RIGHT)
    choose(desk, name)
    left.append(desk.shown.rounds_left)
    assert (left, desk.shown.state, desk.shown.rounds[0].chosen) == ([1, 0, 0], "marking", name)


def test_what_came_of_the_last_rewrite_is_confirmed(any_desk: Desk) -> None:
    into_the_last_round(any_desk)
    mark(any_desk, -1, 1, 1, 1)
    submit(any_desk)
    assert (any_desk.shown.state, any_desk.shown.round) == ("submitted", 1)
    assert (item(any_desk).state, item(any_desk).verdict) == (ItemState.AGREED, 1)


def test_a_wrong_step_after_the_last_rewrite_ends_the_work(any_desk: Desk) -> None:
    into_the_last_round(any_desk)
    mark(any_desk, 2)
    shown = any_desk.shown
    assert (shown.state, shown.rounds[1].first_wrong, shown.rounds_left) == ("max_rounds", 2, 0)
    assert (item(any_desk).state, item(any_desk).verdict) == (ItemState.AGREED, 1)
    with any_desk.store.reading() as session:
        assert session.get_one(Assignment, any_desk.id).finished_at == any_desk.now
    with pytest.raises(ReviewError, match="not now"):
        rewrite(any_desk)
    undo(any_desk)
    assert (any_desk.shown.state, any_desk.shown.rounds[1].first_wrong) == ("marking", None)
    assert item(any_desk).state == ItemState.OPEN
    mark(any_desk, -1, 1, 1, 1)
    submit(any_desk)
    assert any_desk.shown.state == "submitted"


def test_only_a_continuation_of_this_rewrite_can_be_chosen(desk: Desk) -> None:
    mark(desk, 1)
    rewrite(desk)
    desk.continued(RIGHT)
    for name in (desk.shown.rounds[0].trace.trace_id, "nothing"):
        with pytest.raises(ReviewError, match="no continuation"):
            choose(desk, name)


def test_a_trace_with_a_wrong_step_or_unmarked_is_not_done(desk: Desk) -> None:
    with pytest.raises(ReviewError, match="not now"):
        submit(desk)
    mark(desk, 1)
    with pytest.raises(ReviewError, match="not now"):
        submit(desk)


def test_a_wrong_answer_without_a_wrong_step_is_submitted_only_despite_the_grade(desk: Desk) -> None:
    mark(desk, -1, 1, 1, 1)
    with pytest.raises(ReviewError, match="graded incorrect, but no step is marked wrong"):
        submit(desk)
    submit(desk, despite=True)
    with desk.store.reading() as session:
        told = session.scalar(select(Audit.details).where(Audit.action == "submitted"))
    assert told["reason"] == "despite its grade"


def test_without_a_model_the_mark_is_the_work(desk: Desk) -> None:
    with desk.store.writing() as session:
        batch = session.get_one(Batch, "maths")
        batch.settings = batch.settings | {"model": None}
    mark(desk, 2)
    with pytest.raises(ReviewError, match="no model"):
        rewrite(desk)
    submit(desk)
    assert (item(desk).state, item(desk).verdict) == (ItemState.AGREED, 2)


@pytest.mark.parametrize("leave", [leaving.give_up, leaving.bad_problem])
def test_giving_up_and_bad_problems_need_a_reason(desk: Desk, leave: Any) -> None:
    with pytest.raises(ReviewError, match="a reason is needed"), desk.work() as work:
        leave(work, ExitIn(**desk.under().model_dump(), reason=" "))


def test_most_reviewers_saying_so_makes_a_problem_bad_and_undo_takes_it_back(desk: Desk) -> None:
    with desk.work() as work:
        leaving.bad_problem(work, ExitIn(**desk.under().model_dump(), reason="ambiguous"))
    assert (item(desk).state, item(desk).verdict) == (ItemState.FINAL, None)
    undo(desk)
    assert item(desk).state == ItemState.OPEN


def test_a_skipped_trace_comes_back_only_while_there_is_room(desk: Desk, desk_of: Any, people: Any) -> None:
    with desk.work() as work:
        leaving.skip(work, ExitIn(**desk.under().model_dump()))
    first = desk.id
    undo(desk)
    with desk.work() as work:
        leaving.skip(work, ExitIn(**desk.under().model_dump()))
    with desk.store.writing() as session:
        from review import users
        from review.store.models import Role

        other = desk_of(desk.store, users.add(session, "tests", "other", None, Role.REVIEWER).id)
    assert other.claim()
    assert other.shown.item_id == desk.shown.item_id
    with pytest.raises(ReviewError, match="others have taken this trace"):
        undo(desk)
    assert desk.id == first


def test_the_reference_is_shown_once_asked_for_and_that_is_not_undone(desk: Desk) -> None:
    assert desk.shown.reference is None
    mark(desk, 1)
    with desk.work() as work:
        acting.reveal(work)
    undo(desk)
    assert desk.shown.reference == "5"
    before = desk.shown.version
    with desk.work() as work:
        acting.reveal(work)
    assert desk.shown.version == before


def test_a_sign_of_life_renews_the_lease_and_counts_time_but_is_no_change(desk: Desk) -> None:
    desk.wait(minutes=14)
    with desk.store.writing() as session:
        acting.renew(session, desk.id, desk.user, BeatIn(token=desk.under().token, seconds=60), desk.now)
    desk.wait(minutes=14)
    assert (desk.shown.state, desk.shown.version) == ("marking", 1)
    with desk.store.reading() as session:
        assert session.get_one(Assignment, desk.id).seconds == 60


def test_a_lost_lease_and_another_version_are_stale(desk: Desk) -> None:
    old = desk.under()
    mark(desk, 1)
    with pytest.raises(StaleError, match="at version 2, what was sent is for version 1"), desk.work(old):
        pass
    with pytest.raises(StaleError, match="taken up in another window"), desk.work(Held(token="x", version=2)):
        pass
    good = desk.under()
    desk.wait(minutes=15)
    with pytest.raises(StaleError, match="ran out"), desk.work(good):
        pass
    assert desk.shown.lease is None
    assert desk.claim()
    with desk.work():
        pass


def test_nobody_changes_what_is_anothers_or_in_a_closed_batch(desk: Desk, desk_of: Any) -> None:
    good = desk.under()
    stranger = desk_of(desk.store, desk.user + 1)
    stranger.id = desk.id
    with pytest.raises(AbsentError), stranger.work(good):
        pass
    with desk.store.writing() as session:
        session.get_one(Batch, "maths").state = BatchState.CLOSED
    with pytest.raises(ReviewError, match="batch maths is closed"), desk.work(good):
        pass
