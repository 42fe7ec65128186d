"""The personas whose problems came to most, and to least."""

from typing import Final

from flows.page.fences import excerpt
from schemas.refs import Tables
from schemas.summary import Yield
from tasks import report
from tasks.lake import Lake
from tasks.tally.yields import PERSONA, Ends, ends

SHOWN: Final = 5
"""Personas at either end."""


def people(lake: Lake, tables: Tables) -> str | None:
    """Those with the highest and the lowest yield, with their texts; None where no problem came of a persona."""
    found = ends(lake.dataset("yields", tables.get("yields", ())), PERSONA, SHOWN)
    if not found.names:
        return None
    ids = [one.name for one in (*found.best, *found.worst)]
    texts = lake.chosen(tables, "personas", "persona_id", ids, ["persona_id", "persona"]).to_pylist()
    return _shown(found, {row["persona_id"]: row["persona"] for row in texts})


def _shown(found: Ends, texts: dict[str, str]) -> str:
    said = (
        f"Of {found.names:,} personas with traces, by the share of traces that were kept: those of which it is surest "
        "that they yield much, and those of which it is surest that they do not (95 % intervals)."
    )
    sections = [f"### {title}\n\n{_list(those, texts)}" for title, those in _titled(found) if those]
    return "\n\n".join([said, *sections])


def _titled(found: Ends) -> tuple[tuple[str, tuple[Yield, ...]], ...]:
    return (("The best", found.best), ("The worst", found.worst))


def _list(those: tuple[Yield, ...], texts: dict[str, str]) -> str:
    lines = (
        f"**{one.kept:,} of {one.traces:,} traces kept**, {one.problems:,} problem{'s' * (one.problems != 1)}; correct "
        f"of those judged: {report.rate(one.correct)}\n\n{excerpt(texts.get(one.name, one.name))}"
        for one in those
    )
    return "\n\n".join(lines)
