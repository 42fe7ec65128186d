"""Prefect's side of scoring steps."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Final

import pyarrow as pa
from prefect import task
from prefect.cache_policies import NO_CACHE

from schemas.refs import Ref, Stage, Tables
from tasks.alive import alive
from tasks.asking import Question, answers, ask, replies_of
from tasks.engines.contract import Identity
from tasks.engines.flight import GradingStreams
from tasks.engines.rewards import REWARD
from tasks.lake import Lake
from tasks.progress import reported, watcher
from tasks.prompts import Prompting
from tasks.references import with_references
from tasks.score import searched
from tasks.score.cases import CONTINUED, STAGE, Case, cases, questions
from tasks.score.config import ScoreConfig
from tasks.score.reward import Answer, question
from tasks.score.reward import scored as scored_by_model
from tasks.score.reward import verdicts as rewarded
from tasks.score.scores import Accepts, Looked, Rollout, scored, verdicts
from tasks.score.search import METHODS, Score

VERSION: Final = "2"
READ: Final = "step scores"
ASKING: Final = frozenset({STAGE})
"""The stage that asks a model."""

Refs = tuple[Ref, ...]
_SEEN: Final = ("problems", "references", "traces", "standings", "dropped")


@dataclass(frozen=True)
class _Session:
    """What scoring a round needs all the time."""

    lake: Lake
    tables: Tables
    config: ScoreConfig
    models: GradingStreams
    live: Accepts
    prompts: Mapping[str, Prompting]

    @cached_property
    def identity(self) -> Identity:
        return self.models.identity(self.config.model)

    @cached_property
    def cases(self) -> list[Case]:
        lake, tables = self.lake, self.tables
        dropped, references = lake.rows(tables, "dropped"), lake.rows(tables, "references")
        problems = alive(with_references(lake.rows(tables, "problems"), references), "problems", dropped)
        traces = alive(lake.rows(tables, "traces", CONTINUED), "traces", dropped)
        return cases(problems, traces, lake.rows(tables, "standings"), self.config, self.prompts)

    def stage(self, name: str, completions: Refs, output: str) -> Stage:
        """A stage of scoring this round; its other inputs are what scoring looks at."""
        how = {name: one.model_dump(include=set(Prompting.model_fields)) for name, one in self.prompts.items()}
        return Stage(
            name=name,
            version=VERSION,
            config={
                "score": self.config.model_dump(mode="json"),
                "model": tuple(self.identity),
                "prompts": how,
                "live": self.live.settings,
            },
            inputs=(*(ref for table in _SEEN for ref in self.tables.get(table, ())), *completions),
            tables=(output,),
        )

    def rollouts(self, completions: Refs) -> dict[str, Rollout]:
        """Stored continuations, by the request's id."""
        return answers(self.lake, completions, Rollout)


@task(name="score", task_run_name="score", cache_policy=NO_CACHE, persist_result=False)
def score(
    lake: Lake,
    rounds: Sequence[Tables],
    config: ScoreConfig,
    models: GradingStreams,
    live: Accepts,
    prompts: Mapping[str, Prompting],
) -> list[Tables]:
    """Of each round the verdicts by `rollouts`, or by `reward`, and the completions that are new.

    A round holds problems, traces, references, standings, what was dropped, and all earlier completions: what was asked
    before is not asked again. `prompts` are the samplers', by name.

    Raises:
        EngineError: the model cannot be loaded or reached; every continuation that came before is stored.
        WorkerError: the verifiers' workers cannot start.
    """
    scored_by = _rewarded if config.method == REWARD else _scored
    return [scored_by(_Session(lake, one, config, models, live, prompts)) for one in rounds]


@task(name="searched", task_run_name="search verdicts", cache_policy=NO_CACHE, persist_result=False)
def search_verdicts(lake: Lake, rounds: Sequence[Tables]) -> list[Tables]:
    """Of each round with searches the verdicts by `search`, of what these say of steps; a part for each of traces."""
    return [_searched(lake, one) if replies_of(lake, one, {searched.SEARCH}) else {} for one in rounds]


def _searched(lake: Lake, one: Tables) -> Tables:
    inputs = one["traces"]
    stage = Stage(name=searched.STAGE, version=searched.VERSION, config={}, inputs=inputs, tables=("verdicts",))
    if not lake.done(stage) and not searched.any_scored(lake.rows(one, "traces", ["search"])):
        return {}
    return lake.run(stage, lambda: lake.mapped(inputs, _told))


def _told(traces: pa.Table) -> Mapping[str, pa.Table]:
    return {"verdicts": searched.verdicts(traces)}


def _scored(session: _Session) -> Tables:
    before = replies_of(session.lake, session.tables, ASKING)
    if session.lake.done(made := session.stage(READ, before, "verdicts")):
        return made.outputs
    rollouts = session.rollouts(before)
    new: Refs = ()
    found: dict[tuple[str, int], Score] = {}
    while wanted := _wanted(session, found):
        if not _known(session, wanted, rollouts):
            asked = _asked(session, wanted, rollouts, before + new)
            rollouts |= session.rollouts(asked)
            new += asked
        with reported(READ, len(wanted)):
            found |= scored(_looked(session, wanted, rollouts), session.live)
            watcher().advanced(READ, len(wanted))
    version = f"{VERSION} {session.config.method}, k {session.config.k}, {session.identity.model}"

    def part() -> Mapping[str, pa.Table]:
        return {"verdicts": verdicts(session.cases, found, session.config, version)}

    stage = session.stage(READ, before + new, "verdicts")
    return {"completions": new, **session.lake.run(stage, lambda: [part])}


def _rewarded(session: _Session) -> Tables:
    """A reward model is asked about each trace once."""
    before = replies_of(session.lake, session.tables, ASKING)
    if session.lake.done(made := session.stage(READ, before, "verdicts")):
        return made.outputs
    questions = {case.trace_id: question(case, session.config, session.identity) for case in session.cases}
    told = answers(session.lake, before, Answer)
    new: Refs = ()
    # Imported traces may be alike in all but their ids.
    wanted = {one.request.request_id: one for one in questions.values()}
    if missing := [one for name, one in wanted.items() if name not in told]:
        stage = session.stage(STAGE, before, "completions")
        by = partial(scored_by_model, session.models, {case.trace_id: case for case in session.cases})
        new = ask(session.lake, stage, lambda: missing, session.models, by=by)["completions"]
        told |= answers(session.lake, new, Answer)
    version = f"{VERSION} {session.config.method}, {session.identity.model}"
    those = [(case, told[questions[case.trace_id].request.request_id]) for case in session.cases]

    def part() -> Mapping[str, pa.Table]:
        return {"verdicts": rewarded(those, session.config, version)}

    stage = session.stage(READ, before + new, "verdicts")
    return {"completions": new, **session.lake.run(stage, lambda: [part])}


def _wanted(session: _Session, found: Mapping[tuple[str, int], Score]) -> list[tuple[Case, int]]:
    """The steps that are to be scored next, all traces' together."""
    search, threshold = METHODS[session.config.method], session.config.threshold
    wanted = []
    for case in session.cases:
        known = {step: score for step in range(case.steps) if (score := found.get((case.trace_id, step))) is not None}
        wanted += [(case, step) for step in search(case.steps, case.right, known, threshold).look]
    return wanted


def _known(session: _Session, wanted: Sequence[tuple[Case, int]], rollouts: Mapping[str, Rollout]) -> bool:
    return all(one.request.request_id in rollouts for one in _questions(session, wanted))


def _asked(
    session: _Session, wanted: Sequence[tuple[Case, int]], rollouts: Mapping[str, Rollout], before: Refs
) -> Refs:
    """Ask for the continuations that are not there; where they are."""

    def new() -> Iterator[Question]:
        seen = set(rollouts)
        for one in _questions(session, wanted):
            if one.request.request_id not in seen:
                seen.add(one.request.request_id)
                yield one

    return ask(session.lake, session.stage(STAGE, before, "completions"), new, session.models)["completions"]


def _questions(session: _Session, wanted: Sequence[tuple[Case, int]]) -> Iterator[Question]:
    return (one for case, step in wanted for one in questions(case, step, session.config, session.identity))


def _looked(session: _Session, wanted: Sequence[tuple[Case, int]], rollouts: Mapping[str, Rollout]) -> Iterator[Looked]:
    for case, step in wanted:
        asked = questions(case, step, session.config, session.identity)
        yield Looked(case, step, tuple(rollouts[one.request.request_id] for one in asked))
