"""Prefect's side of verifying."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from prefect import task
from prefect.cache_policies import NO_CACHE

from schemas.errors import RecipeError
from schemas.refs import Ref, Stage, Tables, added, joined
from schemas.tables import Status
from tasks.asking import Question, ask
from tasks.engines.flight import Streams
from tasks.lake import Lake
from tasks.progress import reported, watcher
from tasks.references import with_references
from tasks.shards import Shared
from tasks.verify import filtering
from tasks.verify.gold import drop_bad_references
from tasks.verify.majority import MAJORITY, VOTING, MajorityConfig, vote, with_origin
from tasks.verify.program import PROGRAMS, WITNESS, WitnessConfig, Written, program_questions
from tasks.verify.program import witness as run_programs
from tasks.verify.rule import RuleConfig, Said, standings
from tasks.verify.settle import Court
from tasks.verify.verify import GOLD, STAGE, VERSION, VerifyConfig, alone, build, gold_failures, label, turns
from tasks.verify.verify import verify as verify_traces
from tasks.workers import WorkerPool

FILTERS: Final = "filters"
_FURTHER_INPUTS: Final = {STAGE: ("references", "verdicts"), MAJORITY: ("dropped", "witnesses")}
Refs = tuple[Ref, ...]
_JUDGED: Final = pa.array([Status.CORRECT.value, Status.INCORRECT.value])


class _Session(NamedTuple):
    """What verifying needs all the time."""

    lake: Lake
    config: VerifyConfig
    pool: WorkerPool


class _Known(NamedTuple):
    """What a verifier goes by, beside the traces."""

    problems: pa.Table
    references: pa.Table
    judged: "pa.Array[pa.StringScalar]"
    """The traces that those before it have judged."""


@task(name="verify", task_run_name="verify", cache_policy=NO_CACHE, persist_result=False)
def verify(lake: Lake, rounds: Sequence[Tables], config: VerifyConfig) -> list[Tables]:
    """Verdicts on each round's traces; problems whose reference fails its own verifier are dropped.

    Where the settings ask for it, a majority's answer stands in for a missing reference, and problems without a
    majority are dropped.

    Raises:
        RecipeError: the majority needs witnesses, and no stage has written any.
    """
    with WorkerPool(config.processes, memory_mb=config.memory_mb) as pool:
        session = _Session(lake, config, pool)
        voted: list[Tables] = [{} for _ in rounds]
        if config.majority:
            voted = _each(session, MAJORITY, rounds, partial(_references, session, config.majority))
        known = [{**one, "references": found.get("references", ())} for one, found in zip(rounds, voted, strict=True)]
        made = [voted, _verdicts(session, known), _each(session, GOLD, rounds, partial(_gold, session), "problems")]
    if config.filters:
        made.append(_each(session, FILTERS, rounds, partial(_filtered, lake, config)))
    return added(*made)


@task(name="stand", task_run_name="stand", cache_policy=NO_CACHE, persist_result=False)
def stand(lake: Lake, rounds: Sequence[Tables], rule: RuleConfig) -> list[Tables]:
    """Where each round's traces stand by all verdicts that there are: standings."""
    return [_standings(lake, one["verdicts"], rule) for one in rounds]


def _standings(lake: Lake, verdicts: Refs, rule: RuleConfig) -> Tables:
    stage = Stage(
        name="standings",
        version=VERSION,
        config=rule.model_dump(mode="json"),
        inputs=verdicts,
        tables=("standings",),
    )

    def part() -> Mapping[str, pa.Table]:
        return {"standings": standings(lake.read(*verdicts, columns=["trace_id", *Said._fields]), rule)}

    return lake.run(stage, lambda: [part])


@task(name="witness", task_run_name="witness", cache_policy=NO_CACHE, persist_result=False)
def witness(lake: Lake, rounds: Sequence[Tables], config: WitnessConfig, models: Streams) -> list[Tables]:
    """A program for each problem that was sampled and has no reference, and what it prints.

    Gives each round's completions, the new ones, and witnesses. A round holds problems, traces, and the completions
    that there are already.
    """
    written = [_programs(lake, one, config, models) for one in rounds]
    return added(written, [_ran(lake, one, config) for one in added(rounds, written)])


def _programs(lake: Lake, tables: Tables, config: WitnessConfig, models: Streams) -> Tables:
    identity = models.identity(config.model)
    stage = Stage(
        name=PROGRAMS,
        version=VERSION,
        config={"witness": config.model_dump(mode="json", exclude={"limits"}), "model": tuple(identity)},
        inputs=(*tables["problems"], *tables.get("traces", ()), *tables.get("completions", ())),
        tables=("completions",),
    )

    def questions() -> Sequence[Question]:
        asked = set(map(str, lake.rows(tables, "completions", ["completion_id"])["completion_id"].to_pylist()))
        problems, traces = lake.rows(tables, "problems"), lake.rows(tables, "traces", ["problem_id"])
        sampled = problems.filter(pc.is_in(problems["problem_id"], value_set=traces["problem_id"].combine_chunks()))
        return [one for one in program_questions(sampled, config, identity) if one.request.request_id not in asked]

    written = ask(lake, stage, questions, models)
    return written if lake.row_count(written["completions"]) else {}


def _ran(lake: Lake, tables: Tables, config: WitnessConfig) -> Tables:
    stage = Stage(
        name="witness",
        version=VERSION,
        config=config.model_dump(mode="json", include={"limits"}),
        inputs=tables.get("completions", ()),
        tables=("witnesses",),
    )

    def part() -> Mapping[str, pa.Table]:
        rows = lake.rows(tables, "completions", ["kind", "subject_id", "text", "model", "completion_tokens"])
        programs = rows.filter(pc.equal(rows["kind"], pa.scalar(WITNESS))).drop_columns(["kind"])
        with reported(stage.name, programs.num_rows):
            made = run_programs((Written(*row.values()) for row in programs.to_pylist()), config.limits)
            watcher().advanced(stage.name, programs.num_rows)
        return {"witnesses": made}

    return lake.run(stage, lambda: [part])


def _stage(name: str, outputs: tuple[str, ...], tables: Tables, config: VerifyConfig) -> Stage:
    """A stage that all verifiers take part in, or the one in `config`, if there is but one."""
    versions = "; ".join(f"{verifier} {one.version}" for verifier, one in build(config).items())
    inputs = ("problems", "traces", *_FURTHER_INPUTS.get(name, ()))
    settings = {"verifiers", "deadline_s", *({"majority"} if name == MAJORITY else ())}
    return Stage(
        name=name,
        version=f"{VERSION}; {versions}",
        config=config.model_dump(mode="json", include=settings),
        inputs=tuple(ref for table in inputs for ref in tables.get(table, ())),
        tables=outputs,
    )


def _each(
    session: _Session, label: str, rounds: Sequence[Tables], run: Callable[[Tables], Tables], counted: str = "traces"
) -> list[Tables]:
    """What a stage makes of each round; progress counts the traces, or problems, of all of them."""
    with reported(label, session.lake.row_count(joined(*rounds).get(counted, ()))):
        return [run(one) for one in rounds]


def _references(session: _Session, majority: MajorityConfig, tables: Tables) -> Tables:
    lake, config, pool = session
    if majority.witness != "off" and not tables.get("witnesses"):
        raise RecipeError(
            f"verify.majority.witness is {majority.witness}, but no programs were written for the problems: "
            "have the recipe generate them, or set it to off"
        )
    stage = _stage(MAJORITY, ("references", "dropped"), tables, config)
    part = partial(_vote, lake, tables, majority, Court(build(config), pool, config.deadline_s))
    return lake.run(stage, lambda: [part])


def _vote(lake: Lake, tables: Tables, config: MajorityConfig, court: Court) -> Mapping[str, pa.Table]:
    def ballots() -> Iterator[pa.Table]:
        for place in lake.places(tables.get("traces", ())):
            part = lake.read_part(*place).select(VOTING)
            yield part
            watcher().advanced(MAJORITY, part.num_rows)

    made: Mapping[str, pa.Table] = vote(
        lake.rows(tables, "problems"),
        ballots(),
        config,
        court,
        dropped=lake.rows(tables, "dropped"),
        witnesses=lake.rows(tables, "witnesses"),
    )._asdict()
    return made


def _verdicts(session: _Session, rounds: Sequence[Tables]) -> list[Tables]:
    """Each verifier's verdicts in a table of its own: where one of them changes, the others' stay."""
    lake, config, _ = session
    none: list[Tables] = [{"verdicts": ()} for _ in rounds]
    found = none
    for turn in turns(config, lake.rows(joined(*rounds), "problems", ["domain"])):
        before = found if config.rule.kind == "first" else none
        known = [{**one, **those} for one, those in zip(rounds, before, strict=True)]
        for name in turn:
            found = added(found, _each(session, label(config, name), known, partial(_by, name, session)))
    return found


def _by(name: str, session: _Session, tables: Tables) -> Tables:
    """One verifier's verdicts on the traces that none of those before it has judged."""
    lake, config, pool = session
    known = Shared(_known, lake, {kind: tables.get(kind, ()) for kind in ("problems", "references", "verdicts")})
    stage = _stage(STAGE, ("verdicts",), tables, alone(config, name))
    return lake.run(stage, lambda: lake.mapped(tables.get("traces", ()), _judged, known, config, pool, name))


def _known(lake: Lake, tables: Tables) -> _Known:
    references = lake.rows(tables, "references")
    before = lake.rows(tables, "verdicts", ["trace_id", "status"])
    judged = before.filter(pc.is_in(before["status"], value_set=_JUDGED))["trace_id"].combine_chunks()
    return _Known(with_references(lake.rows(tables, "problems"), references), references, judged)


def _judged(
    traces: pa.Table, known: Shared[_Known], config: VerifyConfig, pool: WorkerPool, name: str
) -> Mapping[str, pa.Table]:
    problems, references, judged = known()
    left = traces.filter(pc.invert(pc.is_in(traces["trace_id"], value_set=judged)))
    return {"verdicts": with_origin(verify_traces(problems, left, config, pool, name), left, references)}


def _filtered(lake: Lake, config: VerifyConfig, tables: Tables) -> Tables:
    versions = "; ".join(f"{name} {one.version}" for name, one in filtering.build(config.filters).items())
    stage = Stage(
        name=FILTERS,
        version=f"{VERSION}; {versions}",
        config=config.model_dump(mode="json", include={"filters"}),
        inputs=(*tables["problems"], *tables.get("traces", ())),
        tables=("dropped",),
    )

    known = Shared(_known, lake, {"problems": tables["problems"]})
    filters = Shared(filtering.build, config.filters)
    return lake.run(stage, lambda: lake.mapped(tables.get("traces", ()), _faulty, known, filters))


def _faulty(
    traces: pa.Table, known: Shared[_Known], filters: Shared[dict[str, filtering.Filter]]
) -> Mapping[str, pa.Table]:
    dropped = filtering.filtered(known().problems, traces, filters())
    watcher().advanced(FILTERS, traces.num_rows)
    return {"dropped": dropped}


def _gold(session: _Session, tables: Tables) -> Tables:
    lake, config, pool = session

    def part() -> Mapping[str, pa.Table]:
        failures = gold_failures(lake.rows(tables, "problems"), config, pool)
        traces = lake.rows(tables, "traces", ["trace_id", "problem_id"])
        return {"dropped": drop_bad_references(traces, failures)}

    return lake.run(_stage(GOLD, ("dropped",), tables, config), lambda: [part])
