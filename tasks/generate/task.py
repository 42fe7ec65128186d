"""Prefect's side of generating."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial

import pyarrow as pa
from prefect import task
from prefect.cache_policies import NO_CACHE

from schemas.refs import Ref, Stage, Tables, joined
from tasks.engines.flight import Streams
from tasks.funnel import alive
from tasks.generate import screen as screening
from tasks.generate.config import GenerateConfig
from tasks.generate.generate import STAGE, VERSION, Goal, sample, stored_texts
from tasks.generate.rollouts import Accepts, Problem, Rollouts
from tasks.journal import collect
from tasks.lake import Lake
from tasks.progress import reported


@task(name="generate", task_run_name="generate", cache_policy=NO_CACHE, persist_result=False)
def generate(lake: Lake, tables: Tables, config: GenerateConfig, models: Streams, live: Accepts, goal: Goal) -> Tables:
    """The round's new traces, and `dropped` for those that cannot be used; no tables where none was missing.

    `tables` holds the problems of all rounds, what has been dropped of them, and the traces of earlier rounds.
    """
    before = tables.get("traces", ())
    identities = {name: tuple(models.identity(one.model)) for name, one in config.samplers.items()}
    stage = Stage(
        name=STAGE,
        version=VERSION,
        config={
            "samplers": {name: one.model_dump(mode="json") for name, one in config.samplers.items()},
            "seed": config.seed,
            "models": identities,
        },
        inputs=(*tables["problems"], *tables.get("dropped", ()), *before),
        tables=("traces",),
    )
    problems: Sequence[Problem] = alive(
        lake.rows(tables, "problems"), "problems", lake.rows(tables, "dropped")
    ).to_pylist()

    def rest(stored: Iterator[pa.Table]) -> Iterable[pa.Table]:
        ids = set(map(str, lake.rows(tables, "traces", ["trace_id"])["trace_id"].to_pylist()))
        rollouts = Rollouts(config, models, live, stored_texts(stored, config), ids)
        with reported(STAGE, sum(map(rollouts.wanted, problems))):
            yield from sample(problems, rollouts, models, config, goal)

    traces = collect(lake, stage, rest)
    if before and not lake.row_count(traces["traces"]):
        return {}
    return joined(traces, _screened(lake, traces, config))


def _screened(lake: Lake, traces: Tables, config: GenerateConfig) -> Tables:
    stage = Stage(
        name="screen",
        version=screening.VERSION,
        config={
            "think": {name: one.think for name, one in config.samplers.items()},
            "keep_unfinished": config.keep_unfinished,
        },
        inputs=traces["traces"],
        tables=("dropped",),
    )

    def part(ref: Ref, index: int) -> Mapping[str, pa.Table]:
        return {"dropped": screening.screen(lake.read_part(ref, index), config)}

    return lake.run(stage, lambda: (partial(part, *place) for place in lake.places(traces["traces"])))
