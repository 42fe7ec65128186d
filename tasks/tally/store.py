"""The tables `tallies`, `yields` and `disagreements`: each round is counted once, when it is new or has changed."""

from collections.abc import Mapping, Sequence
from typing import Final

import pyarrow as pa

from schemas.refs import Ref, Stage, Tables, joined
from tasks.lake import Lake
from tasks.progress import reported, watcher
from tasks.tally.tally import COLUMNS, VERSION, Counted, tally

STAGE: Final = "tally"
PERSONAS: Final = "personas"
"""They belong to no round, and are not counted here."""


def tallies(lake: Lake, rounds: Sequence[Tables], stages: Mapping[str, Sequence[str]]) -> list[Tables]:
    """Each round's `tallies`, `yields` and `disagreements`; `stages` are those that drop rows, by table.

    Raises:
        SourceError: a label that came along is neither a truth value nor a number.
    """
    counted = {name: order for name, order in stages.items() if name != PERSONAS}
    with reported(STAGE, lake.row_count(joined(*rounds).get("traces", ()))):
        return [_tallied(lake, one, counted) for one in rounds]


def _tallied(lake: Lake, one: Tables, stages: Mapping[str, Sequence[str]]) -> Tables:
    inputs: tuple[Ref, ...] = tuple(ref for name in COLUMNS for ref in one.get(name, ()))
    settings = {"stages": {name: list(order) for name, order in stages.items()}}
    stage = Stage(name=STAGE, version=VERSION, config=settings, inputs=inputs, tables=Counted._fields)

    def part() -> Mapping[str, pa.Table]:
        tables = {name: lake.rows(one, name, columns) for name, columns in COLUMNS.items()}
        found = tally(tables, stages)
        watcher().advanced(STAGE, len(tables["traces"]))
        return found._asdict()

    return lake.run(stage, lambda: [part])
