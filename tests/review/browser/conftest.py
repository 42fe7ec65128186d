"""Pages in a real browser: the app on a loopback port over a store, the assignments' API played by a script."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Dialog, Page, sync_playwright
from playwright.sync_api import Request as BrowserRequest

from benchmarks.review_work import serving
from review import users
from review.config import BatchSettings, ReviewConfig
from review.render import markdown_html, step_html
from review.store.database import Database
from review.store.models import Assignment, Batch, Item, Role, State, Trace
from review.web.app import create_app
from review.wire import AssignmentView, JobView, Lease, ProblemView, RoundView, StepView, TraceView

HERE = Path(__file__).parent
PASSWORD = "correct horse battery"
FLAGS = ["--no-sandbox"]
STEPS = ["Ann has 3 bags of 4 apples: $3 \\times 4 = 12$.\n", "She eats 2: $12 - 2 = 11$.\n", "The answer is 11."]
Json = dict[str, Any]


def trace(name: str, steps: list[str], **more: Any) -> TraceView:
    shown = [StepView(text=text, html=step_html(text)) for text in steps]
    told = {"parent_trace_id": None, "fork_step": None, "number": 0, "model": "m", "status": "incorrect"}
    return TraceView(**{**told, "trace_id": name, "steps": shown, "answer": "11", "reason": "11 is not 10", **more})


class Script:
    """One assignment of the id `one`; notes every call."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Json]] = []
        self.conflict = False
        self.begin(STEPS)

    def begin(
        self, steps: list[str], question: str = "Ann has 3 bags of 4 apples. She eats 2. How many are left?"
    ) -> None:
        self.calls.clear()
        self.conflict = False
        self.view = AssignmentView(
            id="one", item_id="i", batch="demo", state="marking", version=1, round=0, rounds_left=7, draft=None,
            lease=Lease(token="t", until=(datetime.now(UTC) + timedelta(minutes=14)).isoformat()),
            problem=ProblemView(domain="math", question=question, html=markdown_html(question)),
            reference=None, rounds=[self._round(0, trace("root", steps))], suggestion=None, guidelines_html="",
            can_undo=False,
        )  # fmt: skip

    def called(self, action: str) -> list[Json]:
        return [body for name, body in self.calls if name == action]

    def act(self, action: str, body: Json) -> Response:
        """What the server would do, roughly."""
        self.calls.append((action, body))
        if body.get("version") != self.view.version or self.conflict:
            self.conflict = False
            problem = {"error": "stale", "message": "changed elsewhere", "current": self.view.model_dump()}
            return JSONResponse(problem, 409)
        self.view.version += 1
        if action == "draft":
            self.view.draft = body["draft"]
            return JSONResponse({"version": self.view.version})
        getattr(self, f"_{action.replace('-', '_')}")(self.view.rounds[-1], body)
        return JSONResponse(self.view.model_dump())

    @staticmethod
    def _round(number: int, of: TraceView) -> RoundView:
        return RoundView(
            number=number, trace=of, ratings=[None] * len(of.steps), first_wrong=None, after=None, doubts=[], job=None,
            continuations=[], effect=None, chosen=None,
        )  # fmt: skip

    def _mark(self, last: RoundView, body: Json) -> None:
        last.ratings, last.first_wrong = body["ratings"], body["first_wrong"]
        wrong = "rewriting" if self.view.rounds_left else "max_rounds"
        self.view.state, self.view.can_undo = wrong if last.first_wrong >= 0 else "marking", True

    def _rewrite(self, last: RoundView, body: Json) -> None:
        last.after, self.view.state = body["after"], "generating"
        self.view.rounds_left -= 1
        last.doubts = ["the rewritten step is 2 steps"] if "\n\n" in last.after else []
        last.job = JobView(id="j", kind="continue", state="queued", done=0, total=2, error=None)

    def _choose(self, last: RoundView, body: Json) -> None:
        last.chosen = body["trace_id"]
        chosen = next(one for one in last.continuations if one.trace_id == last.chosen)
        self.view.rounds.append(self._round(last.number + 1, chosen))
        self.view.rounds[-1].ratings[:2] = [1, 1]
        self.view.round, self.view.state = last.number + 1, "marking"

    def _submit(self, last: RoundView, body: Json) -> None:
        self.view.state = "submitted"

    def _skip(self, last: RoundView, body: Json) -> None:
        self.view.state, self.view.can_undo = "skipped", True

    def _give_up(self, last: RoundView, body: Json) -> None:
        self.view.state = "gave_up"

    def _reveal(self, last: RoundView, body: Json) -> None:
        self.view.reference = "10"

    def _undo(self, last: RoundView, body: Json) -> None:
        self.view.state, self.view.can_undo = "rewriting" if self.view.state == "generating" else "marking", False

    def events(self) -> str:
        last = self.view.rounds[-1]
        assert last.job is not None
        for number, answer in enumerate(["10", "9"]):
            status = "correct" if answer == "10" else "incorrect"
            steps = [STEPS[0], last.after or "", f"So {answer} are left. The answer is ${answer}$."]
            more = {"parent_trace_id": "root", "fork_step": 1, "number": number, "answer": answer, "status": status}
            last.continuations.append(trace(f"c{number}", steps, **more, reason=""))
        last.job.state, last.job.done = "done", 2
        told = [("job", last.job.model_dump_json()), *(("trace", one.model_dump_json()) for one in last.continuations)]
        return "".join(f"event: {name}\ndata: {data}\n\n" for name, data in [*told, ("done", "{}")])


def routes(script: Script) -> APIRouter:
    router = APIRouter()

    @router.get("/api/assignments/one")
    def view() -> AssignmentView:
        return script.view

    @router.get("/api/assignments/one/events")
    def events() -> Response:
        return Response(script.events(), media_type="text/event-stream")

    @router.post("/api/claim")
    def claim() -> AssignmentView:
        return script.view

    @router.api_route("/api/assignments/one/{action}", methods=["POST", "PUT"])
    async def act(action: str, request: Request) -> Response:
        return script.act(action, await request.json())

    return router


class Server(NamedTuple):
    address: str
    script: Script
    store: Database


def item(name: str, rank: int) -> Item:
    return Item(
        id=name, batch_id="b", rank=rank, problem_id="p", domain="math", source="s", trace_id=f"root-{name}",
        reference="10", question="Ann has 3 bags of 4 apples. She eats 2. How many are left?",
    )  # fmt: skip


def root(name: str, now: datetime) -> Trace:
    offsets = [0, len(STEPS[0]), len(STEPS[0] + STEPS[1])]
    return Trace(
        item_id=name, trace_id=f"root-{name}", text="".join(STEPS), step_offsets=offsets, splitter="s",
        status="incorrect", answer="11", reason="", created_at=now,
    )  # fmt: skip


def fill(store: Database) -> None:
    """Ada has the assignment `one` of a batch of three traces; Bob has none yet."""
    now = datetime.now(UTC)
    guidelines = "Mark the **first** wrong step.\n\n- A slip is wrong.\n- $1+1=3$ is."
    with store.writing() as session:
        ada, _ = (users.add(session, "tests", name, PASSWORD, Role.REVIEWER) for name in ("ada", "bob"))
        settings = BatchSettings(review=ReviewConfig(guidelines=guidelines)).model_dump(mode="json")
        session.add(Batch(id="b", name="demo", settings=settings, state="open", opened_at=now))
        session.flush()
        session.add_all(item(name, rank) for rank, name in enumerate(["i", "i2", "i3"]))
        session.flush()
        session.add_all(root(name, now) for name in ("i", "i2", "i3"))
        session.add(
            Assignment(
                id="one", item_id="i", user_id=ada.id, state=State.MARKING, opened_at=now, changed_at=now,
                lease_token="t", lease_until=now + timedelta(hours=1),
            )
        )  # fmt: skip


class Kept:
    """What is made when it is first asked for, and kept for all browser tests of this process."""

    def __init__(self) -> None:
        self._made: dict[str, Any] = {}
        self._open = ExitStack()

    def get(self, name: str, make: Callable[[], Any]) -> Any:
        """`make()`, the first time; a context manager is entered."""
        if name not in self._made:
            made = make()
            is_open = isinstance(made, AbstractContextManager)
            self._made[name] = self._open.enter_context(made) if is_open else made
        return self._made[name]

    def close(self) -> None:
        self._made.clear()
        self._open.close()


KEPT = pytest.StashKey[Kept]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One worker has the one Chromium."""
    for one in items:
        if HERE in one.path.parents:
            one.add_marker(pytest.mark.xdist_group("browser"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """After the last browser test all is closed: Playwright keeps an event loop running in this thread, and no other
    test could run one of its own. Fixtures of a session would stay until its end, those of a module start too often."""
    try:
        return (yield)
    finally:
        if nextitem is None or HERE not in nextitem.path.parents:
            item.config.stash[KEPT].close()


@pytest.fixture
def kept(request: pytest.FixtureRequest) -> Kept:
    stash = request.config.stash
    if KEPT not in stash:
        stash[KEPT] = Kept()
        request.config.add_cleanup(stash[KEPT].close)
    return stash[KEPT]


@contextmanager
def scripted(folder: Path) -> Iterator[Server]:
    with closing(Database(f"sqlite:///{folder}/review.db")) as store:
        store.migrate()
        fill(store)
        script = Script()
        app = create_app(store)
        before = len(app.router.routes)
        app.include_router(routes(script))
        app.router.routes[:] = [*app.router.routes[before:], *app.router.routes[:before]]
        with serving(app) as address:
            yield Server(address, script, store)


@contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as play, play.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS) as started:
        yield started


@pytest.fixture
def server(kept: Kept, tmp_path_factory: pytest.TempPathFactory) -> Server:
    found: Server = kept.get("server", lambda: scripted(tmp_path_factory.mktemp("browser")))
    return found


@pytest.fixture
def browser(kept: Kept) -> Browser:
    found: Browser = kept.get("browser", chromium)
    return found


@pytest.fixture
def signed_in_as(kept: Kept, server: Server, browser: Browser) -> Callable[[str], Any]:
    """What a browser keeps after somebody signed in."""

    def sign_in(name: str) -> Any:
        page = browser.new_page()
        page.goto(f"{server.address}/login")
        page.get_by_label("Name").fill(name)
        page.get_by_label("Password").fill(PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url(f"{server.address}/")
        state = page.context.storage_state()
        page.close()
        return state

    return lambda name: kept.get(f"{name} signed in", lambda: sign_in(name))


class Watched(NamedTuple):
    """A page, and everything that must not happen on it."""

    page: Page
    faults: list[str]
    context: BrowserContext


def listen(page: Page, address: str) -> list[str]:
    """A list that console errors, CSP violations, dialogs and requests elsewhere will be put into."""
    faults: list[str] = []

    def dismiss(dialog: Dialog) -> None:
        faults.append(f"dialog {dialog.message}")
        dialog.dismiss()

    def told(message: ConsoleMessage) -> None:
        if message.type == "error":
            faults.append(message.text)

    def requested(sent: BrowserRequest) -> None:
        if not sent.url.startswith(address):
            faults.append(sent.url)

    page.on("console", told)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("dialog", dismiss)
    page.on("request", requested)
    page.add_init_script("addEventListener('securitypolicyviolation', (e) => console.error('CSP', e.blockedURI))")
    return faults


@pytest.fixture
def faults_of() -> Callable[[Page, str], list[str]]:
    return listen


@pytest.fixture
def watched(server: Server, browser: Browser, signed_in_as: Callable[[str], Any]) -> Iterator[Watched]:
    """Fails at the end if there was a console error, a dialog, a CSP violation, or a request that left the origin."""
    context = browser.new_context(storage_state=signed_in_as("ada"), base_url=server.address, reduced_motion="reduce")
    page = context.new_page()
    faults = listen(page, server.address)
    server.script.begin(STEPS)
    yield Watched(page, faults, context)
    context.close()
    assert faults == []


@pytest.fixture
def open_review(server: Server, watched: Watched) -> Callable[..., Page]:
    """The review page, of these steps, ready for keys."""

    def opened(steps: list[str] | None = None, **more: Any) -> Page:
        if steps is not None:
            server.script.begin(steps, **more)
        watched.page.goto("/review/one")
        watched.page.wait_for_selector("#steps .step[aria-current]")
        return watched.page

    return opened


@pytest.fixture(scope="session")
def axe() -> str:
    return Path(str(files("axe_playwright_python") / "axe.min.js")).read_text()
