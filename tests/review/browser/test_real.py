"""The review page over the real calls."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from playwright.sync_api import Browser, expect
from sqlalchemy import select

from review.store.models import Assignment, Round, User
from review.work.claiming import claim


def test_a_trace_is_marked_and_submitted(server: Any, browser: Browser, signed_in_as: Callable[[str], Any]) -> None:
    with server.store.writing() as session:
        bob = session.scalar(select(User.id).where(User.name == "bob"))
        found = claim(session, bob, datetime.now(UTC), None)
        assert found is not None
        name = found.id
    context = browser.new_context(storage_state=signed_in_as("bob"), base_url=server.address)
    page = context.new_page()
    faults: list[str] = []
    page.on("console", lambda told: faults.append(told.text) if told.type == "error" else None)
    page.goto(f"/review/{name}")
    expect(page.locator(".step")).to_have_count(3)
    for key in ("3", "j", "m"):
        page.keyboard.press(key)
    expect(page.locator(".step")).to_have_count(2)
    expect(page.locator("#saved")).to_have_text("Saved")
    page.reload()
    expect(page.locator(".step")).to_have_count(2)
    for key in ("1", "Enter"):
        page.keyboard.press(key)
    expect(page.locator("#ended-text")).to_have_text("Submitted.")
    page.keyboard.press("u")
    expect(page.locator("#ended")).to_be_hidden()
    page.get_by_role("button", name="Submit").click()
    expect(page.locator("#ended-text")).to_have_text("Submitted.")
    context.close()
    with server.store.reading() as session:
        done, first = session.get_one(Assignment, name), session.get_one(Round, (name, 0))
    assert (done.state, first.first_wrong, len(first.offsets or [])) == ("submitted", 0, 2)
    assert faults == []
