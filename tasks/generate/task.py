"""Prefect's side of generating."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import pyarrow as pa
from prefect import task
from prefect.cache_policies import NO_CACHE

from schemas.refs import Stage, Tables, joined
from tasks.alive import alive
from tasks.engines.flight import Streams
from tasks.generate import screen as screening
from tasks.generate.config import GenerateConfig
from tasks.generate.generate import STAGE, VERSION, Goal, sample, stored_texts
from tasks.generate.rollouts import Accepts, Problem, Rollouts
from tasks.journal import collect_each
from tasks.lake import Lake
from tasks.progress import reported


@task(name="generate", task_run_name="generate", cache_policy=NO_CACHE, persist_result=False)
def generate(
    lake: Lake, rounds: Sequence[Tables], config: GenerateConfig, models: Streams, live: Accepts, goal: Goal
) -> list[Tables]:
    """Each round's new traces, and `dropped` for those that cannot be used; no tables where none was missing.

    A round holds problems, what has been dropped of them, and the traces that they have already. What is missing of
    all rounds is sampled together, so that no round waits for the end of another.
    """
    identities = {name: list(models.identity(one.model)) for name, one in config.samplers.items()}
    settings = {
        "samplers": {name: one.model_dump(mode="json") for name, one in config.samplers.items()},
        "seed": config.seed,
        "models": identities,
    }
    wanting = [at for at, one in enumerate(rounds) if not _settled(lake, one, settings)]
    stages = [
        Stage(
            name=STAGE,
            version=VERSION,
            config=settings,
            inputs=(*rounds[at]["problems"], *rounds[at].get("dropped", ()), *rounds[at].get("traces", ())),
            tables=("traces",),
        )
        for at in wanting
    ]

    def rest(stored: Mapping[int, Iterator[pa.Table]]) -> Iterable[tuple[int, pa.Table]]:
        problems = {at: _alive(lake, rounds[wanting[at]]) for at in stored}
        before = joined(*(rounds[wanting[at]] for at in stored))
        ids = set(map(str, lake.rows(before, "traces", ["trace_id"])["trace_id"].to_pylist()))
        texts = stored_texts(chain.from_iterable(stored.values()), config)
        rollouts = Rollouts(config, models, live, texts, ids)
        wanted = list(chain.from_iterable(problems.values()))
        round_of = {one["problem_id"]: at for at, those in problems.items() for one in those}
        with reported(STAGE, sum(map(rollouts.wanted, wanted))):
            for table in sample(wanted, rollouts, models, config, goal):
                yield from _by_round(table, round_of)

    found: list[Tables] = [{} for _ in rounds]
    for at, new in zip(wanting, collect_each(lake, stages, rest), strict=True):
        if lake.row_count(new["traces"]) or not rounds[at].get("traces"):
            found[at] = joined(new, _screened(lake, new, config))
    return found


def _settled(lake: Lake, one: Tables, settings: dict[str, Any]) -> bool:
    """Whether it can be told without looking at its rows that no sample of a round is missing.

    It can where all was sampled by these very settings, and each problem has as many traces as they ask for.
    """
    made = [lake.manifest(ref) for ref in one.get("traces", ())]
    if not made or any(manifest is None or manifest.stage.config != settings for manifest in made):
        return False
    samplers = settings["samplers"].values()
    if any(sampler["until_accepted"] for sampler in samplers):
        return False
    asked: int = sum(sampler["n"] for sampler in samplers)
    return lake.row_count(one["traces"]) >= asked * len(_alive(lake, one, ["problem_id"]))


def _alive(lake: Lake, one: Tables, columns: list[str] | None = None) -> Sequence[Problem]:
    dropped = lake.rows(one, "dropped")
    problems: Sequence[Problem] = alive(lake.rows(one, "problems", columns), "problems", dropped).to_pylist()
    return problems


def _by_round(traces: pa.Table, round_of: Mapping[str, int]) -> Iterator[tuple[int, pa.Table]]:
    rounds = [round_of[one] for one in map(str, traces["problem_id"].to_pylist())]
    for at in sorted(set(rounds)):
        yield at, traces.filter(pa.array([one == at for one in rounds]))


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

    return lake.run(stage, lambda: lake.mapped(traces["traces"], _fit, config))


def _fit(traces: pa.Table, config: GenerateConfig) -> Mapping[str, pa.Table]:
    return {"dropped": screening.screen(traces, config)}
