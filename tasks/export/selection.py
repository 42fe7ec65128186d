"""What an exporter gets and gives."""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

import pyarrow as pa

from schemas.tables import JUDGEMENT_PAIRS, JUDGEMENTS, MIXTURE, REWRITES

TRAIN: Final = "train"
VALIDATION: Final = "validation"


class Selection(NamedTuple):
    """The tables that a release is made of; `problems` and `traces` hold what no stage dropped."""

    problems: pa.Table
    traces: pa.Table
    standings: pa.Table
    pairs: pa.Table
    references: pa.Table
    """The majority's answers, of problems that have no reference of their own."""
    verdicts: pa.Table
    """Those that judge steps (trace_id, verifier, first_wrong_step, step_scores).

    `first_wrong_step` counts from 0 and is -1 where no step is wrong.
    """
    split: str = TRAIN
    """Whose rows these are: TRAIN or VALIDATION."""
    judgements: pa.Table = JUDGEMENTS.empty_table()
    """judgement_id, messages (what the judge was asked), reply."""
    judgement_pairs: pa.Table = JUDGEMENT_PAIRS.empty_table()
    rewrites: pa.Table = REWRITES.empty_table()
    """What people wrote for wrong steps, a row for each continuation."""
    mixture: pa.Table = MIXTURE.empty_table()
    """Of a mixture, the traces that are taken: how often each is exported (`repeats`)."""


def _nothing(_rows: Mapping[str, int], /) -> Mapping[str, bytes]:
    return {}


class Exporter(NamedTuple):
    """What a plug-in's `build(config)` returns."""

    id_column: str
    """The column that names a row, the same from release to release."""
    columns: pa.Schema
    """What `rows` gives: `problem_id` is among them; the columns of trace ids end in `trace_id`."""
    rows: Callable[[Selection], pa.Table]
    """The format's rows, a pure function; what refers to a problem or trace that is no longer there is left out."""
    texts: tuple[str, ...] = ()
    """The columns whose tokens are counted: messages or strings. What follows `prompt` is its completion."""
    files: Callable[[Mapping[str, int]], Mapping[str, bytes]] = _nothing
    """Other files of the format's folder by name, from the number of rows by split."""
    lines: bool = False
    """Whether trainers read this format as JSON lines: then each split is written so, too."""
    tools: bool = False
    """Whether it has a place for traces that used tools; the others are not given any."""
