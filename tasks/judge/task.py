"""Prefect's side of judging."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from prefect import task
from prefect.cache_policies import NO_CACHE

from schemas.refs import Ref, Stage, Tables, joined
from schemas.tables import Status
from tasks.alive import alive
from tasks.asking import Question, answers, ask, replies_of
from tasks.engines.contract import Identity
from tasks.engines.flight import Streams
from tasks.judge.judgements import STAGE, Replies, Reply, judged, repairs
from tasks.judge.judges import Judge
from tasks.judge.plan import JUDGED, SEEN, Asked, questions
from tasks.lake import Lake
from tasks.progress import reported, watcher

VERSION: Final = "2"
REPAIR: Final = "repair"
READ: Final = "judgements"
ASKING: Final = frozenset({STAGE, REPAIR})
"""The stages that ask a model."""

Refs = tuple[Ref, ...]


class _Inputs(NamedTuple):
    problems: pa.Table
    traces: pa.Table
    judgements: pa.Table


@dataclass(frozen=True)
class _Session:
    """What judging needs all the time."""

    lake: Lake
    tables: Tables
    by: Judge
    identity: Identity

    @cached_property
    def _inputs(self) -> _Inputs:
        """What is looked at: of the traces those that no stage dropped and that stand where the settings say."""
        lake, tables = self.lake, self.tables
        traces = alive(lake.rows(tables, "traces", JUDGED), "traces", lake.rows(tables, "dropped"))
        if self.by.choosy:
            stands = lake.rows(tables, "standings", ["trace_id", "status"])
            others = pa.array([status.value for status in Status if status not in self.by.config.when])
            shut = stands.filter(pc.is_in(stands["status"], value_set=others))["trace_id"].combine_chunks()
            traces = traces.filter(pc.invert(pc.is_in(traces["trace_id"], value_set=shut)))
        return _Inputs(lake.rows(tables, "problems", SEEN), traces, lake.rows(tables, "judgements"))

    def asked(self) -> Iterator[Asked]:
        """All that the judge is to be asked."""
        return questions(self.by, self.identity, *self._inputs)

    def replies(self, completions: Refs) -> Replies:
        """What came of it."""
        return answers(self.lake, completions, Reply)

    def stage(self, name: str, completions: Refs, outputs: tuple[str, ...]) -> Stage:
        """A stage of this judge; its other inputs are what the judge looks at."""
        seen = ["problems", "traces", "dropped"]
        seen += ["standings"] * self.by.choosy + ["judgements"] * (self.by.over is not None)
        return Stage(
            name=name,
            version=f"{VERSION}; {self.by.kind_name} {self.by.kind.version}",
            config={
                "judge": self.by.name,
                "settings": {self.by.kind_name: self.by.config.model_dump(mode="json")},
                "model": tuple(self.identity),
                "judged": self.by.judged,
            },
            inputs=(*(ref for table in seen for ref in self.tables.get(table, ())), *completions),
            tables=outputs,
        )


@task(name="judge", task_run_name="judge {by.name}", cache_policy=NO_CACHE, persist_result=False)
def judge(lake: Lake, rounds: Sequence[Tables], by: Judge, models: Streams) -> list[Tables]:
    """Of each round one judge's judgements and ratings, its verdicts if it gives any, and the completions that are new.

    A round holds problems, traces and what was dropped of them, where traces stand so far (which a judge with `when`
    looks at), the judgements of judges before it, and all earlier completions: what was asked before is not asked
    again.

    Raises:
        EngineError: a model cannot be loaded or reached; every reply that came before is stored.
    """
    identity = models.identity(by.config.model)
    with reported(f"{READ}: {by.name}"):
        return [_judged(_Session(lake, one, by, identity), models) for one in rounds]


def _judged(session: _Session, models: Streams) -> Tables:
    before = own_replies(session.lake, session.tables, [session.by.name])
    first = _ask(session, STAGE, session.asked, before, models)
    second = _ask(session, REPAIR, partial(_unread, session, before + first), before + first, models)
    return joined({"completions": first + second}, _read(session, before + first + second))


def own_replies(lake: Lake, tables: Tables, judges: list[str]) -> Refs:
    """Those of a run's completions that judges of these names asked for."""
    return replies_of(lake, tables, ASKING, judge=judges)


def _unread(session: _Session, completions: Refs) -> Iterator[Asked]:
    return repairs(session.by, session.identity, session.asked(), session.replies(completions))


def _ask(session: _Session, name: str, wanted: Callable[[], Iterator[Asked]], before: Refs, models: Streams) -> Refs:
    """Ask what is not among the completions `before`; where the answers are, if there was anything to ask."""
    lake, by = session.lake, session.by

    def new() -> Iterator[Question]:
        known = set(lake.rows({"completions": before}, "completions", ["completion_id"])["completion_id"].to_pylist())
        for one in wanted():
            if one.request.request_id not in known:
                known.add(one.request.request_id)
                subject = one.case.shown[0] if by.kind.task else one.problem_id
                yield Question(f"{STAGE}:{by.name}", subject, one.number, by.config.model, one.request)

    made = ask(lake, session.stage(name, before, ("completions",)), new, models, label=f"{name}: {by.name}")
    return made["completions"] if lake.row_count(made["completions"]) else ()


def _read(session: _Session, completions: Refs) -> Tables:
    by, label = session.by, f"{READ}: {session.by.name}"

    def part() -> Mapping[str, pa.Table]:
        made = judged(by, session.identity, session.asked(), session.replies(completions))
        watcher().advanced(label, made.judgements.num_rows)
        return made._asdict()

    outputs = ("judgements", "ratings", *(["verdicts"] if by.decides else []))
    return session.lake.run(session.stage(READ, completions, outputs), lambda: [part])
