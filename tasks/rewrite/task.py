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
from tasks.reviews import FOLDER, reviews, trainable
from tasks.rewrite.config import REVIEWED, RewriteConfig
from tasks.rewrite.continuing import SAMPLED, Trace, continued, ids, questions, recut, table
from tasks.rewrite.given import Continuation, completions
from tasks.rewrite.outcomes import outcomes as outcomes_of
from tasks.rewrite.prefix import forked
from tasks.rewrite.reading import STAGE, Change, Read, Rewrite, Unusable, digest, dropped, left, read
from tasks.sources import Row, awaited, read_rows

VERSION: Final = "1"
TRACED: Final = "rewritten"
GIVEN: Final = "rewrite: given"
ASKING: Final = frozenset({STAGE, GIVEN})
"""The stage that asks a model, and the one that stores what one said when people reviewed."""

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
    changes: tuple[Change, ...]
    """All that there are, of other rounds' traces too; each once, in an order of their own."""
    given: Mapping[str, Continuation]
    """Continuations that came with reviews, by id."""

    @cached_property
    def parents(self) -> dict[str, Trace]:
        """The round's traces that are rewritten."""
        traces = self.lake.rows(self.tables, "traces")
        wanted = pa.array([edit[0] for edit, _ in self.changes], pa.string())
        found = traces.filter(pc.is_in(traces["trace_id"], value_set=wanted))
        return {row["trace_id"]: row for row in found.to_pylist()}

    @cached_property
    def problems(self) -> dict[str, Mapping[str, Any]]:
        rows = self.lake.rows(self.tables, "problems", ["problem_id", "domain", "question"])
        return {row["problem_id"]: row for row in rows.to_pylist()}

    def parent(self, change: Change) -> Trace:
        """What is rewritten, cut as the step counts."""
        (trace_id, _, _), offsets = change
        return recut(self.parents[trace_id], offsets)

    def ids(self, change: Change) -> list[str]:
        """What its continuations are called."""
        edit, offsets = change
        return ids(edit, self.config.k, offsets)

    def stage(self, name: str, edits: Sequence[tuple[Any, ...]], completions: Refs, outputs: tuple[str, ...]) -> Stage:
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

    A round holds problems, traces, and all earlier completions: what was gone on from before is not again, nor what a
    model went on with while people reviewed. `prompts` are the samplers', by name.

    Raises:
        SourceError: the source cannot be read, or lacks a column.
        EngineError: the model cannot be loaded or reached; every continuation that came before is stored.
    """
    found = _read(lake, config)
    changes = tuple(sorted({one.change for one in found.rewrites}))
    given = {one.id: one for each in found.rewrites for one in each.continuations}
    sessions = [_Session(lake, one, config, models, prompts, changes, given) for one in rounds]
    made = [_continued(one) for one in sessions]
    taken = {change for _, those in made for change in those}
    known = {name: row for one in sessions for name, row in one.parents.items()}
    lost = (*found.unusable, *left(found.rewrites, taken, known))
    return Rewritten([tables for tables, _ in made], _unusable(lake, lost, config))


@task(name="outcomes", task_run_name="outcomes of rewrites", cache_policy=NO_CACHE, persist_result=False)
def outcomes(lake: Lake, rounds: Sequence[Tables], config: RewriteConfig) -> list[Tables]:
    """The table `rewrites` of each round: every rewrite with what came of it, once it is known where traces stand."""
    found = _read(lake, config)
    return [_outcomes(lake, one, found.rewrites, config.k) for one in rounds]


def _read(lake: Lake, config: RewriteConfig) -> Read:
    if config.source is None:
        return read((row for row in reviews(lake) if _rewrites(row)), REVIEWED)
    return Read((), ()) if awaited(config.source) else read(read_rows(config.source), config.columns)


def _rewrites(row: Row) -> bool:
    """Whether something was rewritten in this round of a review; or it cannot be read."""
    return row.fault is not None or (row.values.get("after") is not None and trainable(row))


def _continued(session: _Session) -> tuple[Tables, list[Change]]:
    """Go on from the round's traces, then from what came of that, as often as there are rewrites; which were taken."""
    before = replies_of(session.lake, session.tables, ASKING)
    known = session.completions(before)
    new: Refs = ()
    taken: list[Change] = []
    traces: list[Trace] = []
    for _ in range(session.config.rounds):
        wave = [one for one in session.changes if one not in taken and _fits(one, session.parents)]
        if not wave:
            break
        for stored in (_given, _asked):
            came = stored(session, wave, set(known), before + new)
            known |= session.completions(came)
            new += came
        for one in wave:
            traces += continued(one[0], session.parent(one), known, session.config.k)
        session.parents.update((one["trace_id"], one) for one in traces)
        taken += wave
    if not taken:
        return {}, taken
    stage = session.stage(TRACED, taken, before + new, ("traces", "dropped"))
    return joined({"completions": new}, session.lake.run(stage, lambda: [partial(table, traces)])), taken


def _fits(change: Change, parents: Mapping[str, Trace]) -> bool:
    (trace_id, step, _), offsets = change
    parent = parents.get(trace_id)
    if parent is None or (offsets and offsets[-1] >= len(parent["text"])):
        return False
    return step < len(offsets or parent["step_offsets"])


def _given(session: _Session, wave: Sequence[Change], known: set[str], before: Refs) -> Refs:
    """Store the continuations that came with reviews and are not `known`; where they are, if there were any."""
    found = {}
    for change in wave:
        (trace_id, step, after), parent = change[0], session.parent(change)
        prefix = forked(parent["text"], parent["step_offsets"], step, after)
        for name in session.ids(change):
            one = session.given.get(name)
            if one and name not in known and one.text.startswith(prefix):
                found[name] = trace_id, one
    if not found:
        return ()
    those = list(found.values())
    stage = session.stage(GIVEN, [(trace_id, one.id, one.text) for trace_id, one in those], before, ("completions",))
    return session.lake.run(stage, lambda: [lambda: {"completions": completions(those, STAGE)}])["completions"]


def _asked(session: _Session, wave: Sequence[Change], known: set[str], before: Refs) -> Refs:
    """Ask for the continuations that are not `known`; where they are, if there was anything to ask."""
    if all(known.issuperset(session.ids(one)) for one in wave):
        return ()

    def new() -> Iterator[Question]:
        for change in wave:
            parent = session.parent(change)
            problem = session.problems[parent["problem_id"]]
            asked = questions(change[0], parent, problem, session.config, session.prompts, session.config.model)
            yield from (one for one in asked if one.request.request_id not in known)

    stage = session.stage(STAGE, wave, before, ("completions",))
    return ask(session.lake, stage, new, session.models)["completions"]


def _unusable(lake: Lake, lost: Sequence[Unusable], config: RewriteConfig) -> Tables:
    if not lost:
        return {}
    where = config.source.path if config.source else f"the lake's {FOLDER}"
    watcher().noted(f"{len(lost)} rows of {where} cannot be used; the table `dropped` says why")
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
        sources={"rewrites": digest(one._replace(continuations=()) for one in mine)},
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
