"""Prefect's side of verifying."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from prefect import task
from prefect.cache_policies import NO_CACHE

from schemas.errors import RecipeError
from schemas.refs import Ref, Stage, Tables, joined
from schemas.tables import Status
from tasks.asking import Question, ask
from tasks.engines.flight import Streams
from tasks.lake import Lake, Make
from tasks.progress import reported, watcher
from tasks.verify import filtering
from tasks.verify.gold import drop_bad_references
from tasks.verify.majority import MAJORITY, VOTING, MajorityConfig, vote, with_origin, with_references
from tasks.verify.program import PROGRAMS, WITNESS, WitnessConfig, Written, program_questions
from tasks.verify.program import witness as run_programs
from tasks.verify.rule import RuleConfig, Said, standings
from tasks.verify.settle import Court
from tasks.verify.verify import GOLD, STAGE, VERSION, VerifyConfig, alone, build, gold_failures, label, turns
from tasks.verify.verify import verify as verify_traces
from tasks.workers import WorkerPool

FILTERS: Final = "filters"
_FURTHER_INPUTS: Final = {STAGE: ("references", "verdicts"), MAJORITY: ("dropped", "witnesses")}
_JUDGED: Final = pa.array([Status.CORRECT.value, Status.INCORRECT.value])


class _Session(NamedTuple):
    """What verifying needs all the time."""

    lake: Lake
    config: VerifyConfig
    pool: WorkerPool


@task(name="verify", task_run_name="verify", cache_policy=NO_CACHE, persist_result=False)
def verify(lake: Lake, tables: Tables, config: VerifyConfig) -> Tables:
    """Verdicts on all traces; problems whose reference fails its own verifier are dropped.

    Where the settings ask for it, a majority's answer stands in for a missing reference, and problems without a
    majority are dropped.

    Raises:
        RecipeError: the majority needs witnesses, and no stage has written any.
    """
    with WorkerPool(config.processes, memory_mb=config.memory_mb) as pool:
        session = _Session(lake, config, pool)
        references = _references(session, tables)
        verdicts = _verdicts(session, {**tables, "references": references.get("references", ())})
        with reported(GOLD, lake.row_count(tables["problems"])):
            stage = _stage(GOLD, ("dropped",), tables, config)
            gold = lake.run(stage, lambda: [partial(_gold, session, tables)])
    filtered = _filtered(lake, tables, config) if config.filters else {}
    return joined(references, verdicts, gold, filtered)


@task(name="stand", task_run_name="stand", cache_policy=NO_CACHE, persist_result=False)
def stand(lake: Lake, tables: Tables, rule: RuleConfig) -> Tables:
    """Where traces stand by all verdicts that there are: standings."""
    stage = Stage(
        name="standings",
        version=VERSION,
        config=rule.model_dump(mode="json"),
        inputs=tables["verdicts"],
        tables=("standings",),
    )

    def part() -> Mapping[str, pa.Table]:
        said = lake.read(*tables["verdicts"], columns=["trace_id", *Said._fields])
        return {"standings": standings(said, rule)}

    return lake.run(stage, lambda: [part])


@task(name="witness", task_run_name="witness", cache_policy=NO_CACHE, persist_result=False)
def witness(lake: Lake, tables: Tables, config: WitnessConfig, models: Streams) -> Tables:
    """A program for each problem that was sampled and has no reference, and what it prints.

    Gives completions, the new ones, and witnesses. `tables` holds all rounds' problems and traces, and all earlier
    completions.
    """
    before = tables.get("completions", ())
    identity = models.identity(config.model)
    stage = Stage(
        name=PROGRAMS,
        version=VERSION,
        config={"witness": config.model_dump(mode="json", exclude={"limits"}), "model": tuple(identity)},
        inputs=(*tables["problems"], *tables["traces"], *before),
        tables=("completions",),
    )

    def questions() -> Sequence[Question]:
        asked = set(map(str, lake.rows(tables, "completions", ["completion_id"])["completion_id"].to_pylist()))
        problems, traces = lake.rows(tables, "problems"), lake.rows(tables, "traces", ["problem_id"])
        sampled = problems.filter(pc.is_in(problems["problem_id"], value_set=traces["problem_id"].combine_chunks()))
        return [one for one in program_questions(sampled, config, identity) if one.request.request_id not in asked]

    written = ask(lake, stage, questions, models)
    written = written if lake.row_count(written["completions"]) else {}
    return joined(written, _ran(lake, joined(tables, written), config))


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


def _references(session: _Session, tables: Tables) -> Tables:
    lake, config, pool = session
    if config.majority is None:
        return {}
    if config.majority.witness != "off" and not tables.get("witnesses"):
        raise RecipeError(
            f"verify.majority.witness is {config.majority.witness}, but no programs were written for the problems: "
            "have the recipe generate them, or set it to off"
        )
    stage = _stage(MAJORITY, ("references", "dropped"), tables, config)
    part = partial(_vote, lake, tables, config.majority, Court(build(config), pool, config.deadline_s))
    with reported(MAJORITY, lake.row_count(tables["traces"])):
        return lake.run(stage, lambda: [part])


def _vote(lake: Lake, tables: Tables, config: MajorityConfig, court: Court) -> Mapping[str, pa.Table]:
    def ballots() -> Iterator[pa.Table]:
        for place in lake.places(tables["traces"]):
            part = lake.read_part(*place).select(VOTING)
            yield part
            watcher().advanced(MAJORITY, part.num_rows)

    made: Mapping[str, pa.Table] = vote(
        lake.read(*tables["problems"]),
        ballots(),
        config,
        court,
        dropped=lake.rows(tables, "dropped"),
        witnesses=lake.rows(tables, "witnesses"),
    )._asdict()
    return made


def _verdicts(session: _Session, tables: Tables) -> Tables:
    """Each verifier's verdicts in a table of its own: where one of them changes, the others' stay."""
    lake, config, _ = session
    found: Tables = {"verdicts": ()}
    for turn in turns(config, lake.rows(tables, "problems", ["domain"])):
        before = {"verdicts": found["verdicts"] if config.rule.kind == "first" else ()}
        for name in turn:
            with reported(label(config, name), lake.row_count(tables["traces"])):
                stage = _stage(STAGE, ("verdicts",), tables | before, alone(config, name))
                found = joined(found, lake.run(stage, partial(_by, name, session, tables | before)))
    return found


def _by(name: str, session: _Session, tables: Tables) -> Iterator[Make]:
    """One verifier's verdicts on the traces that none of those before it has judged."""
    lake, config, pool = session
    references = lake.rows(tables, "references")
    problems = with_references(lake.read(*tables["problems"]), references)
    before = lake.rows(tables, "verdicts", ["trace_id", "status"])
    judged = before.filter(pc.is_in(before["status"], value_set=_JUDGED))["trace_id"].combine_chunks()

    def part(ref: Ref, index: int) -> Mapping[str, pa.Table]:
        traces = lake.read_part(ref, index)
        left = traces.filter(pc.invert(pc.is_in(traces["trace_id"], value_set=judged)))
        return {"verdicts": with_origin(verify_traces(problems, left, config, pool, name), left, references)}

    return (partial(part, *place) for place in lake.places(tables["traces"]))


def _filtered(lake: Lake, tables: Tables, config: VerifyConfig) -> Tables:
    filters = filtering.build(config.filters)
    versions = "; ".join(f"{name} {one.version}" for name, one in filters.items())
    stage = Stage(
        name=FILTERS,
        version=f"{VERSION}; {versions}",
        config=config.model_dump(mode="json", include={"filters"}),
        inputs=(*tables["problems"], *tables["traces"]),
        tables=("dropped",),
    )

    def part(problems: pa.Table, ref: Ref, index: int) -> Mapping[str, pa.Table]:
        traces = lake.read_part(ref, index)
        dropped = filtering.filtered(problems, traces, filters)
        watcher().advanced(FILTERS, traces.num_rows)
        return {"dropped": dropped}

    def parts() -> Iterator[Make]:
        problems = lake.read(*tables["problems"])
        return (partial(part, problems, *place) for place in lake.places(tables["traces"]))

    with reported(FILTERS, lake.row_count(tables["traces"])):
        return lake.run(stage, parts)


def _gold(session: _Session, tables: Tables) -> Mapping[str, pa.Table]:
    lake, config, pool = session
    failures = gold_failures(lake.read(*tables["problems"]), config, pool)
    traces = lake.read(*tables["traces"], columns=["trace_id", "problem_id"])
    return {"dropped": drop_bad_references(traces, failures)}
