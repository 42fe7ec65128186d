"""From a run's queue to people and back: a reviewer who knows arithmetic, the bundled model behind the page."""

import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as pq
import pytest
from sqlalchemy import select

from flows.refresh import refresh
from flows.review import OPENED, RESOURCE, REVIEWED, after_review, open_review, sweep_reviews
from flows.store import STORE, store
from review import batches, users
from review.jobs.runner import Runner
from review.store.database import Database
from review.store.models import Assignment, Audit, Item, Job, JobState, Role, Trace
from review.wire import ChooseIn, ExitIn, Held, MarkIn, RewriteIn, SubmitIn
from review.work import acting, leaving
from review.work.claiming import claim
from review.work.holding import Work, held
from schemas.errors import TracemillError
from schemas.refs import ReleaseManifest
from tasks.engines.models import Models
from tasks.lake import Lake
from tasks.places import DATA
from tasks.text.steps import steps

pytestmark = pytest.mark.usefixtures("prefect_server")

SECRET = "sk-planted-in-the-environment"
SAMPLES = [json.loads(line) for line in (DATA / "samples/demo-problems.jsonl").read_text().splitlines()[:8]]
GOLD = {one["question"]: one["solution"].split("\n") for one in SAMPLES}


class Reviewed(NamedTuple):
    """What came of it all."""

    folder: Path
    lake: str
    overrides: list[str]
    first: ReleaseManifest
    second: ReleaseManifest
    third: ReleaseManifest
    batch: str
    rewritten: int

    def lines(self) -> list[dict[str, Any]]:
        text = (self.folder / f"lake/reviews/{self.batch}.jsonl").read_text()
        return [json.loads(line) for line in text.splitlines()]

    def rows(self, name: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = Lake(self.lake).rows(Lake(self.lake).newest(), name).to_pylist()
        return found

    def format(self, name: str) -> list[dict[str, Any]]:
        folder = self.folder / f"lake/releases/{self.second.name}/{self.second.version}/{name}/train"
        return [row for path in sorted(folder.glob("*.parquet")) for row in pq.read_table(path).to_pylist()]


def first_wrong(question: str, trace: Trace) -> int:
    """The first line that works out something else than the gold solution; -1: none."""
    lines = steps(trace.text, trace.step_offsets)
    for at, (line, better) in enumerate(zip(lines, GOLD[question], strict=False)):
        if set(re.findall(r"\d+", line)) != set(re.findall(r"\d+", better)):
            return at
    return -1


class Person:
    """Works through a batch as the page would."""

    def __init__(self, database: Database, name: str) -> None:
        self.database = database
        with database.writing() as session:
            self.id = users.add(session, "tests", name, None, Role.REVIEWER).id

    def act(self, assignment: Assignment, how: Any, given: Any, **values: Any) -> Work:
        with self.database.writing() as session:
            now = session.get_one(Assignment, assignment.id)
            by = given(token=now.lease_token, version=now.version, **values)
            assert isinstance(by, Held)
            work = held(session, assignment.id, self.id, by, datetime.now(UTC))
            how(work, by)
        return work

    def review(self) -> int:
        """Rewrite once what is wrong, take the continuation that arrives; how many steps were rewritten."""
        count = 0
        while True:
            with self.database.writing() as session:
                mine = claim(session, self.id, datetime.now(UTC))
            if mine is None:
                return count
            count += self._one(mine)

    def _one(self, mine: Assignment) -> bool:
        with self.database.reading() as session:
            item = session.get_one(Item, mine.item_id)
            trace = session.get_one(Trace, (item.id, item.trace_id))
        at = first_wrong(item.question, trace)
        if not 0 <= at < len(GOLD[item.question]):
            self.act(mine, leaving.give_up, ExitIn, reason="cannot tell")
            return False
        later = [None] * (len(trace.step_offsets) - at - 1)
        self.act(mine, acting.mark, MarkIn, first_wrong=at, ratings=[*[1] * at, -1, *later])
        work = self.act(mine, acting.rewrite, RewriteIn, after=GOLD[item.question][at])
        right = [one for one in self._continuations(work.round.job_id or "") if one.status == "correct"]
        if not right:
            self.act(mine, leaving.give_up, ExitIn, reason="it does not arrive")
            return True
        self.act(mine, acting.choose, ChooseIn, trace_id=right[0].trace_id)
        self.act(mine, acting.mark, MarkIn, first_wrong=-1, ratings=[1] * len(right[0].step_offsets))
        self.act(mine, leaving.submit, SubmitIn)
        return True

    def _continuations(self, job: str) -> list[Trace]:
        for _ in range(600):
            with self.database.reading() as session:
                found = session.get_one(Job, job)
                assert found.state != JobState.FAILED, found.error
                if found.state == JobState.DONE:
                    made = select(Trace).where(Trace.job_id == job).order_by(Trace.number)
                    return list(session.scalars(made))
            time.sleep(0.1)
        raise AssertionError("the job is never done")


@pytest.fixture(scope="module")
def reviewed(tmp_path_factory: pytest.TempPathFactory, prefect_server: str) -> Iterator[Reviewed]:
    folder = tmp_path_factory.mktemp("review")
    problems = folder / "problems.jsonl"
    problems.write_text("\n".join(map(json.dumps, SAMPLES)))
    lake = str(folder / "lake")
    short = ("n=3", "sampling.max_tokens=200")
    overrides = [
        f"ingest.source.path={problems}",
        *(f"generate.samplers.policy.{one}" for one in short),
        "rewrite.k=2",
        "rewrite.sampling.max_tokens=200",
        "review={effect: 0, suggest: {when: never}, within_days: 3}",
        "queue.count=5",
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(STORE, f"sqlite:///{folder}/review.db")
        patch.setenv("OPENAI_API_KEY", SECRET)
        first = refresh("first-wrong-step", lake, overrides)
        batch = open_review("first-wrong-step", lake, overrides)
        assert open_review("first-wrong-step", lake, overrides) == batch
        with store() as database, Runner(database):
            count = Person(database, "owl").review()
        assert sweep_reviews() == [batch]
        # What the model wrote on the page is taken as it is.
        patch.setattr(Models, "complete", never)
        second = after_review(batch)
        third = after_review(f"{RESOURCE}{identity(batch)}")
        yield Reviewed(folder, lake, overrides, first, second, third, batch, count)


def never(*_: object) -> None:
    raise AssertionError("a model was asked")


def identity(batch: str) -> str:
    with store() as database, database.reading() as session:
        return batches.find(session, batch).id


def test_the_queue_is_a_batch_and_the_same_again_changes_nothing(reviewed: Reviewed) -> None:
    with store() as database, database.reading() as session:
        batch = batches.find(session, reviewed.batch)
        told = batches.progress(session, batch)
        items = session.scalars(select(Item)).all()
        actions = [row.action for row in session.scalars(select(Audit).where(Audit.subject == batch.name))]
        first = {one.trace_id: one for one in session.scalars(select(Trace).where(Trace.job_id.is_(None)))}
    assert (batch.name, batch.lake, batch.state) == ("first-wrong-step", reviewed.lake, "closed")
    assert (batch.closed_because, told.items, told.left) == ("complete", 5, 0)
    assert actions == ["batch opened", "items added", "batch closed"]
    assert {first[one.trace_id].status for one in items} == {"incorrect"}
    assert all(one.reference and one.why and one.source == "policy" for one in items)
    assert {bool(one.answer) for one in first.values()} == {True}


def test_a_line_for_each_round(reviewed: Reviewed) -> None:
    lines = reviewed.lines()
    assert reviewed.rewritten > 1
    rewrites = [one for one in lines if one["after"] is not None]
    assert len(rewrites) == reviewed.rewritten
    assert all(len(one["continuations"]) == 2 and one["step"] == one["first_wrong"] for one in rewrites)
    again = [one for one in lines if one["round"] == 1]
    assert again
    assert {(one["first_wrong"], one["state"], one["verdict"]) for one in again} == {(-1, "submitted", None)}
    assert {one["trace_id"] for one in again} == {one["chosen"] for one in rewrites if one["chosen"]}


def test_rewrites_come_into_the_lake_as_the_page_showed_them(reviewed: Reviewed) -> None:
    traces = {row["trace_id"]: row for row in reviewed.rows("traces")}
    shown = [(line, one) for line in reviewed.lines() for one in line["continuations"]]
    for line, one in shown:
        assert traces[one["id"]]["text"] == one["text"]
        assert (traces[one["id"]]["parent_trace_id"], traces[one["id"]]["origin"]) == (line["trace_id"], "rewritten")
    stands = {row["trace_id"]: row["status"] for row in reviewed.rows("standings")}
    assert {stands[one["id"]] == one["status"] for _, one in shown} == {True}
    assert len(reviewed.rows("rewrites")) == 2 * reviewed.rewritten
    assert not [row for row in reviewed.rows("dropped") if row["table"] == "rewrites"]


def test_the_release_holds_the_reviewers_work_in_every_format(reviewed: Reviewed) -> None:
    assert (reviewed.second.previous, reviewed.second.version) == (reviewed.first.version, "v2")
    lines = reviewed.lines()
    right = {one["trace_id"] for one in lines if one["first_wrong"] == -1}
    wrong = {one["trace_id"]: one for one in lines if one["after"] is not None}
    assert right & {row["trace_id"] for row in reviewed.format("sft")}
    assert right & {row["trace_id"] for row in reviewed.format("kto") if row["label"]}
    pairs = {row["chosen_trace_id"]: row["rejected_trace_id"] for row in reviewed.format("dpo")}
    assert any(pairs.get(one["chosen"]) == name for name, one in wrong.items())
    labels = {row["trace_id"]: row["label"] for row in reviewed.format("processbench")}
    assert {name: labels[name] for name in wrong} == {name: one["first_wrong"] for name, one in wrong.items()}
    alike = {row["row_id"] for row in reviewed.rows("dropped") if row["table"] == "traces"}
    assert right - alike
    assert {labels[name] for name in right - alike} == {-1}
    human = {row["trace_id"]: row["label"]["steps"][-1]["human_completion"] for row in reviewed.format("prm800k")}
    assert {name: human[name]["text"] for name in wrong} == {name: one["after"] for name, one in wrong.items()}
    corrected = {row["parent_trace_id"]: row["messages"][-1]["content"] for row in reviewed.format("self_correction")}
    assert corrected
    assert all(f"Wait, {wrong[parent]['after']}" in text for parent, text in corrected.items())


def test_twice_is_the_same(reviewed: Reviewed) -> None:
    second, third = reviewed.second, reviewed.third
    assert (third.version, third.key, third.formats) == (second.version, second.key, second.formats)


def test_what_was_reviewed_is_not_put_before_people_again(reviewed: Reviewed) -> None:
    """The next batch holds what is new in the queue; where nothing is, that is said."""
    with store() as database, database.reading() as session:
        seen = {one.trace_id for one in session.scalars(select(Item))}
    queue = {row["trace_id"] for row in reviewed.rows("queue")}
    if queue <= seen:
        with pytest.raises(TracemillError, match="queues nothing that was not reviewed yet"):
            open_review("first-wrong-step", reviewed.lake, reviewed.overrides)
        return
    name = open_review("first-wrong-step", reviewed.lake, reviewed.overrides)
    assert name == "first-wrong-step-2"
    with store() as database, database.writing() as session:
        batch = batches.find(session, name)
        assert set(session.scalars(select(Item.trace_id).where(Item.batch_id == batch.id))) == queue - seen
        batches.close(session, "tests", batch, "done")


def test_events_carry_ids_alone(reviewed: Reviewed, prefect_server: str) -> None:
    import httpx

    asked = {"filter": {"event": {"prefix": ["tracemill.review."]}}, "limit": 50}
    found: list[dict[str, Any]] = []
    for _ in range(50):
        found = httpx.post(f"{prefect_server}/events/filter", json=asked, timeout=30).json()["events"]
        if {one["event"] for one in found} == {OPENED, REVIEWED}:
            break
        time.sleep(0.2)
    assert {one["event"] for one in found} == {OPENED, REVIEWED}
    name = identity(reviewed.batch)
    mine = [one for one in found if one["resource"]["prefect.resource.id"] == f"{RESOURCE}{name}"]
    assert {one["event"] for one in mine} == {OPENED, REVIEWED}
    assert {json.dumps(one["payload"]) for one in mine} == {json.dumps({"batch": name})}
    assert SECRET not in json.dumps(found)


def test_no_secret_is_kept(reviewed: Reviewed) -> None:
    files = [
        reviewed.folder / "review.db",
        *reviewed.folder.glob("review.db-*"),
        *reviewed.folder.glob("lake/**/*.js*"),
    ]
    assert len(files) > 2
    assert not [path for path in files if SECRET.encode() in path.read_bytes()]


def test_a_login_in_an_address_is_refused(reviewed: Reviewed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVER_LOGIN", f"me:{SECRET}")
    engine = "models.policy.engine={openai: {base_url: 'http://${SERVER_LOGIN}@127.0.0.1:1/v1'}}"
    with pytest.raises(TracemillError, match="would put a key into manifests") as raised:
        open_review("first-wrong-step", reviewed.lake, [*reviewed.overrides, engine])
    assert SECRET not in str(raised.value)


def test_going_on_without_what_is_missing(
    reviewed: Reviewed, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """An open batch, of which nothing was finished: the release stays as it is without it."""
    monkeypatch.setenv(STORE, f"sqlite:///{tmp_path}/other.db")
    name = open_review("first-wrong-step", reviewed.lake, reviewed.overrides, "late")
    with store() as database, database.writing() as session:
        batch = batches.find(session, name)
        assert batches.progress(session, batch).left > 0
        assert batch.deadline is not None
        batch.deadline = batch.opened_at
    with caplog.at_level("WARNING"):
        assert after_review(name).formats == reviewed.second.formats
    assert "going on without reviews of" in caplog.text
    assert sweep_reviews() == ["late"]
    with store() as database, database.reading() as session:
        assert "time is up: 0 of" in (batches.find(session, name).closed_because or "")


def test_a_recipe_that_says_nothing_of_reviewing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(STORE, f"sqlite:///{tmp_path}/review.db")
    with pytest.raises(TracemillError, match=r"irpo: says nothing of reviewing; add `review: \{\}`"):
        open_review("irpo", str(tmp_path))
    with pytest.raises(TracemillError, match="nothing of recipe demo to review; run the recipe first"):
        open_review("demo", str(tmp_path))
    with pytest.raises(TracemillError, match="batch nowhere: there is none of this name"):
        after_review("nowhere")
