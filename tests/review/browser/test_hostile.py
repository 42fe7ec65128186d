"""Hostile texts are inert and shown: `watched` fails on requests elsewhere, dialogs, console errors, CSP violations."""

from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page, expect

Open = Callable[..., Page]
HOSTILE = [
    "<script>alert(1)</script><img src=x onerror=alert(1)><svg onload=alert(1)>",
    "![x](http://evil.test/x.png) [click](javascript:alert(1)) <http://evil.test>",
    "$\\href{javascript:alert(1)}{x}$ $\\htmlData{a=b}{x}$ $\\includegraphics{http://evil.test/x.png}$",
    "$\\def\\a{\\a\\a}\\a$ and $$\\rule{1000000em}{1000000em}$$ and $\\htmlStyle{position:fixed}{x}$",
    "bidi \u202eabc\u2066 zero\u200bwidth \x07",
    "</pre></div></li><style>body{display:none}</style>",
    '```"><script>alert(1)</script>\ncode\n```',
]


def test_hostile_steps_are_inert_and_shown(server: Any, open_review: Open) -> None:
    page = open_review(HOSTILE, question=HOSTILE[0])
    expect(page.locator(".step")).to_have_count(len(HOSTILE))
    expect(page.locator("#steps .math:not([data-done])")).to_have_count(0)
    assert (
        page.locator("#steps img, #steps script, #steps style, #steps a, #steps iframe, #steps svg[onload]").count()
        == 0
    )
    expect(page.locator(".step").first).to_contain_text("<script>alert(1)</script>")
    expect(page.locator(".step").nth(1)).to_contain_text("http://evil.test/x.png")
    assert page.locator(".step").nth(4).locator(".hidden-char").all_inner_texts() == [
        "U+202E",
        "U+2066",
        "U+200B",
        "U+0007",
    ]
    assert page.evaluate(
        "[...document.querySelectorAll('#steps *')].every(e => e.getBoundingClientRect().width < 3000)"
    )


def test_hostile_rewrites_are_inert_in_the_preview(server: Any, open_review: Open) -> None:
    page = open_review()
    page.keyboard.press("1")
    page.keyboard.press("e")
    page.locator("#rewrite").fill("\n\n".join(HOSTILE))
    expect(page.locator(".preview")).to_contain_text("<script>alert(1)</script>")
    assert page.locator(".preview img, .preview script, .preview a").count() == 0


def test_a_page_with_steps_of_a_megabyte_is_usable(server: Any, open_review: Open) -> None:
    page = open_review(["Short.", *(unit * (400_000 // len(unit)) for unit in ("word ", "$x$ ", "\u202e")), "End."])
    for number in "234":
        page.keyboard.press("j")
        page.keyboard.press("2")
        assert page.locator(".step[aria-current] .step-number").inner_text() == number
        expect(page.locator(".step[aria-current] summary")).to_contain_text("characters")
