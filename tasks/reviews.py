"""What people said of traces: the files that batches are exported to, `<lake>/reviews/<batch>.jsonl`.

A line is a round of a finished review: which trace (`trace_id`), by whom (`reviewer`, a pseudonym), the first wrong
step (`first_wrong`, -1: none), how each step was rated, what was written for the wrong one (`after`) and what a model
made of that (`continuations`). `review/export.py` writes them.
"""

from collections.abc import Iterator
from typing import Final

from tasks.lake import Lake
from tasks.sources import Row, object_of

FOLDER: Final = "reviews"
REVIEWERS: Final = "reviewers"
"""The verifier by whose name people's verdicts on steps go."""


def path_of(batch: str) -> str:
    """Where a batch's reviews lie in the lake."""
    return f"{FOLDER}/{batch}.jsonl"


def reviews(lake: Lake) -> Iterator[Row]:
    """Every line of every batch, in order; none where nothing was exported yet."""
    number = 0
    for name in lake.storage.names(FOLDER):
        data = lake.storage.read(f"{FOLDER}/{name}") if name.endswith(".jsonl") else None
        for line_number, line in enumerate((data or b"").split(b"\n"), start=1):
            if line.strip():
                yield Row(f"{FOLDER}/{name}:{line_number}", number, *object_of(line))
                number += 1


def trainable(row: Row) -> bool:
    """Whether it may be trained on: gold traces measure reviewers, and bad problems are none.

    A row that cannot be read may be: whoever reads it tells what is wrong with it.
    """
    return not row.values.get("gold") and not row.values.get("bad_problem")
