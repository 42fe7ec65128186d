"""From sign-in to export by keyboard alone: real GSM8K traces, the project's own commands, the bundled model."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import pyarrow.parquet as pq
import pytest
import yaml
from playwright.sync_api import Browser, BrowserContext, Page, expect

GSM8K: Final = Path(__file__).parents[4] / "shared/data/gsm8k/example_model_solutions.jsonl"
pytestmark = pytest.mark.skipif(not GSM8K.exists(), reason="needs ../shared/data/gsm8k")

CSP: Final = "addEventListener('securitypolicyviolation', (e) => console.error('CSP', e.blockedURI))"
PASSWORD: Final = "correct horse battery"


class Rewrite(NamedTuple):
    """What a reviewer who knows arithmetic does with one of the traces."""

    model: str
    step: int
    """The first wrong one."""
    after: str
    answer: str


KNOWN: Final = {
    511: Rewrite("175b_verification", 1, "He spent $100, leaving him with $210 - $100 = $110", "110"),
    1025: Rewrite("175b_finetuning", 2, "10 eggs were not found, so the friends found 40 - 10 = 30 eggs.", "30"),
}
"""Of the file's rows those on which the bundled model goes on rightly."""
RECIPE: Final = {
    "name": "round-trip",
    "models": {"tiny": {"model": "${TRACEMILL_DATA}/models/tiny-reasoner"}},
    "ingest": {
        "problem": {"question": "question", "reference": "ground_truth", "reference_marker": "A: "},
        "completions": [{"text": "solution", "model_column": "model"}],
    },
    "queue": {"count": 2},
    "review": {"overlap": 2, "guidelines": "Find the **first** wrong step."},
    "rewrite": {"model": "tiny", "k": 4, "sampling": {"temperature": 0.7, "max_tokens": 60}},
    "labels": {},
    "preferences": {"rules": {"shared_prefix": {}}},
    "export": {
        "formats": {"sft": {}, "dpo": {}, "kto": {}, "prm800k": {}, "processbench": {}, "self_correction": {}},
    },
}


class House(NamedTuple):
    """A lake with a batch, and the server over it."""

    run: Callable[..., str]
    address: str
    lake: Path
    questions: dict[str, Rewrite]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, prefect_server: str) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("round-trip")
    environment = os.environ | {
        "PREFECT_API_URL": prefect_server,
        "TRACEMILL_LAKE": str(folder / "lake"),
        "TRACEMILL_REVIEW_DB": f"sqlite:///{folder}/review.db",
        "COLUMNS": "200",
    }

    def run(*arguments: str, told: str = "") -> str:
        command = [sys.executable, "-m", "flows.cli", *arguments]
        done = subprocess.run(
            command, input=told, capture_output=True, text=True, check=False, env=environment, timeout=200
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    lines = [json.loads(line) for line in GSM8K.open()]
    traces = [
        {key: lines[row][key] for key in ("question", "ground_truth")}
        | {"solution": lines[row][one.model]["solution"], "model": one.model}
        for row, one in KNOWN.items()
    ]
    (folder / "traces.jsonl").write_text("\n".join(map(json.dumps, traces)))
    source = {"format": "jsonl", "path": str(folder / "traces.jsonl"), "license": "mit"}
    recipe = RECIPE | {"ingest": RECIPE["ingest"] | {"source": source}}  # type: ignore[operator]
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    run("curate", str(folder / "recipe.yaml"))
    for name, role in (("ada", "admin"), ("bob", "reviewer")):
        run("review", "user", "add", name, "--role", role, "--password-stdin", told=PASSWORD + "\n")
    assert "round-trip" in run("review", "open", str(folder / "recipe.yaml"))
    command = [sys.executable, "-u", "-m", "flows.cli", "review", "serve", "--port", "0"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert server.stdout is not None
    address = re.search(r"http://[\d.:]+", server.stdout.readline())
    assert address is not None
    questions = {lines[row]["question"]: one for row, one in KNOWN.items()}
    yield House(run, address[0], folder / "lake", questions)
    server.terminate()
    server.wait(30)


class Desk:
    """A reviewer at a keyboard; a mouse there is not."""

    def __init__(self, browser: Browser, house: House, name: str) -> None:
        self.house = house
        self.faults: list[str] = []
        self.context: BrowserContext = browser.new_context(base_url=house.address, reduced_motion="reduce")
        self.context.add_init_script(CSP)
        self.page: Page = self.context.new_page()
        self.page.on("console", lambda told: self.faults.append(told.text) if told.type == "error" else None)
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.goto("/")
        self.type(name)
        self.press("Tab")
        self.type(PASSWORD)
        self.press("Enter")
        self.page.wait_for_url(f"{house.address}/")

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def type(self, text: str) -> None:
        self.page.keyboard.type(text)

    def take(self) -> Rewrite:
        """The next trace; what is known of it."""
        self.page.wait_for_selector("#steps .step[aria-current]")
        asked = self.page.locator("#problem").inner_text()
        plain = re.sub(r"\W+", "", asked)
        return next(one for question, one in self.house.questions.items() if re.sub(r"\W+", "", question) == plain)

    def rewrite(self, one: Rewrite) -> None:
        """Mark the first wrong step, rewrite it, let the model go on, choose a right continuation, rate and submit."""
        self.press(*["j"] * one.step, "1", "e")
        expect(self.page.locator("textarea")).to_be_focused()
        self.press("Control+A")
        self.type(one.after)
        self.press("Control+Enter")
        expect(self.page.locator(".continuation")).to_have_count(4, timeout=60_000)
        right = [f"answer {one.answer}" in text for text in self.page.locator(".continuation").all_inner_texts()]
        self.press("c")
        while not (self.page.evaluate("document.activeElement.innerText").find(f"answer {one.answer}") >= 0):
            self.press("c")
        assert any(right)
        self.press("Enter")
        expect(self.page.locator("#round-note, #status").filter(has_text="ound")).not_to_have_count(0)
        expect(self.page.locator('[role="tab"]')).to_have_count(2)
        self.press("a", "Enter")
        expect(self.page.locator("#ended-text")).to_have_text("Submitted.")


def lose_the_network(desk: Desk) -> None:
    """What is rated meanwhile is kept in the browser, and sent when the network is back."""
    desk.context.set_offline(True)
    desk.press("3")
    expect(desk.page.locator("#offline")).to_be_visible()
    desk.context.set_offline(False)
    expect(desk.page.locator("#saved")).to_have_text("Saved")
    expect(desk.page.locator("#offline")).to_be_hidden()
    desk.page.reload()
    desk.page.wait_for_selector("#steps .step[aria-current]")
    expect(desk.page.locator(".rating[aria-pressed=true]")).to_have_count(1)
    desk.faults[:] = [one for one in desk.faults if "ERR_INTERNET_DISCONNECTED" not in one]


def change_in_another_window(desk: Desk) -> None:
    """The window that is behind shows both versions; its reader takes the server's."""
    other = desk.context.new_page()
    other.goto(desk.page.url)
    other.wait_for_selector("#steps .step[aria-current]")
    other.keyboard.press("k")
    other.keyboard.press("2")
    expect(other.locator("#saved")).to_have_text("Saved")
    desk.press("j", "3")
    expect(desk.page.get_by_role("dialog")).to_contain_text("Mine")
    tab_to(desk.page, "Take the server")
    desk.press("Enter")
    expect(desk.page.get_by_role("dialog")).to_have_count(0)
    expect(desk.page.locator(".rating[aria-pressed=true]")).to_have_count(1)
    expect(desk.page.locator(".rating[aria-pressed=true]")).to_contain_text("Okay")
    other.close()
    desk.faults[:] = [one for one in desk.faults if "409" not in one]


def tab_to(page: Page, name: str) -> None:
    """Press Tab until the link or button of this name has the focus."""
    for _ in range(80):
        page.keyboard.press("Tab")
        if name in str(page.evaluate("document.activeElement.closest('a, button')?.innerText")):
            return
    raise AssertionError(f"no way to {name} by Tab")


def rows(house: House, kind: str) -> list[dict[str, Any]]:
    newest = max((house.lake / "releases/round-trip").iterdir(), key=lambda one: int(one.name[1:]))
    found: list[dict[str, Any]] = pq.read_table(newest / kind).to_pylist()
    return found


def test_two_reviewers_from_sign_in_to_export(house: House, browser: Browser) -> None:
    ada, bob = Desk(browser, house, "ada"), Desk(browser, house, "bob")
    ada.press("Enter")
    first = ada.take()
    ada.rewrite(first)
    bob.press("Enter")
    assert bob.take() == first  # the overlap is two
    bob.rewrite(first)
    ada.press("Enter")
    second = ada.take()
    assert second != first
    ada.rewrite(second)
    bob.press("Enter")
    assert bob.take() == second
    lose_the_network(bob)
    change_in_another_window(bob)
    bob.press(*["k"] * 9, *["j"] * second.step, "1", "g")
    bob.type("I cannot tell what the friends found.")
    tab_to(bob.page, "Give up")
    bob.press("Enter")
    expect(bob.page.locator("#ended-text")).to_have_text("Given up.")
    assert ada.faults + bob.faults == []

    ada.page.goto("/admin/batches")
    tab_to(ada.page, "round-trip")
    ada.press("Enter")
    ada.page.wait_for_url("**/admin/batches/**")
    tab_to(ada.page, "Download")
    with ada.page.expect_download() as download:
        ada.press("Enter")
    lines = [json.loads(line) for line in Path(download.value.path()).read_text().splitlines()]
    assert sorted((one["state"], one["round"]) for one in lines) == [
        *[("gave_up", 0)], *[("submitted", 0)] * 3, *[("submitted", 1)] * 3
    ]  # fmt: skip
    for desk in (ada, bob):
        desk.context.close()
        assert desk.faults == []

    house.run("review", "close", "round-trip")
    house.run("review", "after", "round-trip")
    texts = [(row["chosen"][0]["content"], row["rejected"][0]["content"]) for row in rows(house, "dpo/train")]
    for one in KNOWN.values():
        assert any(one.after in chosen and one.after not in rejected for chosen, rejected in texts)
    labelled = [row for row in rows(house, "prm800k/train") if row["label"]["finish_reason"] == "found_error"]
    wrong = {row["question"]["problem"]: row for row in labelled}
    assert {question: len(row["label"]["steps"]) - 1 for question, row in wrong.items()} == {
        question: one.step for question, one in house.questions.items()
    }
    corrected = [row["messages"][-1]["content"] for row in rows(house, "self_correction/train")]
    assert corrected
    assert all("Wait" in text for text in corrected)
