"""A store with work in it, all of its texts hostile, behind the real app."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from sqlalchemy import select
from sqlalchemy.orm import Session

from benchmarks.review_work import Continuation, Desk, serving
from review import batches, gold, users
from review.adjudicating import Decision, case, decide
from review.batches import NewBatch, NewItem, open_batch
from review.config import BatchSettings, ReviewConfig
from review.overview import set_guidelines
from review.signins import make_token, sign_in
from review.store.database import Database
from review.store.models import Assignment, Item, ItemState, Role, User
from review.web.access import COOKIE
from review.web.app import create_app
from tasks.engines.models import ModelConfig
from tasks.rewrite.config import GoingOn

HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(1)></td></textarea>",
    "![x](http://evil.test/x.png) [click](javascript:alert(1)) <http://evil.test>",
    "$\\href{javascript:alert(1)}{x}$ and $\\includegraphics{http://evil.test/x.png}$",
    "bidi \u202edetrevni\u2066, " + "a_word_that_never_ends" * 12,
)
STEPS = [f"{text}\n" for text in HOSTILE]
ALL = " ".join(HOSTILE)
PEOPLE = {"ada": Role.ADMIN, "dot": Role.ADJUDICATOR, "bob": Role.REVIEWER, "cyd": Role.REVIEWER}


class Site(NamedTuple):
    """Where it is, what there is to look at."""

    address: str
    cookies: dict[str, str]
    paths: dict[str, str]
    """Placeholders of paths: the batch, items by their state, an assignment at work."""


def batch(session: Session, name: str, items: int) -> str:
    settings = BatchSettings(
        review=ReviewConfig(overlap=2, guidelines=ALL, within_days=3),
        model=ModelConfig(model="m"),
        going_on=GoingOn(k=2),
    )
    offsets = [0, *accumulate(map(len, STEPS[:-1]))]
    rows = [
        NewItem(
            problem={
                "problem_id": f"p{n}", "domain": "math", "question": f"{n}: {ALL}", "reference": HOSTILE[0],
                "tests": None, "constraints": None,
            },
            trace={
                "trace_id": f"{name}-{n}", "text": "".join(STEPS), "step_offsets": offsets, "splitter": "steps/1",
                "source": "s",
            },
            rank=n, status="incorrect", answer=HOSTILE[3], reason=ALL, suggestion=1, suggested_by="rollouts: 0 of 4",
        )
        for n in range(items)
    ]  # fmt: skip
    return open_batch(session, "tests", NewBatch(name, settings, rows)).id


def reviewed(store: Database, began: datetime) -> None:
    """One item differs, with a rewrite; one is agreed on; one was decided; one has a bad problem; one is at work."""
    bob, cyd = (Desk(store, name, began) for name in ("bob", "cyd"))
    bob.take()
    bob.mark(1)
    bob.rewrite(
        f"{HOSTILE[0]}\n\n{HOSTILE[3]}", [Continuation(ALL, HOSTILE[0]), Continuation("So 6.", "6", "incorrect")]
    )
    bob.choose(0)
    bob.mark(-1)
    bob.submit()
    cyd.take()
    cyd.mark(2)
    cyd.give_up(ALL)
    for first_wrongs in ((2, 2), (0, -1)):
        for desk, first_wrong in zip((bob, cyd), first_wrongs, strict=True):
            desk.take()
            desk.mark(first_wrong)
            desk.give_up(ALL) if first_wrong >= 0 else desk.submit()
    bob.take()
    bob.bad_problem(ALL)
    Desk(store, "cyd", datetime.now(UTC)).take()


def decided(store: Database) -> None:
    with store.writing() as session:
        ada = session.scalars(select(User).where(User.name == "ada")).one()
        last = session.scalars(
            select(Item).where(Item.state == ItemState.ADJUDICATION).order_by(Item.rank.desc())
        ).first()
        assert last is not None
        letter = case(session, last.id, ada.id).candidates[0].letter
        decide(session, ada.id, last.id, Decision(last.version, letter, None, ALL))
        agreed = session.scalars(select(Item.id).where(Item.state == ItemState.AGREED)).first()
        assert agreed is not None
        gold.mark(session, "ada", agreed)
        make_token(session, "ada", ada, ALL[:100])
        set_guidelines(session, "ada", batches.find(session, "hostile"), f"# New\n\n{ALL}")
        batches.close(session, "ada", batches.find(session, "closed"), ALL[:200])


def found_paths(session: Session) -> dict[str, str]:
    states = {state: name for name, state in session.execute(select(Item.id, Item.state).order_by(Item.rank.desc()))}
    assert {ItemState.ADJUDICATION, ItemState.FINAL} <= set(states)
    working = session.scalars(select(Assignment.id).where(Assignment.finished_at.is_(None))).one()
    ids = {"batch": batches.find(session, "hostile").id, "closed": batches.find(session, "closed").id}
    waits, final = states[ItemState.ADJUDICATION], states[ItemState.FINAL]
    return ids | {"waits": waits, "final": final, "working": working}


@contextmanager
def site_of(folder: Path) -> Iterator[Site]:
    with closing(Database(f"sqlite:///{folder}/review.db")) as store:
        store.migrate()
        with store.writing() as session:
            people = [users.add(session, "tests", name, None, role) for name, role in PEOPLE.items()]
            batch(session, "hostile", 4)
            batch(session, "closed", 1)
            cookies = {one.name: sign_in(session, one) for one in people}
        reviewed(store, datetime.now(UTC) - timedelta(hours=1))
        decided(store)
        with store.reading() as session:
            paths = found_paths(session)
        with serving(create_app(store)) as address:
            yield Site(address, cookies, paths)


@pytest.fixture
def site(kept: Any, tmp_path_factory: pytest.TempPathFactory) -> Site:
    found: Site = kept.get("site", lambda: site_of(tmp_path_factory.mktemp("site")))
    return found


UNREADY = "main .math:not([data-done]), #review[hidden]"
BY_STATUS = "the server responded with a status of 40"
"""Of a page that is itself about an error."""


@pytest.fixture
def visit(
    kept: Any, site: Site, browser: Browser, faults_of: Callable[..., list[str]]
) -> Iterator[Callable[[str, str], Page]]:
    """A page as somebody sees it, its folds open; fails at the end if something happened there that must not."""
    pages, faults = [], []

    def context(who: str) -> BrowserContext:
        made = browser.new_context(base_url=site.address, reduced_motion="reduce")
        if who:
            made.add_cookies([{"name": COOKIE, "value": site.cookies[who], "url": site.address}])
        return made

    def opened(who: str, path: str) -> Page:
        page: Page = kept.get(f"context of {who}", lambda: context(who)).new_page()
        pages.append(page)
        faults.append(faults_of(page, site.address))
        page.goto(path.format(**site.paths))
        expect(page.locator(UNREADY)).to_have_count(0)
        page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
        return page

    yield opened
    for page in pages:
        page.close()
    assert [one for each in faults for one in each if BY_STATUS not in one] == []
