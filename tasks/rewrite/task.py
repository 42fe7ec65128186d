"""Prefect's side of going on from rewritten steps."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from prefect import task
from prefect.cache_policies import NO_CACHE

from schemas.refs import Ref, Stage, Tables, joined
from tasks.asking import Question, ask, replies_of
from tasks.engines.flight import Streams
from tasks.lake import Lake
from tasks.progress import watcher
from tasks.prompts import Prompting
from tasks.references import with_references
from tasks.rewrite.config import RewriteConfig
from tasks.rewrite.continuing import SAMPLED, Edit, Trace, continued, ids, questions, table
from tasks.rewrite.outcomes import outcomes as outcomes_of
from tasks.rewrite.reading import STAGE, Read, Rewrite, Unusable, digest, dropped, left, read
from tasks.sources import awaited, read_rows

VERSION: Final = "1"
TRACED: Final = "rewritten"
ASKING: Final = frozenset({STAGE})
"""The stage that asks a model."""

Refs = tuple[Ref, ...]
_PARENTS: Final = ["trace_id", "problem_id", "parent_trace_id", "text", "step_offsets"]


class Rewritten(NamedTuple):
    """What comes of rewrites."""

    rounds: list[Tables]
    """Of each round traces, `dropped` for those that cannot be used, and the completions that are new."""
    unusable: Tables
    """`dropped`: the rows of the source that nothing could be made of; they belong to no round."""


@dataclass(frozen=True)
class _Session:
    """What going on from a round's traces needs all the time."""

    lake: Lake
    tables: Tables
    config: RewriteConfig
    models: Streams
    prompts: Mapping[str, Prompting]
    edits: tuple[Edit, ...]
    """All that there are, of other rounds' traces too; each once, in an order of their own."""

    @cached_property
    def parents(self) -> dict[str, Trace]:
        """The round's traces that are rewritten."""
        traces = self.lake.rows(self.tables, "traces")
        wanted = pa.array([trace_id for trace_id, _, _ in self.edits], pa.string())
        found = traces.filter(pc.is_in(traces["trace_id"], value_set=wanted))
        return {row["trace_id"]: row for row in found.to_pylist()}

    @cached_property
    def problems(self) -> dict[str, Mapping[str, Any]]:
        rows = self.lake.rows(self.tables, "problems", ["problem_id", "domain", "question"])
        return {row["problem_id"]: row for row in rows.to_pylist()}

    def stage(self, name: str, edits: Sequence[Edit], completions: Refs, outputs: tuple[str, ...]) -> Stage:
        """A stage of the round that depends on just these rewrites."""
        return Stage(
            name=name,
            version=VERSION,
            config={"k": self.config.k},
            inputs=(*(ref for table in ("problems", "traces") for ref in self.tables.get(table, ())), *completions),
            sources={"rewrites": digest(edits)},
            tables=outputs,
        )

    def completions(self, refs: Refs) -> dict[str, Mapping[str, Any]]:
        rows = self.lake.rows({"completions": refs}, "completions", ["completion_id", *SAMPLED])
        return {row["completion_id"]: row for row in rows.to_pylist()}


@task(name="rewrite", task_run_name="rewrite", cache_policy=NO_CACHE, persist_result=False)
def rewrite(
    lake: Lake,
    rounds: Sequence[Tables],
    config: RewriteConfig,
    models: Streams,
    prompts: Mapping[str, Prompting],
) -> Rewritten:
    """Traces that go on from rewritten steps, in the round of the trace that was rewritten.

    A round holds problems, traces, and all earlier completions: what was gone on from before is not again. `prompts`
    are the samplers', by name.

    Raises:
        SourceError: the source cannot be read, or lacks a column.
        EngineError: the model cannot be loaded or reached; every continuation that came before is stored.
    """
    found = _read(config)
    edits = tuple(sorted({one.edit for one in found.rewrites}))
    sessions = [_Session(lake, one, config, models, prompts, edits) for one in rounds]
    made = [_continued(one) for one in sessions]
    taken = {edit for _, those in made for edit in those}
    known = {name: len(row["step_offsets"]) for one in sessions for name, row in one.parents.items()}
    lost = (*found.unusable, *left(found.rewrites, taken, known))
    return Rewritten([tables for tables, _ in made], _unusable(lake, lost, config))


@task(name="outcomes", task_run_name="outcomes of rewrites", cache_policy=NO_CACHE, persist_result=False)
def outcomes(lake: Lake, rounds: Sequence[Tables], config: RewriteConfig) -> list[Tables]:
    """The table `rewrites` of each round: every rewrite with what came of it, once it is known where traces stand."""
    found = _read(config)
    return [_outcomes(lake, one, found.rewrites, config.k) for one in rounds]


def _read(config: RewriteConfig) -> Read:
    return Read((), ()) if awaited(config.source) else read(read_rows(config.source), config.columns)


def _continued(session: _Session) -> tuple[Tables, list[Edit]]:
    """Go on from the round's traces, then from what came of that, as often as there are rewrites; which were taken."""
    before = replies_of(session.lake, session.tables, ASKING)
    completions = session.completions(before)
    new: Refs = ()
    taken: list[Edit] = []
    traces: list[Trace] = []
    for _ in range(session.config.rounds):
        wave = [one for one in session.edits if one not in taken and _fits(one, session.parents)]
        if not wave:
            break
        asked = _asked(session, wave, set(completions), before + new)
        completions |= session.completions(asked)
        new += asked
        for one in wave:
            traces += continued(one, session.parents[one[0]], completions, session.config.k)
        session.parents.update((one["trace_id"], one) for one in traces)
        taken += wave
    if not taken:
        return {}, taken
    stage = session.stage(TRACED, taken, before + new, ("traces", "dropped"))
    return joined({"completions": new}, session.lake.run(stage, lambda: [partial(table, traces)])), taken


def _fits(edit: Edit, parents: Mapping[str, Trace]) -> bool:
    trace_id, step, _ = edit
    return trace_id in parents and step < len(parents[trace_id]["step_offsets"])


def _asked(session: _Session, wave: Sequence[Edit], known: set[str], before: Refs) -> Refs:
    """Ask for the continuations that are not `known`; where they are, if there was anything to ask."""
    if all(known.issuperset(ids(one, session.config.k)) for one in wave):
        return ()

    def new() -> Iterator[Question]:
        for edit in wave:
            parent = session.parents[edit[0]]
            problem = session.problems[parent["problem_id"]]
            asked = questions(edit, parent, problem, session.config, session.prompts, session.config.model)
            yield from (one for one in asked if one.request.request_id not in known)

    stage = session.stage(STAGE, wave, before, ("completions",))
    return ask(session.lake, stage, new, session.models)["completions"]


def _unusable(lake: Lake, lost: Sequence[Unusable], config: RewriteConfig) -> Tables:
    if not lost:
        return {}
    watcher().noted(f"{len(lost)} rows of {config.source.path} cannot be used; the table `dropped` says why")
    stage = Stage(
        name=f"{STAGE}: read",
        version=VERSION,
        config={"unusable": digest(lost)},
        tables=("dropped",),
    )
    return lake.run(stage, lambda: [lambda: {"dropped": dropped(lost)}])


def _outcomes(lake: Lake, tables: Tables, rewrites: Iterable[Rewrite], k: int) -> Tables:
    traces = {row["trace_id"]: row for row in lake.rows(tables, "traces", _PARENTS).to_pylist()}
    mine = [one for one in rewrites if one.trace_id in traces]
    if not mine:
        return {}
    seen = ("problems", "references", "traces", "standings", "dropped")
    stage = Stage(
        name="outcomes",
        version=VERSION,
        config={"k": k},
        inputs=tuple(ref for name in seen for ref in tables.get(name, ())),
        sources={"rewrites": digest(mine)},
        tables=("rewrites",),
    )

    def part() -> Mapping[str, pa.Table]:
        problems = with_references(lake.rows(tables, "problems"), lake.rows(tables, "references"))
        references = {row["problem_id"]: row["reference"] for row in problems.to_pylist()}
        return {"rewrites": outcomes_of(mine, traces, references, _told(lake, tables), k)}

    return lake.run(stage, lambda: [part])


def _told(lake: Lake, tables: Tables) -> dict[str, str]:
    stands = lake.rows(tables, "standings", ["trace_id", "status"]).to_pylist()
    lost = lake.rows(tables, "dropped", ["table", "row_id", "stage", "reason"]).to_pylist()
    told = {row["trace_id"]: row["status"] for row in stands}
    return told | {row["row_id"]: row["reason"] for row in lost if (row["table"], row["stage"]) == ("traces", STAGE)}
