"""`tracemill gc`: say what a lake can lose, and remove it when asked to."""

import json
import shlex
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

if TYPE_CHECKING:
    from tasks.retention import Item

console: Final = Console(highlight=False)


def gc(
    lake: Annotated[
        str, typer.Option("--lake", envvar="TRACEMILL_LAKE", help="A folder or an fsspec URL.")
    ] = "data/lake",
    keep_releases: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Keep the newest N releases of each name; all unless given.")
    ] = None,
    keep_runs: Annotated[int, typer.Option(min=1, metavar="N", help="Keep the newest N runs of each recipe.")] = 1,
    older_than: Annotated[str, typer.Option(metavar="TIME", help="Leave what is younger alone: 30m, 24h, 7d.")] = "24h",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,  # noqa: FBT002
    yes: Annotated[bool, typer.Option("--yes", help="Remove it; without, only say what would go.")] = False,  # noqa: FBT002
) -> None:
    """Remove from the lake what no kept release and no kept run needs: tables, journals, notes of runs."""
    from tasks.lake import Lake
    from tasks.retention import Keeping, clear, duration, held, plan
    from tasks.running import under_way

    keeping = Keeping(releases=keep_releases, runs=keep_runs, older_than=duration(older_than))
    found, now = Lake(lake), datetime.now(UTC)
    planned = clear(found, keeping, now) if yes else plan(held(found), keeping, now)
    busy = [str(mark) for mark in under_way(found.storage)]
    if as_json:
        told = {"removed": yes, "goes": list(map(_row, planned.goes)), "stays": _sums(planned.stays), "under_way": busy}
        print(json.dumps(told, indent=2, default=str))  # noqa: T201 - what the command is for
        return
    _show("goes" if not yes else "gone", planned.goes)
    _show("stays", planned.stays)
    for one in busy:
        console.print(f"under way: {one}; --yes refuses until it is over", markup=False, soft_wrap=True)
    total = decimal(sum(one.size for one in planned.goes))
    if yes:
        console.print(f"{total} removed")
    elif planned.goes:
        again = shlex.join(["tracemill", "gc", *_options(sys.argv), "--yes"])
        console.print(f"nothing was removed; to free {total}: {again}", soft_wrap=True, markup=False)
    else:
        console.print("there is nothing to remove")


def _options(arguments: Sequence[str]) -> Sequence[str]:
    """What the command was started with."""
    return arguments[arguments.index("gc") + 1 :] if "gc" in arguments else ()


def _row(one: "Item") -> dict[str, Any]:
    oldest = min(file.modified for file in one.files)
    return {
        "what": one.what,
        "path": one.path,
        "why": one.why,
        "files": [file.path for file in one.files],
        "bytes": one.size,
        "oldest": oldest.isoformat(),
    }


def _sums(items: Sequence["Item"]) -> list[dict[str, Any]]:
    """By what it is and why it goes or stays: how many, how many files and bytes, and the oldest file's time."""
    groups: dict[tuple[str, str], list[Item]] = {}
    for one in items:
        groups.setdefault((one.what, one.why), []).append(one)
    return [
        {
            "what": what,
            "why": why,
            "count": len(those),
            "files": sum(len(one.files) for one in those),
            "bytes": sum(one.size for one in those),
            "oldest": min((file.modified for one in those for file in one.files), default=None),
        }
        for (what, why), those in sorted(groups.items())
    ]


def _show(title: str, items: Sequence["Item"]) -> None:
    if not items:
        return
    table = Table(title, "tables", "files", "size", "oldest", "why")
    for one in _sums(items):
        oldest = f"{one['oldest']:%Y-%m-%d %H:%M}" if one["oldest"] else ""
        table.add_row(one["what"], f"{one['count']:,}", f"{one['files']:,}", decimal(one["bytes"]), oldest, one["why"])
    console.print(table)
