"""Prefect's side of verifying."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc
from prefect import task
from prefect.cache_policies import NO_CACHE

from schemas.errors import RecipeError
from schemas.refs import Ref, Stage, Tables, joined
from tasks.asking import Question, ask
from tasks.engines.flight import Streams
from tasks.lake import Lake, Make
from tasks.progress import reported, watcher
from tasks.verify.gold import drop_bad_references
from tasks.verify.majority import MAJORITY, VOTING, MajorityConfig, vote, with_origin, with_references
from tasks.verify.program import PROGRAMS, WITNESS, WitnessConfig, Written, program_questions
from tasks.verify.program import witness as run_programs
from tasks.verify.settle import Court
from tasks.verify.verify import GOLD, STAGE, VERSION, VerifyConfig, build, gold_failures
from tasks.verify.verify import verify as verify_traces
from tasks.workers import WorkerPool


@task(name="verify", task_run_name="verify", cache_policy=NO_CACHE, persist_result=False)
def verify(lake: Lake, tables: Tables, config: VerifyConfig) -> Tables:
    """Verdicts on all traces; problems whose reference fails its own verifier are dropped.

    Where the settings ask for it, a majority's answer stands in for a missing reference, and problems without a
    majority are dropped.

    Raises:
        RecipeError: the majority needs witnesses, and no stage has written any.
    """
    with WorkerPool(config.processes, memory_mb=config.memory_mb) as pool:
        references = _references(lake, tables, config, pool)
        with reported(STAGE, lake.row_count(tables["traces"])):
            given = {**tables, "references": references.get("references", ())}
            stage = _stage(STAGE, ("verdicts",), given, config)
            verdicts = lake.run(stage, partial(_verdicts, lake, given, config, pool))
            with reported(GOLD, lake.row_count(tables["problems"])):
                stage = _stage(GOLD, ("dropped",), tables, config)
                gold = lake.run(stage, lambda: [partial(_gold, lake, tables, config, pool)])
    return joined(references, verdicts, gold)


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
    versions = "; ".join(f"{verifier} {one.version}" for verifier, one in build(config).items())
    inputs = ("problems", "traces", *{STAGE: ("references",), MAJORITY: ("dropped", "witnesses")}.get(name, ()))
    settings = {"verifiers", "deadline_s", *({"majority"} if name == MAJORITY else ())}
    return Stage(
        name=name,
        version=f"{VERSION}; {versions}",
        config=config.model_dump(mode="json", include=settings),
        inputs=tuple(ref for table in inputs for ref in tables.get(table, ())),
        tables=outputs,
    )


def _references(lake: Lake, tables: Tables, config: VerifyConfig, pool: WorkerPool) -> Tables:
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
        for ref in tables["traces"]:
            for index in range(lake.part_count(ref)):
                part = lake.read_part(ref, index).select(VOTING)
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


def _verdicts(lake: Lake, tables: Tables, config: VerifyConfig, pool: WorkerPool) -> Iterator[Make]:
    references = lake.rows(tables, "references")
    problems = with_references(lake.read(*tables["problems"]), references)

    def part(ref: Ref, index: int) -> Mapping[str, pa.Table]:
        traces = lake.read_part(ref, index)
        return {"verdicts": with_origin(verify_traces(problems, traces, config, pool), traces, references)}

    for ref in tables["traces"]:
        yield from (partial(part, ref, index) for index in range(lake.part_count(ref)))


def _gold(lake: Lake, tables: Tables, config: VerifyConfig, pool: WorkerPool) -> Mapping[str, pa.Table]:
    failures = gold_failures(lake.read(*tables["problems"]), config, pool)
    traces = lake.read(*tables["traces"], columns=["trace_id", "problem_id"])
    return {"dropped": drop_bad_references(traces, failures)}
