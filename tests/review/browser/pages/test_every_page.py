"""Every page over a real store full of hostile texts: they do nothing, axe finds nothing serious, a phone is enough."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page

Visit = Callable[[str, str], Page]
SHOWN = [
    ("ada", "/history"),
    ("ada", "/history/{waits}"),
    ("dot", "/history/{final}"),
    ("bob", "/history/{waits}"),
    ("ada", "/adjudication"),
    ("dot", "/adjudication/{waits}"),
    ("ada", "/adjudication/{final}"),
    ("ada", "/admin/batches"),
    ("ada", "/admin/batches/{batch}"),
    ("ada", "/admin/batches/{closed}"),
    ("ada", "/admin/audit"),
    ("cyd", "/"),
    ("cyd", "/review/{working}"),
    ("dot", "/review/{working}"),
]
"""Who looks where, and sees hostile texts."""
PLAIN = [
    ("ada", "/dashboard"),
    ("bob", "/dashboard"),
    ("bob", "/history"),
    ("ada", "/admin"),
    ("ada", "/admin/import"),
    ("bob", "/account"),
    ("bob", "/admin"),
    ("bob", "/nowhere"),
    ("bob", "/history/none"),
    ("", "/login"),
]
INERT = (
    "main script, main img, main iframe, main style, main [onerror], main a[href*='evil'], main a[href^='javascript']"
)
BIDI = r"/[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/"


def serious(page: Page) -> list[tuple[str, str]]:
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    bad = (one for one in found if one["impact"] in {"serious", "critical"})
    return [(one["id"], node["html"]) for one in bad for node in one["nodes"][:3]]


@pytest.mark.parametrize(("who", "path"), SHOWN + PLAIN)
def test_every_page(visit: Visit, axe: str, who: str, path: str) -> None:
    page = visit(who, path)
    page.evaluate(axe)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert serious(page) == [], scheme
    assert page.locator(INERT).count() == 0
    assert not page.evaluate(f"{BIDI}.test(document.body.innerText)"), "a bidi control that nobody sees"
    if (who, path) in SHOWN:
        assert "onerror=alert(1)" in page.locator("main").inner_text()
    page.set_viewport_size({"width": 375, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
