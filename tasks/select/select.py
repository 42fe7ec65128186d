"""Choose what a training set takes of the problems and traces that are good, selector after selector.

A round chooses among its own rows. What earlier rounds kept stays: it counts towards budgets and caps, so that a later
round takes only what room is left. With one round the outcome is the papers'; with several, what was first stays.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.base import ConfigBase
from schemas.conform import conform
from schemas.errors import RecipeError
from schemas.tables import DROPPED
from tasks import plugins
from tasks.alive import alive, stays
from tasks.embed.model import EmbeddingConfig
from tasks.gold import samples as own_samples
from tasks.rows import positions, taken
from tasks.select.contract import Earlier, Gone, Pool, Selector, absent, gone
from tasks.text.strings import Column, filtered

STAGE: Final = "select"
VERSION: Final = "2"
PACKAGE: Final = "tasks.select.selectors"

ORPHANED: Final = "its problem is not taken"
EMPTIED: Final = "no trace is left"

Steps: TypeAlias = Sequence[Mapping[str, Mapping[str, Any] | None]]
"""Selectors with their settings, in order: one to an item."""


class Step(NamedTuple):
    """One selector of a recipe."""

    name: str
    config: ConfigBase
    selector: Selector

    @property
    def settings(self) -> dict[str, Any]:
        """What its outcome depends on."""
        return {self.name: self.config.model_dump(mode="json", exclude=getattr(self.config, "UNSEEN", None))}


def configured(steps: Steps) -> list[tuple[str, ConfigBase]]:
    """Each selector's name and settings.

    Raises:
        PluginError: a selector is unknown.
        RecipeError: a setting is wrong, or an item names no selector or several.
    """
    found: list[tuple[str, ConfigBase]] = []
    for at, step in enumerate(steps):
        if len(step) != 1:
            raise RecipeError(f"select[{at}]: {', '.join(step) or 'nothing'}: give each selector an item of its own")
        found += plugins.configure(PACKAGE, step).items()
    return found


def build(steps: Steps) -> list[Step]:
    """Make the selectors of a recipe.

    Raises:
        RecipeError: as `configured`.
    """
    made = configured(steps)
    return [Step(name, one, cast("Selector", plugins.load(PACKAGE, name).build(one))) for name, one in made]


def pool_of(
    tables: Mapping[str, pa.Table],
    texts: Column,
    earlier: Earlier | None = None,
    embeddings: Callable[[EmbeddingConfig], pa.Table] | None = None,
) -> Pool:
    """What a round's selectors choose from.

    Args:
        tables: problems (PROBLEMS), traces (TRACES), standings (trace_id, status, score), ratings (judge, subject_id,
            score), dropped (table, row_id): all of the round.
        texts: those of all `traces`, in their order.
        earlier: what earlier rounds kept.
        embeddings: see `Pool.embeddings`.
    """
    problems = alive(tables["problems"], "problems", tables["dropped"])
    samples = _judged(tables["traces"], tables["standings"])
    here = stays(samples, "traces", tables["dropped"]) & (positions(samples["problem_id"], problems["problem_id"]) >= 0)
    return Pool(
        problems=problems,
        traces=samples.filter(pa.array(here)),
        texts=filtered(texts, here),
        samples=own_samples(samples),
        ratings=tables["ratings"],
        earlier=earlier or Earlier(tables["problems"].slice(0, 0), tables["traces"].slice(0, 0)),
        embeddings=embeddings or _no_embeddings,
    )


def select(pool: Pool, steps: Sequence[Step]) -> pa.Table:
    """Rows of `dropped` (DROPPED), sorted by table and id, for what the selectors do not take, one after another.

    A problem's traces go with it, and a problem with its last trace; one that never had a trace is no worse for that.

    Raises:
        SchemaError: a problem has no embedding.
    """
    found = [_dropped("", Gone())]
    for name, _, selector in steps:
        lost = _completed(pool, selector.drop(pool))
        found.append(_dropped(name, lost))
        pool = pool.without(lost)
    every = pa.concat_tables(found).sort_by([("table", "ascending"), ("row_id", "ascending")])
    return conform(every, DROPPED, at=STAGE)


def _judged(traces: pa.Table, standings: pa.Table) -> pa.Table:
    rows = positions(traces["trace_id"], standings["trace_id"])
    for name in ("status", "score"):
        traces = traces.append_column(name, taken(standings[name], rows))
    return traces


def _completed(pool: Pool, lost: Gone) -> Gone:
    """With the problems that have lost their last trace, and with the traces of all that go."""
    traces, ids = pool.traces, pool.problems["problem_id"]
    left = traces["problem_id"].filter(pa.array(absent(traces["trace_id"], lost.traces)))
    emptied = (positions(ids, left) < 0) & (positions(ids, traces["problem_id"]) >= 0) & absent(ids, lost.problems)
    problems = pa.concat_tables([lost.problems, gone(ids, emptied, EMPTIED)])
    orphans = ~absent(traces["problem_id"], problems) & absent(traces["trace_id"], lost.traces)
    return Gone(problems, pa.concat_tables([lost.traces, gone(traces["trace_id"], orphans, ORPHANED)]))


def _dropped(name: str, lost: Gone) -> pa.Table:
    parts = []
    join: Any = pc.binary_join_element_wise
    for table, rows in zip(("problems", "traces"), lost, strict=True):
        columns = {
            "table": pa.array(np.full(rows.num_rows, table), pa.string()),
            "row_id": rows["row_id"],
            "stage": pa.array(np.full(rows.num_rows, STAGE), pa.string()),
            "reason": join(name, rows["reason"], ": "),
            "evidence": rows["evidence"],
            "duplicate_of": pa.nulls(rows.num_rows, pa.string()),
        }
        parts.append(conform(pa.table(columns), DROPPED, at=STAGE))
    return pa.concat_tables(parts)


def _no_embeddings(_: EmbeddingConfig) -> pa.Table:
    return pa.table({"row_id": pa.array([], pa.string()), "vector": pa.array([], pa.list_(pa.float32()))})
