"""Pictures of the review page for the README: real GSM8K traces, reviewed by people who are made up.

`python -m benchmarks.review_shots --to docs` writes them with the Chromium at `--chromium`.
"""

import argparse
import tempfile
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

from playwright.sync_api import Browser, Page, sync_playwright
from sqlalchemy import select

from benchmarks.gsm8k import imported
from benchmarks.review_work import Continuation, Desk, serving
from review import gold, users
from review.adjudicating import Decision, decide
from review.batches import NewBatch, NewItem, open_batch
from review.config import BatchSettings, ReviewConfig
from review.signins import sign_in
from review.store.database import Database
from review.store.models import Item, ItemState, Role
from review.web.access import COOKIE
from review.web.app import create_app
from tasks.engines.models import ModelConfig
from tasks.rewrite.config import GoingOn

PEOPLE: Final = {"ann": Role.ADMIN, "ben": Role.REVIEWER, "cleo": Role.REVIEWER, "dan": Role.REVIEWER}
BATCH: Final = "gsm8k-first-wrong-steps"
GUIDELINES: Final = """Mark the **first** wrong step; leave those after it.

- Great: right, and it brings the answer closer.
- Okay: right, but adds nothing.
- Wrong: a slip, a misread problem, or a claim that nothing supports.
"""
MODEL: Final = "6b_finetuning"
FIRST_WRONG: Final = {"26": 1, "90,000": 0, "60": 0, "266": 0, "77": 2, "15": 0}
"""The first wrong step of the traces that are queued, by their answers."""


class Shot(NamedTuple):
    """A picture: whose page, how it is prepared."""

    name: str
    path: str
    who: str = "ann"
    dark: bool = False
    narrow: bool = False

    @property
    def is_review(self) -> bool:
        """Whether it has a bar that stays at the bottom; all other pages are taken whole."""
        return self.path.startswith("/review/")


SHOTS: Final = (
    Shot("review-dark-phone", "/review/{working}", dark=True, narrow=True),
    Shot("review-history", "/history/{final}"),
    Shot("review-dashboard", "/dashboard"),
    Shot("review-adjudication", "/adjudication/{differs}"),
)


def queued() -> list[NewItem]:
    """Eight traces of one model, the wrong ones first."""
    found = imported(400)
    problems = {row["problem_id"]: row for row in found.problems.to_pylist()}
    rows = [one for one in found.traces.to_pylist() if one["model"] == MODEL][:10]
    made = [_item(problems[one["problem_id"]], one) for one in rows]
    made.sort(key=lambda one: one.status == "correct")
    return [one._replace(rank=rank) for rank, one in enumerate(made[:8])]


def _item(problem: Mapping[str, Any], trace: Mapping[str, Any]) -> NewItem:
    answer = trace["text"].rsplit("A: ", 1)[-1].strip()
    right = answer.replace(",", "") == problem["reference"]
    reason = "" if right else "math: not the same as the reference"
    status = "correct" if right else "incorrect"
    suggestion = None if right else FIRST_WRONG.get(answer)
    by = None if suggestion is None else "rollouts: 2 of 4 reach the answer before it, 0 of 4 after it"
    return NewItem(problem, trace, 0, "convincing, and wrong", status, answer, reason, suggestion, by)


class Edit(NamedTuple):
    """A first wrong step rewritten, and what the model is said to have gone on with."""

    step: int
    after: str
    rest: str
    answer: str
    slip: str
    """The answer where the model makes a mistake."""


EDITS: Final = (
    Edit(
        0,
        "Janet eats 3 eggs and bakes with 4, so 16 - 3 - 4 = 9 eggs are left",
        "She makes 9 * 2 = $18 a day\nA: 18",
        "18",
        "16",
    ),
    Edit(
        0,
        "With the repairs the house has cost 80,000+50,000=$130,000",
        "It rose by 80,000*1.5=$120,000\nSo it is worth 80,000+120,000=$200,000\n"
        "His profit is 200,000-130,000=$70,000\nA: 70,000",
        "70,000",
        "60,000",
    ),
    Edit(0, "He runs 3*3=9 sprints each week", "So he runs 9*60=540 meters in total each week\nA: 540", "540", "450"),
    Edit(
        0,
        "The flock of 20 needs 3*20=60 cups of feed each day.",
        "She has given 15+25=40 cups.\nSo 60-40=20 cups are left for the final meal.\nA: 20",
        "20",
        "30",
    ),
    Edit(2, "Half of the 16 glasses are second ones: 8*$5 + 8*$3 = $64.", "He needs to pay $64.\nA: 64", "64", "56"),
    Edit(
        0,
        "Charleston has 4 times as many sheep as Seattle, so Charleston has 20*4 = 80 sheep",
        "Toulouse has twice as many sheep as Charleston, so Toulouse has 80*2 = 160 sheep\n"
        "Together they have 20+80+160 = 260 sheep\nA: 260",
        "260",
        "250",
    ),
)
"""Of the traces in the order in which they are handed out."""
DAYS_AGO: Final = (4, 4, 2, 1, 0)
SECOND: Final = {
    0: Edit(1, "She sells 16 - 3 - 4 = 9 eggs at $2 each, so she makes 9 * 2 = $18", "A: 18", "18", "16"),
    3: Edit(
        2, "20 chickens get 3 cups each, so they need 60 cups a day.", "So 60-40=20 cups are left.\nA: 20", "20", "30"
    ),
}
"""Where the second reviewer finds another first wrong step."""


def filled(store: Database) -> dict[str, str]:
    """A batch that two people have nearly been through; cookies by name, and the ids that paths name."""
    settings = BatchSettings(
        review=ReviewConfig(overlap=2, guidelines=GUIDELINES, within_days=7),
        model=ModelConfig(model="bundled"),
        going_on=GoingOn(k=2),
    )
    with store.writing() as session:
        open_batch(session, "ann", NewBatch(BATCH, settings, queued()))
    now = datetime.now(UTC)
    for rank, edit in enumerate(EDITS[:-1]):
        began = now - timedelta(days=DAYS_AGO[rank], hours=2)
        reviewed(Desk(store, "ben", began, 35), edit)
        reviewed(Desk(store, "cleo", began + timedelta(hours=1), 28), SECOND.get(rank, edit))
    working = Desk(store, "ann", now - timedelta(minutes=1), 10)
    working.take()
    rewritten(working, EDITS[-1])
    return {"working": working.id} | settled(store)


def reviewed(desk: Desk, edit: Edit) -> None:
    """One trace, to a right answer."""
    desk.take()
    rewritten(desk, edit)
    desk.choose(0)
    desk.mark(-1)
    desk.submit()


def rewritten(desk: Desk, edit: Edit) -> None:
    """The first wrong step found and rewritten."""
    desk.mark(edit.step)
    right, wrong = (
        Continuation(edit.rest, edit.answer),
        Continuation(edit.rest.replace(edit.answer, edit.slip), edit.slip, "incorrect"),
    )
    desk.rewrite(edit.after, [right, wrong])


def settled(store: Database) -> dict[str, str]:
    """One of the two that differ is decided, one is gold; the ids of both that differ."""
    with store.writing() as session:
        final, differs = session.scalars(
            select(Item.id).where(Item.state == ItemState.ADJUDICATION).order_by(Item.rank)
        ).all()
        ann = users.find(session, "ann")
        version = session.get_one(Item, final).version
        decide(session, ann.id, final, Decision(version, None, 0, "the muffins are forgotten here already"))
        agreed = session.scalars(select(Item.id).where(Item.state == ItemState.AGREED)).first()
        gold.mark(session, "ann", agreed or "")
    return {"final": final, "differs": differs}


def take(browser: Browser, address: str, cookie: str, shot: Shot) -> Page:
    """The page, ready for its picture."""
    context = browser.new_context(
        base_url=address,
        viewport={"width": 375, "height": 800}
        if shot.narrow
        else {"width": 1280, "height": 860 if shot.is_review else 480},
        color_scheme="dark" if shot.dark else "light",
        reduced_motion="reduce",
    )
    context.add_cookies([{"name": COOKIE, "value": cookie, "url": address}])
    page = context.new_page()
    page.goto(shot.path, wait_until="networkidle")
    page.evaluate("scrollTo(0, 0)")  # the page goes to the step at work by itself
    return page


def main() -> None:
    """Take all of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", type=Path, default=Path("docs"))
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, closing(Database(f"sqlite:///{folder}/review.db")) as store:
        store.migrate()
        with store.writing() as session:
            people = {name: users.add(session, "ann", name, None, role) for name, role in PEOPLE.items()}
            cookies = {name: sign_in(session, user) for name, user in people.items()}
        ids = filled(store)
        with serving(create_app(store)) as address, sync_playwright() as play:
            browser = play.chromium.launch(executable_path=options.chromium, args=["--no-sandbox"])
            for shot in SHOTS:
                page = take(browser, address, cookies[shot.who], shot._replace(path=shot.path.format(**ids)))
                page.screenshot(path=options.to / f"{shot.name}.png", full_page=not shot.is_review)
                page.context.close()
            browser.close()


if __name__ == "__main__":
    main()
