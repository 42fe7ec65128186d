"""The review page, by keyboard, by a lost network and by a change elsewhere."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from review.store.models import Batch
from review.wire import EffectView, Share, SuggestionView

Open = Callable[..., Page]
REWRITE = "She eats 2: $12 - 2 = 10$."


def pressed(page: Page) -> list[str]:
    """`step:rating` of every button that is pressed."""
    found: list[str] = page.eval_on_selector_all(
        ".rating[aria-pressed=true]",
        "all => all.map(b => `${[...b.closest('ol').children].indexOf(b.closest('.step'))}:${b.dataset.rating}`)",
    )
    return found


def current(page: Page) -> str:
    return page.locator(".step[aria-current] .step-number").inner_text()


def keys(page: Page, *pressed_keys: str) -> None:
    for key in pressed_keys:
        page.keyboard.press(key)


def sent(server: Any, action: str) -> list[dict[str, Any]]:
    """What was sent, but for lease and version."""
    return [
        {name: value for name, value in body.items() if name not in {"token", "version"}}
        for body in server.script.called(action)
    ]


def test_from_marking_to_submitting_by_keys_alone(server: Any, open_review: Open) -> None:
    page = open_review()
    keys(page, "3", "j", "1", "j", "2")
    assert pressed(page) == ["0:1", "1:-1"]
    expect(page.locator("#status")).to_contain_text("Step 2 is the first wrong one")
    keys(page, "e")
    expect(page.locator("#rewrite")).to_be_focused()
    keys(page, "Control+a")
    page.keyboard.type(REWRITE)
    keys(page, "Control+Enter")
    expect(page.locator(".continuation")).to_have_count(2)
    expect(page.locator(".continuation").first).to_contain_text("Right")
    keys(page, "c", "Enter")
    expect(page.locator("[role=tab][aria-selected=true]")).to_have_text("Round 2")
    assert current(page) == "3"
    keys(page, "3", "Enter")
    expect(page.locator("#ended-text")).to_have_text("Submitted.")
    expect(page.locator("#next")).to_be_focused()
    assert sent(server, "mark") == [
        {"first_wrong": 1, "ratings": [1, -1, None], "offsets": None},
        {"first_wrong": -1, "ratings": [1, 1, 1], "offsets": None},
    ]
    assert sent(server, "rewrite") == [{"after": REWRITE}]
    assert sent(server, "choose") == [{"trace_id": "c0"}]
    assert sent(server, "submit") == [{"despite": False}]


def test_typing_in_the_editor_rates_nothing(server: Any, open_review: Open) -> None:
    page = open_review()
    keys(page, "j", "1", "e")
    expect(page.locator("#rewrite")).to_be_focused()
    page.keyboard.type("j1e3asgbu?[]")
    assert pressed(page) == ["1:-1"]
    assert page.locator("dialog").count() == 0
    assert page.locator("#rewrite").input_value().endswith("j1e3asgbu?[]")
    keys(page, "Escape", "k", "Backspace", "Delete")
    assert current(page) == "1"
    assert pressed(page) == ["1:-1"]


def test_composing_and_other_modifiers_do_nothing(server: Any, open_review: Open) -> None:
    page = open_review()
    told = "document.body.dispatchEvent(new KeyboardEvent('keydown', {key: '1', bubbles: true, cancelable: true, %s}))"
    for how in ("isComposing: true", "ctrlKey: true", "altKey: true", "metaKey: true", "keyCode: 229", "repeat: true"):
        page.evaluate(told % how)
    assert pressed(page) == []
    page.evaluate(told % "")
    assert pressed(page) == ["0:-1"]


def test_undo_takes_back_each_change_by_itself(server: Any, open_review: Open) -> None:
    page = open_review()
    keys(page, "3", "j", "m")
    expect(page.locator(".step")).to_have_count(2)
    keys(page, "u")
    expect(page.locator(".step")).to_have_count(3)
    assert pressed(page) == ["0:1"]
    keys(page, "u")
    expect(page.locator(".rating[aria-pressed=true]")).to_have_count(0)


def test_a_step_is_cut_where_the_caret_is(server: Any, open_review: Open) -> None:
    page = open_review(["One 😀. Two.", " Three."])
    keys(page, "x")
    expect(page.locator(".cut textarea")).to_be_focused()
    keys(page, "Enter")
    expect(page.locator(".step")).to_have_count(3)
    with page.expect_response("**/mark"):
        keys(page, "j", "j", "1", "e")
    expect(page.locator("#rewrite")).to_be_focused()
    assert sent(server, "mark")[-1] == {"first_wrong": 2, "ratings": [None, None, -1], "offsets": [0, 7, 11]}


def test_all_correct_over_a_wrong_answer_is_asked_again(server: Any, open_review: Open) -> None:
    page = open_review()
    keys(page, "Enter")
    expect(page.locator("#status")).to_contain_text("Rate all steps first: 3 to go")
    keys(page, "a", "Enter")
    expect(page.get_by_role("dialog")).to_contain_text("graded as wrong")
    keys(page, "Escape")
    expect(page.locator("dialog")).to_have_count(0)  # closed and gone: what waited for it goes on
    assert sent(server, "submit") == []
    keys(page, "Enter")
    page.get_by_role("dialog").get_by_role("button", name="Submit").click()
    expect(page.locator("#ended-text")).to_have_text("Submitted.")
    assert sent(server, "submit") == [{"despite": True}]


def test_giving_up_needs_a_reason_and_can_be_undone(server: Any, open_review: Open) -> None:
    page = open_review()
    keys(page, "g")
    page.get_by_label("Reason").fill("unreadable")
    page.get_by_role("dialog").get_by_role("button", name="Give up").click()
    expect(page.locator("#ended-text")).to_have_text("Given up.")
    assert sent(server, "give-up") == [{"reason": "unreadable"}]


def test_the_reference_is_hidden_until_it_is_asked_for(server: Any, open_review: Open) -> None:
    page = open_review()
    expect(page.locator("#reference")).to_be_hidden()
    keys(page, "r")
    expect(page.locator("#reference-text")).to_have_text("10")
    assert len(sent(server, "reveal")) == 1


def test_a_lost_network_loses_no_work(server: Any, watched: Any, open_review: Open) -> None:
    page = open_review()
    watched.context.set_offline(True)
    keys(page, "3", "j", "1")
    expect(page.locator("#offline")).to_be_visible()
    assert sent(server, "draft") == []
    assert "tracemill-draft-one" in page.evaluate("Object.keys(localStorage)")
    watched.context.set_offline(False)
    expect(page.locator("#saved")).to_have_text("Saved")
    expect(page.locator("#offline")).to_be_hidden()
    assert sent(server, "draft")[-1]["draft"]["ratings"] == [1, -1, None]
    assert page.evaluate("Object.keys(localStorage)") == []
    watched.faults[:] = [fault for fault in watched.faults if "ERR_INTERNET_DISCONNECTED" not in fault]


def test_what_was_not_sent_is_there_after_the_page_was_closed(server: Any, watched: Any, open_review: Open) -> None:
    page = open_review()
    watched.context.set_offline(True)
    keys(page, "3", "j", "1")
    expect(page.locator("#offline")).to_be_visible()
    here = page.url
    page.goto("about:blank")
    watched.context.set_offline(False)
    page.goto(here)
    expect(page.locator(".rating[aria-pressed=true]")).to_have_count(2)
    assert pressed(page) == ["0:1", "1:-1"]
    watched.faults.clear()


def test_a_change_elsewhere_is_shown_beside_mine(server: Any, watched: Any, open_review: Open) -> None:
    for keep, rated in (("Keep mine", -1), ("Take the server’s", 1)):
        page = open_review([*"abc"])
        server.script.view.draft = {"round": 0, "ratings": [1, None, None], "offsets": None, "after": None}
        server.script.conflict = True
        keys(page, "1")
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text("Mine")
        expect(dialog).to_contain_text("changed elsewhere")
        dialog.get_by_role("button", name=keep).click()
        expect(dialog).to_have_count(0)
        page.wait_for_selector(f".rating[data-rating='{rated}'][aria-pressed=true]")
        assert pressed(page) == [f"0:{rated}"]
        page.evaluate("localStorage.clear()")
    watched.faults[:] = [fault for fault in watched.faults if "409" not in fault]


def test_keys_are_remapped_and_switched_off(server: Any, open_review: Open) -> None:
    page = open_review()
    keys(page, "?")
    page.get_by_label("Key: Rate the step wrong").fill("w")
    page.get_by_role("button", name="Save keys").click()
    expect(page.locator("#status")).to_have_text("Keys saved.")
    keys(page, "1")
    assert pressed(page) == []
    keys(page, "w")
    assert pressed(page) == ["0:-1"]
    expect(page.locator("#saved")).to_have_text("Saved")
    page = open_review([*"abc"])
    page.get_by_role("button", name="Keys").click()
    page.get_by_label("Switch single keys off").check()
    page.get_by_role("button", name="Save keys").click()
    expect(page.locator("#status")).to_have_text("Keys saved.")
    keys(page, "w", "a")
    assert pressed(page) == []
    page.get_by_role("button", name="Keys").click()
    page.get_by_label("Switch single keys off").uncheck()
    page.get_by_label("Key: Rate the step wrong").fill("1")
    page.get_by_role("button", name="Save keys").click()
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_a_rewrite_that_did_not_help_is_rewritten(server: Any, open_review: Open) -> None:
    page = open_review()
    keys(page, "j", "1", "e")
    for text in ("She eats 2 of 12.", REWRITE):
        page.locator("#rewrite").fill(text)
        page.evaluate("document.getElementById('status').textContent = ''")
        keys(page, "Control+Enter")
        expect(page.locator("#status")).to_contain_text("goes on from your step")
    keys(page, "Control+Enter")
    expect(page.locator("#status")).to_contain_text("exactly this")
    assert [one["after"] for one in sent(server, "rewrite")] == ["She eats 2 of 12.", REWRITE]
    assert len(sent(server, "undo")) == 1


@pytest.fixture
def with_model(server: Any) -> Iterator[None]:
    """The batches have a model to go on, meanwhile."""
    with server.store.writing() as session:
        kept = {one.id: one.settings for one in session.scalars(select(Batch))}
        for name, settings in kept.items():
            session.get_one(Batch, name).settings = settings | {"model": {"model": "m"}}
    yield
    with server.store.writing() as session:
        for name, settings in kept.items():
            session.get_one(Batch, name).settings = settings


@pytest.mark.usefixtures("with_model")
def test_after_the_last_rewrite_a_trace_is_only_rated(server: Any, open_review: Open) -> None:
    server.script.view.rounds_left = 1
    page = open_review()
    note = page.locator("#round-note")
    expect(note).to_have_text("One rewrite is left.")
    keys(page, "j", "1", "e")
    page.locator("#rewrite").fill(REWRITE)
    keys(page, "Control+Enter")
    expect(note).to_contain_text("The last rewrite: the continuation that you choose is only rated")
    expect(page.locator(".continuation")).to_have_count(2)
    keys(page, "c", "Enter")
    expect(note).to_have_text("The last round: rate it; no further rewrite.")
    keys(page, "1", "e")
    expect(page.locator("#status")).to_contain_text("no further rewrite")
    expect(page.locator("#rewrite")).to_have_count(0)
    keys(page, "Enter")
    expect(page.locator("#ended-text")).to_contain_text("the round limit is reached")
    expect(page.locator("#next")).to_be_focused()
    expect(page.locator("#rewrite")).to_have_count(0)
    assert sent(server, "mark")[-1] == {"first_wrong": 2, "ratings": [1, 1, -1], "offsets": None}


def test_what_rollouts_say_is_shown(server: Any, open_review: Open) -> None:
    server.script.view.suggestion = SuggestionView(first_wrong=1, by="rollouts: 0 of 4")
    right = Share(right=1, of=4)
    server.script.view.rounds[0].effect = EffectView(before=right, wrong=Share(right=0, of=4), after=right)
    page = open_review()
    expect(page.locator("#suggestion-text")).to_contain_text("Step 2 is the first wrong one.")
    expect(page.locator("#effect-shares li").nth(1)).to_contain_text("0 of 4")


def test_a_lease_that_ran_out_is_taken_up_again(server: Any, open_review: Open) -> None:
    lease, server.script.view.lease = server.script.view.lease, None
    page = open_review()
    keys(page, "1")
    assert pressed(page) == []
    server.script.view.lease = lease
    page.get_by_role("button", name="Take it up again").click()
    expect(page.locator("#lost")).to_be_hidden()
    keys(page, "1")
    assert pressed(page) == ["0:-1"]


def test_everything_works_by_pointer(server: Any, open_review: Open) -> None:
    page = open_review()
    page.get_by_role("button", name="Step 2: Wrong").click()
    page.get_by_role("button", name="Rewrite").click()
    page.locator("#rewrite").fill(REWRITE)
    expect(page.locator(".preview .katex")).to_have_count(1)
    page.get_by_role("button", name="Go on from here").click()
    page.get_by_role("button", name="Choose continuation 1").click()
    expect(page.locator("[role=tab][aria-selected=true]")).to_have_text("Round 2")
    page.get_by_role("button", name="Changes").click()
    expect(page.locator("#changes ins").first).to_be_visible()
    page.get_by_role("tab", name="Round 1").click()
    expect(page.locator("#round-note")).to_contain_text("to be read only")
    assert pressed(page) == ["1:-1"]
    keys(page, "2", "]")
    assert pressed(page) == ["0:1", "1:1"]
