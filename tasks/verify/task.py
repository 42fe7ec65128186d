"""Prefect's side of verifying."""

from collections.abc import Iterator, Mapping
from functools import partial

import pyarrow as pa
from prefect import task
from prefect.cache_policies import NO_CACHE

from schemas.refs import Ref, Stage, Tables, joined
from tasks.lake import Lake, Make
from tasks.progress import reported
from tasks.verify.gold import drop_bad_references
from tasks.verify.verify import GOLD, STAGE, VERSION, VerifyConfig, build, gold_failures
from tasks.verify.verify import verify as verify_traces
from tasks.workers import WorkerPool


@task(name="verify", task_run_name="verify", cache_policy=NO_CACHE, persist_result=False)
def verify(lake: Lake, tables: Tables, config: VerifyConfig) -> Tables:
    """Verdicts on all traces; problems whose reference fails its own verifier are dropped."""
    with (
        reported(STAGE, lake.row_count(tables["traces"])),
        WorkerPool(config.processes, memory_mb=config.memory_mb) as pool,
    ):
        verdicts = lake.run(_stage(STAGE, "verdicts", tables, config), partial(_verdicts, lake, tables, config, pool))
        with reported(GOLD, lake.row_count(tables["problems"])):
            gold = lake.run(_stage(GOLD, "dropped", tables, config), partial(_gold, lake, tables, config, pool))
    return joined(verdicts, gold)


def _stage(name: str, table: str, tables: Tables, config: VerifyConfig) -> Stage:
    versions = "; ".join(f"{verifier} {one.version}" for verifier, one in build(config).items())
    return Stage(
        name=name,
        version=f"{VERSION}; {versions}",
        config=config.model_dump(mode="json", include={"verifiers", "deadline_s"}),
        inputs=(*tables["problems"], *tables["traces"]),
        tables=(table,),
    )


def _verdicts(lake: Lake, tables: Tables, config: VerifyConfig, pool: WorkerPool) -> Iterator[Make]:
    problems = lake.read(*tables["problems"])

    def part(ref: Ref, index: int) -> Mapping[str, pa.Table]:
        return {"verdicts": verify_traces(problems, lake.read_part(ref, index), config, pool)}

    for ref in tables["traces"]:
        yield from (partial(part, ref, index) for index in range(lake.part_count(ref)))


def _gold(lake: Lake, tables: Tables, config: VerifyConfig, pool: WorkerPool) -> Iterator[Make]:
    def part() -> Mapping[str, pa.Table]:
        failures = gold_failures(lake.read(*tables["problems"]), config, pool)
        return {
            "dropped": drop_bad_references(lake.read(*tables["traces"], columns=["trace_id", "problem_id"]), failures)
        }

    yield part
