"""Traces you already have become a release: ingest, verify, judge, dedupe, decontaminate, pair, publish."""

from collections.abc import Sequence
from datetime import UTC, datetime

from prefect import flow

from flows.config import CurateConfig
from flows.forms import CurateSettings, CuratingRecipe
from flows.log import logged
from flows.page.costs import Spent
from flows.publish import conclude, publish
from flows.recipes import resolve
from flows.sift import sifted
from flows.verdicts import replies_before, rewritten, verdicts
from schemas.refs import ReleaseManifest, Snapshot, Tables, added, joined
from tasks.dedupe.task import dedupe_problems
from tasks.engines.models import Models
from tasks.ingest.task import ingest
from tasks.lake import Lake
from tasks.verify.live import LiveVerifier


@flow(name="curate", flow_run_name="curate {recipe}", persist_result=False)
def curate(
    recipe: CuratingRecipe,
    lake: str = "data/lake",
    overrides: Sequence[str] = (),
    settings: CurateSettings = CurateSettings(),  # noqa: B008 - frozen
) -> ReleaseManifest:
    """Curate a recipe's traces and publish them.

    Args:
        recipe: A name from `tracemill recipes`; a new one is here after deploying again. From Python also a path.
        lake: A folder or an fsspec URL; a relative one is below the folder that was deployed.
        overrides: Any other settings that differ from the recipe's, each as `key.key=value`, such as
            `decontaminate.ngram=13`; `*` stands for every entry. They come after `settings`.
        settings: What is other than the recipe says, in this run; what is left empty stays as the recipe has it.

    Raises:
        TracemillError: What is wrong with the recipe, the source or the lake; what was finished is kept.
    """
    config = resolve(recipe, [*settings.overrides(recipe), *overrides], CurateConfig)
    store = Lake(lake)
    with logged() as log, Models(config.models) as models, LiveVerifier(config.verify) as live:
        imported = joined(ingest(store, config.ingest), replies_before(store, config))
        rounds, unusable = rewritten(store, config, [imported], models)
        rounds = added(rounds, verdicts(store, config, rounds, models))
        sound = sifted(store, config, rounds, dedupe_problems(store, rounds, config.dedupe), models, live)
        tables = joined(unusable, sound)
        summary = conclude(store, config, tables, models)
        return publish(store, config, tables, summary, lambda: Spent(log.took, models.used))


@flow(name="import", flow_run_name="import {recipe}", persist_result=False)
def import_traces(recipe: str, lake: str = "data/lake", overrides: Sequence[str] = ()) -> Tables:
    """Only import a recipe's traces, as the first step of `curate` does; its arguments are the same."""
    config = resolve(recipe, overrides, CurateConfig)
    store = Lake(lake)
    with logged():
        tables = ingest(store, config.ingest)
    store.record(Snapshot(recipe=config.name, tables=tables, created=datetime.now(UTC)))
    return tables
