"""Personas become a release: problems are written, traces sampled, and all of it curated; run again, it grows.

A run is a round: it asks for the next problems and takes the samples that are missing. What earlier rounds made stays
as it is; a round that was cut off is gone on with.
"""

from collections.abc import Sequence
from typing import Final

from prefect import flow, get_run_logger

from flows.alarms import announce
from flows.cluster import shared
from flows.config import RefreshConfig
from flows.forms import RefreshSettings, SamplingRecipe, Target
from flows.mend import mend
from flows.page.costs import Spent
from flows.publish import conclude, publish
from flows.recipes import resolve
from flows.sample import Asked, Tools, sample_by_workers
from flows.sift import sifted
from flows.slots import slot
from flows.verdicts import rewritten, verdicts
from flows.working import working
from flows.yields import AlarmConfig, low_yield
from schemas.errors import LakeError
from schemas.refs import ReleaseManifest, Snapshot, Tables, added, joined
from schemas.summary import Summary
from tasks.decontaminate.meaning import ASKING as SAME_PROBLEM
from tasks.decontaminate.task import decontaminate
from tasks.dedupe.task import dedupe_problems
from tasks.engines.models import Models
from tasks.generate.generate import SEARCH, Goal
from tasks.generate.task import generate
from tasks.ingest.task import ingest
from tasks.judge.task import ASKING as JUDGING
from tasks.lake import Lake
from tasks.personas.task import personas
from tasks.problems.task import problems
from tasks.rewrite.task import ASKING as REWRITING
from tasks.rounds import rounds_of
from tasks.score.task import ASKING as SCORING
from tasks.verify.live import LiveVerifier
from tasks.verify.task import witness

_SAMPLING: Final = frozenset({"ingest", "write", "problems", "generate", SEARCH, "screen", "programs", SAME_PROBLEM})
GROWING: Final = _SAMPLING | JUDGING | REWRITING | SCORING
"""The stages whose tables are the ground of later runs; what all others make can be made of these."""


@flow(name="refresh", flow_run_name="refresh {recipe}", persist_result=False)
def refresh(
    recipe: SamplingRecipe,
    lake: str = "data/lake",
    overrides: Sequence[str] = (),
    target_accepted: Target = 0,
    sample: bool = True,  # noqa: FBT001, FBT002 - a switch on Prefect's form
    settings: RefreshSettings = RefreshSettings(),  # noqa: B008 - frozen
) -> ReleaseManifest:
    """Add to a recipe's data set and publish it.

    Args:
        recipe: A name from `tracemill recipes`; a new one is here after deploying again. From Python also a path.
        lake: A folder or an fsspec URL; a relative one is below the folder that was deployed.
        overrides: Any other settings that differ from the recipe's, each as `key.key=value`, such as
            `verify.majority.share=0.6`; `*` stands for every entry. They come after `settings`.
        target_accepted: Go on, round after round, until so many correct traces are kept, and stop there; 0: one round.
        sample: Ask for new problems and traces. Without, what is there is curated again, as after a change of the
            verifiers, benchmarks or rules.
        settings: What is other than the recipe says, in this run; what is left empty stays as the recipe has it.

    Raises:
        TracemillError: What is wrong with the recipe, a model, the source or the lake; what came before it is kept.
    """
    asked = Asked(recipe, (*settings.overrides(recipe), *overrides))
    config = resolve(*asked, RefreshConfig)
    store = Lake(lake)
    with working(store, config, "refresh") as log:
        before = store.snapshots()
        crew = shared(config.machines, store)
        with crew, Models(config.models, slot) as models, LiveVerifier(config.verify) as live:
            tools = Tools(models, live, asked)
            tables, summary = _rounds(store, config, tools, (target_accepted or None) if sample else 0)
        if config.alarm and not target_accepted:
            _heed([one for one in before if one.recipe == config.name], summary, config.alarm)
        return publish(store, config, tables, summary, lambda: Spent(log.took, models.used))


def _heed(before: Sequence[Snapshot], now: Summary, config: AlarmConfig) -> None:
    """Tell of a run that yields little."""
    if low := low_yield(before, now, config):
        get_run_logger().warning("%s", low)
        announce(low)


def _rounds(store: Lake, config: RefreshConfig, tools: Tools, target: int | None) -> tuple[Tables, Summary]:
    """One round; with a target as many as it takes, as long as each adds something; with target 0 nothing new."""
    last = store.last(config.name)
    if target == 0 and last is None:
        raise LakeError(f"recipe {config.name}: this lake has nothing of it to curate again; sample first")
    before: Tables = last.tables if last else {}
    mend(store, before, GROWING, config, tools.models, tools.live)
    goal = Goal(target, last.summary.accepted if last and last.summary else 0)
    while True:
        tables = _round(store, config, before, tools, goal)
        summary = conclude(store, config, tables, tools.models)
        grew = grown(store, tables) != grown(store, before)
        before, goal = tables, Goal(target, summary.accepted)
        if target is None or goal.reached:
            return tables, summary
        if not grew:
            get_run_logger().warning(
                "%s of %s traces accepted, and nothing is left to ask for: raise problems.per_persona or "
                "a sampler's n, or add personas",
                summary.accepted,
                target,
            )
            return tables, summary


def _round(store: Lake, config: RefreshConfig, before: Tables, tools: Tools, goal: Goal) -> Tables:
    """New problems and traces, unless the goal is reached already; then every round is curated, if it is not yet."""
    asked = personas(store, config.personas) if config.problems else {}
    rounds = rounds_of(store, grown(store, before))
    if not goal.reached:
        rounds += _new(store, config, joined(asked, *rounds), rounds, tools)
    kinds = ("problems", "completions")
    unsampled: list[Tables] = [{name: one[name] for name in kinds if name in one} for one in rounds]
    twins = dedupe_problems(store, unsampled, config.dedupe)
    if not goal.reached:
        unfit = added(twins, decontaminate(store, unsampled, config.decontaminate, tools.models))
        kept = added(rounds, [{"dropped": one["dropped"]} for one in unfit])
        sample_by_workers(store, config, kept, tools, goal)
        rounds = added(rounds, generate(store, kept, config.generate, tools.models, tools.live, goal))
    if config.witness:
        rounds = added(rounds, witness(store, rounds, config.witness, tools.models))
    rounds, unusable = rewritten(store, config, rounds, tools.models)
    rounds = added(rounds, verdicts(store, config, rounds, tools.models))
    return joined(asked, unusable, sifted(store, config, rounds, twins, tools.models, tools.live))


def _new(store: Lake, config: RefreshConfig, asked: Tables, rounds: Sequence[Tables], tools: Tools) -> list[Tables]:
    """New problems, of the recipe's source and written by a model: each a round, if there are any."""
    given = ingest(store, config.ingest, rounds) if config.ingest else {}
    written = problems(store, joined(asked, given), config.problems, tools.models) if config.problems else {}
    return [one for one in (given, written) if one]


def grown(store: Lake, tables: Tables) -> Tables:
    """Of a run's tables, those of the stages that add a round's rows to earlier ones."""
    manifests = {ref: store.manifest(ref) for refs in tables.values() for ref in refs}
    kept = {
        name: tuple(ref for ref in refs if (made := manifests[ref]) is not None and made.stage.name in GROWING)
        for name, refs in tables.items()
    }
    return {name: refs for name, refs in kept.items() if refs}
