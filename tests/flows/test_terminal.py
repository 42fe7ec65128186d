"""What a run prints at its end, on a terminal of eighty columns."""

import io
from typing import Any

from rich.console import Console

from flows.terminal import show
from schemas.summary import MixedCell, MixedShare, Mixture, Summary

RELEASES = ("old/v1", "own/v1")


def printed(summary: Summary) -> str:
    console = Console(file=io.StringIO(), width=80)
    show(console, summary)
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def cell(release: str, **numbers: int) -> MixedCell:
    none: dict[str, Any] = {"offered": 130_000, "leaks": 0, "unfit": 0, "over": 0, "kept": 120_000, "rows": 240_000}
    return MixedCell(release=release, domain="math", difficulty="easy", same={RELEASES[0]: 7}, **(none | numbers))


def test_a_mixture_says_of_each_release_what_is_left_out_and_why() -> None:
    shares = [MixedShare(group=(one, "easy"), wanted=0.25, rows=600) for one in RELEASES for _ in range(2)]
    mixture = Mixture(
        licenses={one: {} for one in RELEASES},
        wanted=None,
        cells=(cell(RELEASES[0]), cell(RELEASES[1], over=9_000), cell(RELEASES[1], leaks=3)),
        shares=tuple(shares),
    )
    lines = printed(Summary(recipe="r", funnel=(), verdicts={}, kept_verdicts={}, mixture=mixture)).splitlines()
    words = [line.split() for line in lines]
    assert ["offered", "left", "out", "kept", "rows", "got", "wanted"] in words
    assert any(line[:2] == [RELEASES[1], "260,000"] for line in words)
    assert ["over", "share,", "cap", "9,000"] in words
    assert ["also", "in", RELEASES[0], "14"] in words
    assert ["leaks", "3"] in words
    assert not any("…" in line for line in lines)
