"""Prefect's side of generating."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Final, NamedTuple

import pyarrow as pa
from prefect import task
from prefect.cache_policies import NO_CACHE

from schemas.errors import EngineError
from schemas.refs import Stage, Tables, joined
from tasks.alive import alive
from tasks.asking import replies_of
from tasks.engines.flight import GradingStreams as Asking
from tasks.generate import screen as screening
from tasks.generate.config import GenerateConfig, Sampler
from tasks.generate.contract import Accepts, Problem, Reply
from tasks.generate.generate import REPLY, SEARCH, STAGE, VERSION, Goal, Share, sample, stored_replies, stored_texts
from tasks.generate.rollouts import Rollouts
from tasks.journal import add_each, arrived, collect_each, reopened
from tasks.lake import Lake
from tasks.progress import reported

SCREEN: Final = "screen"
PLAIN: Final = "sample"
"""The strategy that does not search."""


@task(name="generate", task_run_name="generate", cache_policy=NO_CACHE, persist_result=False)
def generate(
    lake: Lake, rounds: Sequence[Tables], config: GenerateConfig, models: Asking, live: Accepts, goal: Goal
) -> list[Tables]:
    """Each round's new traces, and `dropped` for those that cannot be used; no tables where none was missing.

    A round holds problems, what has been dropped of them, and the traces that they have already. What is missing of
    all rounds is sampled together, so that no round waits for the end of another.
    """
    stages = stages_of(lake, rounds, config, models)
    found: list[Tables] = [{} for _ in rounds]
    rest = _Rest(lake, [rounds[at] for at in stages], config, models, live, Share(goal))
    searching = searches_of(stages.values())
    made = collect_each(lake, [*stages.values(), *searching], rest.take)
    asked = made[len(stages) :] or [{} for _ in stages]
    for at, new, told in zip(stages, made, asked, strict=False):
        if lake.row_count(new["traces"]) or not rounds[at].get("traces"):
            found[at] = joined(new, told, _screened(lake, new, config))
    return found


@task(name="generate a share", task_run_name="generate a share", cache_policy=NO_CACHE, persist_result=False)
def generate_share(
    lake: Lake, rounds: Sequence[Tables], config: GenerateConfig, models: Asking, live: Accepts, share: Share
) -> None:
    """Sample what is missing of a share of all rounds' problems, for the run that collects it by `generate`."""
    stages = stages_of(lake, rounds, config, models)
    rest = _Rest(lake, [rounds[at] for at in stages], config, models, live, share)
    add_each(lake, [*stages.values(), *searches_of(stages.values())], rest.take)


def stages_of(lake: Lake, rounds: Sequence[Tables], config: GenerateConfig, models: Asking) -> dict[int, Stage]:
    """The stages that take samples, by the positions of those rounds of which any may be missing."""
    identities = {name: list(models.identity(one.model)) for name, one in config.samplers.items()}
    settings = {
        "samplers": {name: one.model_dump(mode="json") for name, one in config.samplers.items()},
        "seed": config.seed,
        "models": identities,
    }
    return {
        at: Stage(
            name=STAGE,
            version=VERSION,
            config=settings,
            inputs=(*one["problems"], *one.get("dropped", ()), *one.get("traces", ())),
            tables=("traces",),
        )
        for at, one in enumerate(rounds)
        if not _settled(lake, one, settings)
    }


def searches_of(stages: Iterable[Stage]) -> list[Stage]:
    """The stages that keep what searches ask, beside those that take samples; none where no sampler searches."""
    return [
        one.model_copy(update={"name": SEARCH, "tables": ("completions",)})
        for one in stages
        if any(map(_searches, one.config["samplers"].values()))
    ]


def _searches(sampler: Mapping[str, Any]) -> bool:
    """Whether a sampler, as a stage's settings have it, does; those of old stages say nothing of strategies."""
    return set(sampler.get("strategy", [PLAIN])) != {PLAIN}


def remake(lake: Lake, stage: Stage, config: GenerateConfig, models: Asking, live: Accepts) -> Tables:
    """Sample what a damaged table of traces lacks, as `stage` did: by its settings, which may be older ones.

    A stage that keeps what searches asked has the same settings: they ask again what its table lacks.

    Raises:
        EngineError: a model is not the one that it was then.
    """
    stage = stage.model_copy(update={"name": STAGE, "tables": ("traces",)})
    told = stage.config["samplers"]
    if all(map(lake.whole, stage.outputs["traces"])):
        told = {name: one for name, one in told.items() if _searches(one)}
    samplers = {name: Sampler.model_validate(one) for name, one in told.items()}
    then = config.model_copy(update={"samplers": samplers, "seed": stage.config["seed"]})
    now = {name: list(models.identity(one.model)) for name, one in then.samplers.items()}
    if changed := sorted(name for name, one in now.items() if one != stage.config["models"][name]):
        raise EngineError(
            f"sampler {changed[0]}: the model is not the one that sampled {stage.key}, of which a part is damaged; "
            "have the recipe name that one again for a run"
        )
    names = ("problems", "dropped", "traces")
    one = {name: tuple(ref for ref in stage.inputs if ref.table == name) for name in names}
    one["completions"] = tuple(ref for each in searches_of([stage]) for ref in each.outputs["completions"])
    rest = _Rest(lake, [one], then, models, live, Share(Goal()))
    made, *_ = collect_each(lake, [stage, *searches_of([stage])], rest.take)
    return made


def rescreen(lake: Lake, stage: Stage, config: GenerateConfig) -> Tables:
    """Screen a table of traces once more, as `stage` did: where a part of what it dropped is damaged."""
    some = next(iter(config.samplers.values()))
    then = config.model_copy(
        update={
            "samplers": {name: some.model_copy(update={"think": it}) for name, it in stage.config["think"].items()},
            "keep_unfinished": stage.config["keep_unfinished"],
        }
    )
    return lake.run(stage, lambda: lake.mapped(stage.inputs, _fit, then))


def missing(lake: Lake, rounds: Sequence[Tables], config: GenerateConfig, models: Asking, live: Accepts) -> int:
    """How many samples of these rounds are neither in a table nor in a journal; a damaged table is a journal again."""
    stages = stages_of(lake, rounds, config, models)
    refs = reopened(lake, list(stages.values()))
    some = [rounds[at] for at in stages]
    rest = _Rest(lake, some, config, models, live, Share(Goal()))
    problems, rollouts = rest.plan({at: arrived(lake, ref, set()) for at, ref in refs.items()})
    return sum(map(rollouts.wanted, chain.from_iterable(problems.values())))


class _Rest(NamedTuple):
    """What is not stored of some rounds."""

    lake: Lake
    rounds: Sequence[Tables]
    config: GenerateConfig
    models: Asking
    live: Accepts
    share: Share

    def take(self, stored: Mapping[int, Iterator[pa.Table]]) -> Iterator[tuple[int, pa.Table]]:
        """Sample it; for `collect_each` and `add_each`, whose stages are the rounds' traces, then their searches."""
        problems, rollouts = self.plan(stored)
        wanted = list(chain.from_iterable(problems.values()))
        round_of = {one["problem_id"]: at for at, those in problems.items() for one in those}
        with reported(STAGE, sum(map(rollouts.wanted, wanted))):
            for batch in sample(wanted, rollouts, self.models, self.config, self.share.goal):
                for at, asked in _by_round(batch.completions, "subject_id", round_of):
                    if len(self.rounds) + at in stored:
                        yield len(self.rounds) + at, asked
                for at, traces in _by_round(batch.traces, "problem_id", round_of):
                    if at in stored:
                        yield at, traces

    def plan(self, stored: Mapping[int, Iterator[pa.Table]]) -> tuple[dict[int, list[Problem]], Rollouts]:
        """The share's problems by their rounds' positions, and what is to be taken of them.

        Where a round lacks only what its searches asked, all of these are gone through once more.
        """
        count = len(self.rounds)
        missing = sorted({at % count for at in stored})
        problems = {at: list(filter(self.share.has, _alive(self.lake, self.rounds[at]))) for at in missing}
        before = joined(*(self.rounds[at] for at in missing))
        ids = set(map(str, self.lake.rows(before, "traces", ["trace_id"])["trace_id"].to_pylist()))
        texts = stored_texts(chain.from_iterable(stored[at] for at in missing if at in stored), self.config)
        replies = stored_replies(chain.from_iterable(those for at, those in stored.items() if at >= count))
        return problems, Rollouts(self.config, self.models, self.live, texts, ids, replies | self._told(before))

    def _told(self, before: Tables) -> dict[str, Reply]:
        """What searches were told whose completions are in a whole table, though their traces are not."""
        made = [ref for ref in replies_of(self.lake, before, {SEARCH}) if self.lake.whole(ref)]
        return stored_replies([self.lake.read(*made, columns=REPLY)] if made else [])


def _settled(lake: Lake, one: Tables, settings: dict[str, Any]) -> bool:
    """Whether it can be told without looking at its rows that no sample of a round is missing.

    It can where all was sampled by these very settings, and each problem has as many traces as they ask for.
    """
    made = [lake.manifest(ref) for ref in one.get("traces", ())]
    if not made or any(manifest is None or manifest.stage.config != settings for manifest in made):
        return False
    samplers = settings["samplers"].values()
    if any(sampler["until_accepted"] or _searches(sampler) for sampler in samplers):
        return False
    asked: int = sum(sampler["n"] for sampler in samplers)
    return lake.row_count(one["traces"]) >= asked * len(_alive(lake, one, ["problem_id"]))


def _alive(lake: Lake, one: Tables, columns: list[str] | None = None) -> Sequence[Problem]:
    dropped = lake.rows(one, "dropped")
    problems: Sequence[Problem] = alive(lake.rows(one, "problems", columns), "problems", dropped).to_pylist()
    return problems


def _by_round(table: pa.Table, column: str, round_of: Mapping[str, int]) -> Iterator[tuple[int, pa.Table]]:
    rounds = [round_of[one] for one in map(str, table[column].to_pylist())]
    for at in sorted(set(rounds)):
        yield at, table.filter(pa.array([one == at for one in rounds]))


def _screened(lake: Lake, traces: Tables, config: GenerateConfig) -> Tables:
    stage = Stage(
        name=SCREEN,
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
