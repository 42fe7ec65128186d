"""Some trees of the newest round's searches: what was chosen, and what was left."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import pyarrow.compute as pc

from flows.page.fences import excerpt, fenced
from schemas.refs import Tables
from schemas.tables import Status
from tasks.lake import Lake
from tasks.rounds import rounds_of

TREES: Final = 3
LINES: Final = 40
"""Branches that are shown of a tree."""
_TEXT: Final = 44
"""Characters that are shown of a branch, so that a line is not broken."""
_DEEPEST: Final = 10
_COLUMNS: Final = [
    "trace_id",
    "problem_id",
    "sample_index",
    "parent_trace_id",
    "fork_step",
    "text",
    "step_offsets",
    "finish_reason",
    "source",
    "search",
]

Row = Mapping[str, Any]


def searches(lake: Lake, tables: Tables, numbers: str) -> str:
    """What they came to in all, `numbers`, and trees of the newest round that has any: of its first part's problems."""
    trees = next(filter(None, (_trees(lake, one) for one in reversed(rounds_of(lake, tables)))), [])
    legend = "A branch: its value, × how often it was looked at, and what it adds. ▶ leads to the chosen one. Of whole "
    legend += "branches ✓ stands as correct, ✗ as incorrect, ■ as neither; · is where others go on, or was left."
    return "\n\n".join([numbers, *([legend] if trees else []), *trees])


def _trees(lake: Lake, tables: Tables) -> list[str]:
    for place in lake.places(tables.get("traces", ())):
        part = lake.read_part(*place)
        mine = part.filter(pc.is_valid(part["search"]))
        if mine.num_rows:
            ids = list(dict.fromkeys(map(str, mine["problem_id"].to_pylist())))[:TREES]
            return _shown(lake, tables, ids)
    return []


def _shown(lake: Lake, tables: Tables, problems: Sequence[str]) -> list[str]:
    rows = lake.chosen(tables, "traces", "problem_id", problems, _COLUMNS).to_pylist()
    ids = [str(row["trace_id"]) for row in rows]
    stands = lake.chosen(tables, "standings", "trace_id", ids, ["trace_id", "status"]).to_pylist()
    questions = lake.chosen(tables, "problems", "problem_id", problems, ["problem_id", "question"]).to_pylist()
    status = {row["trace_id"]: row["status"] for row in stands}
    question = {row["problem_id"]: row["question"] for row in questions}
    trees: defaultdict[tuple[str, str, int], list[Row]] = defaultdict(list)
    for row in rows:
        if row["search"]:
            trees[row["problem_id"], row["source"], row["sample_index"]].append(row)
    first = {name: tree for (name, _, _), tree in sorted(trees.items(), reverse=True)}
    return [f"{excerpt(question[name])}\n\n{fenced(_tree(first[name], status))}" for name in problems]


def _tree(branches: Sequence[Row], status: Mapping[str, str]) -> str:
    by_id = {row["trace_id"]: row for row in branches}
    path = next((row for row in branches if row["search"]["chosen"]), None)
    chosen: set[str] = set()
    while path:
        chosen.add(path["trace_id"])
        path = by_id.get(path["parent_trace_id"])
    children: defaultdict[str | None, list[Row]] = defaultdict(list)
    for row in sorted(branches, key=lambda one: (one["trace_id"] not in chosen, -_worth(one), one["trace_id"])):
        parent = row["parent_trace_id"]
        children[parent if parent in by_id else None].append(row)
    strategy, notes = branches[0]["search"]["strategy"], [row["search"]["note"] for row in branches]
    lines = list(_lines(children, None, chosen, status))
    more = [f"and {len(lines) - LINES} more branches"] if len(lines) > LINES else []
    return "\n".join([f"{strategy}: {next(filter(None, notes), 'nothing was chosen')}", *lines[:LINES], *more])


def _worth(row: Row) -> float:
    value = row["search"]["value"]
    return -1.0 if value is None else float(value)


def _lines(
    children: Mapping[str | None, Sequence[Row]], parent: str | None, chosen: set[str], status: Mapping[str, str]
) -> Iterator[str]:
    """A line for each branch, below the one that it goes on from; without recursion's limits on how deep it is."""
    waiting = [(row, 0) for row in reversed(children.get(parent, ()))]
    marks = {str(Status.CORRECT): "✓", str(Status.INCORRECT): "✗"}
    while waiting:
        row, depth = waiting.pop()
        mark = marks.get(status.get(row["trace_id"], ""), "■") if row["finish_reason"] == "stop" else "·"
        lead = "▶" if row["trace_id"] in chosen else " "
        value = row["search"]["value"]
        worth = "-" if value is None else f"{value:.2f}"
        if visits := row["search"]["visits"]:
            worth += f" ×{visits}"
        text = " ".join(row["text"][_from(row) :].split())
        said = text[:_TEXT] + (" …" if len(text) > _TEXT else "")
        yield f"{lead}{'  ' * min(depth, _DEEPEST)}{mark} {worth} {said}"
        waiting += [(one, depth + 1) for one in reversed(children.get(row["trace_id"], ()))]


def _from(row: Row) -> int:
    """The character at which it begins what its parent does not have."""
    fork, offsets = row["fork_step"] or 0, row["step_offsets"]
    return int(offsets[fork]) if fork < len(offsets) else 0
