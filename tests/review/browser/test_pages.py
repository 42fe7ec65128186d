"""Every page: no fault that axe finds serious, in light and dark; nothing wider than a phone."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

SERIOUS = {"serious", "critical"}


def opened(page: Page, path: str) -> None:
    page.goto(path)
    if path != "/review/one":
        return
    page.wait_for_selector("#steps .step[aria-current]")
    for key in ("3", "j", "1", "e"):
        page.keyboard.press(key)
    page.locator("#rewrite").fill("She eats 2: $12 - 2 = 10$.\n\nSo 10 are left.")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".continuation")).to_have_count(2)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/login", "/", "/review/one"])
def test_axe_finds_nothing_serious(server: Any, watched: Any, axe: str, path: str, scheme: Any) -> None:
    page = watched.page
    page.emulate_media(color_scheme=scheme)
    opened(page, path)
    page.evaluate(axe)
    found = page.evaluate("axe.run()")["violations"]
    assert [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in SERIOUS] == []


def test_axe_finds_nothing_serious_in_dialogs(server: Any, watched: Any, axe: str) -> None:
    page = watched.page
    opened(page, "/review/one")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Keys").click()
    page.evaluate(axe)
    found = page.evaluate("axe.run()")["violations"]
    assert [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in SERIOUS] == []


@pytest.mark.parametrize("path", ["/login", "/", "/review/one"])
def test_a_phone_needs_no_scrolling_to_the_side(server: Any, watched: Any, path: str) -> None:
    page = watched.page
    page.set_viewport_size({"width": 375, "height": 740})
    opened(page, path)
    assert page.evaluate("document.documentElement.scrollWidth") <= 375


@pytest.mark.parametrize("key", ["n", "Enter"])
def test_the_queue_starts_by_a_key(server: Any, watched: Any, key: str) -> None:
    page = watched.page
    page.goto("/")
    expect(page.locator(".katex")).to_have_count(1)
    page.keyboard.press(key)
    page.wait_for_url("**/review/one")


def test_taking_the_next_trace_leads_to_it(server: Any, watched: Any) -> None:
    watched.page.goto("/review")
    watched.page.wait_for_url("**/review/one")


def test_focus_returns_from_a_dialog(server: Any, watched: Any) -> None:
    page = watched.page
    opened(page, "/review/one")
    button = page.get_by_role("button", name="Keys")
    button.click()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(button).to_be_focused()
