"""What is vendored is what its package has."""

import json

from review.web.vendor import ABOUT, HOME, VERSION, digests


def test_the_files_are_those_that_were_fetched() -> None:
    about = json.loads((HOME / ABOUT).read_text())
    assert about["version"] == VERSION
    assert about["sha256"] == digests()
    assert {"katex.min.js", "katex.min.css", "LICENSE"} <= set(about["sha256"])


def test_the_style_sheet_finds_its_fonts() -> None:
    fonts = {path.name for path in (HOME / "fonts").iterdir()}
    assert len(fonts) == 20
    assert all(f"fonts/{name}" in (HOME / "katex.min.css").read_text() for name in fonts)
