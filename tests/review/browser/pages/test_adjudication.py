"""Adjudication by keys, by one's own too."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

Visit = Callable[[str, str], Page]
SAVE = "(keys) => import('/static/api.js').then(({call}) => call('PUT', '/api/me/keys', {keys}))"


def keys(page: Page, *pressed: str) -> None:
    for key in pressed:
        page.keyboard.press(key)


def chosen(page: Page) -> str:
    found: str = page.evaluate("document.querySelector('#decision').elements.verdict.value")
    return found


def current(page: Page) -> str:
    return page.locator("#steps tr[aria-current] th").inner_text()


def test_keys_go_through_steps_and_choose(visit: Visit) -> None:
    page = visit("dot", "/adjudication/{waits}")
    keys(page, "j", "j", "j", "k")
    assert current(page) == "2"
    for key, verdict in {"1": "take:A", "a": "none", "e": "own", "2": "take:B"}.items():
        keys(page, key)
        assert chosen(page) == verdict
    page.get_by_label("Why").fill("j1ae")
    keys(page, "1")
    assert (chosen(page), current(page)) == ("take:B", "2")


def test_own_keys_act_and_are_shown_and_the_usual_ones_do_not(visit: Visit) -> None:
    page = visit("dot", "/adjudication/{waits}")
    page.evaluate(SAVE, {"next": "n", "all": "w", "previous": "1"})
    page.reload()
    keys(page, "n", "n", "j", "1")
    assert (current(page), chosen(page)) == ("1", "")
    keys(page, "a")
    assert chosen(page) == ""
    keys(page, "w")
    assert chosen(page) == "none"
    expect(page.get_by_label("No step is wrong").locator("xpath=..").locator("kbd")).to_have_text("w")
    page.evaluate(SAVE, {"off": True})
    page.reload()
    keys(page, "j", "1", "a")
    assert (chosen(page), page.locator("#steps tr[aria-current]").count()) == ("", 0)
    page.evaluate(SAVE, {})


def test_enter_decides_and_leads_to_the_next(visit: Visit) -> None:
    page = visit("dot", "/adjudication/{final}")
    keys(page, "j", "e", "Enter")
    page.wait_for_url("**/adjudication/*")
    expect(page.locator("#steps")).to_be_visible()
