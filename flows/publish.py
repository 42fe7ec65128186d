"""The end of every run: its numbers, its page, its release."""

from collections.abc import Callable
from datetime import UTC, datetime

from prefect import get_run_logger

from flows import artifacts
from flows.config import CurationConfig
from flows.licenses import licenses
from flows.page.costs import Spent
from flows.page.reviewing import show_batches
from flows.summarise import summarise
from flows.verdicts import verdicts
from schemas.errors import TracemillError
from schemas.refs import ReleaseManifest, Snapshot, Tables, joined
from schemas.summary import Mixture, Summary
from tasks.engines.flight import Streams
from tasks.export.published import newest
from tasks.export.release import Plan
from tasks.export.task import export
from tasks.export.tokens import Tokenizer
from tasks.ingest.task import ingest
from tasks.lake import Lake


def conclude(
    store: Lake, config: CurationConfig, tables: Tables, models: Streams, mixture: Mixture | None = None
) -> Summary:
    """Count what came of a run, and note it as finished; `mixture` says what came from where, where releases are mixed.

    Of a mixture there are no pass rates and tokens: it holds what its releases kept of their samples.
    """
    summary = summarise(store, config, tables, _gold(store, config, models))
    if mixture:
        summary = summary.model_copy(update={"mixture": mixture, "pass_at_k": {}, "pass_rates": (), "tokens": None})
    store.record(Snapshot(recipe=config.name, tables=tables, created=datetime.now(UTC), summary=summary))
    return summary


def _gold(store: Lake, config: CurationConfig, models: Streams) -> Tables:
    """Verdicts on the recipe's own labelled traces; judges that give none are not asked."""
    if config.gold is None:
        return {}
    labelled = ingest(store, config.gold)
    verify = config.verify.model_copy(update={"majority": None})
    judges = {name: config.judges[name] for name, one in config.appointed().items() if one.decides}
    measured = config.model_copy(update={"verify": verify, "judges": judges, "rewrite": None})
    return joined(labelled, *verdicts(store, measured, [labelled], models))


def publish(
    store: Lake, config: CurationConfig, tables: Tables, summary: Summary, spent: Callable[[], Spent]
) -> ReleaseManifest:
    """Show what came of a run and what it took, then publish: a run that leaves nothing is on the page too.

    Raises:
        EmptyError: no format has a row.
        RecipeError: the tokenizer cannot be loaded.
        LakeError: the lake cannot be written.
    """
    artifacts.show(store, summary, tables)
    name = config.export.release or config.name
    before = newest(store.storage, name)
    plan = Plan(
        name=name,
        description=config.description,
        config=config.export,
        tables=tables,
        summary=summary,
        licenses=licenses(config, summary.mixture),
        tokenizer=tokenizer(config),
    )
    try:
        release = export(store, plan)
    except TracemillError as exc:
        artifacts.show_outcome(summary, before, config, spent(), f"none: {exc}")
        raise
    store.record(
        Snapshot(
            recipe=config.name,
            tables=tables,
            created=datetime.now(UTC),
            release=f"{name}/{release.version}",
            summary=release.summary,
        )
    )
    said = artifacts.show_release(store, release, before)
    if wrong := show_batches(store, config):
        get_run_logger().warning("no link to the review page: %s", wrong)
    artifacts.show_outcome(summary, before, config, spent(), said)
    return release


def tokenizer(config: CurationConfig) -> Tokenizer | None:
    """The one that `export.tokenizer` names: that of a model of the recipe, with its chat template, or any other.

    Raises:
        RecipeError: there is no such folder.
    """
    name = config.export.tokenizer
    if name is None:
        return None
    if name not in config.models:
        return Tokenizer(name)
    model = config.models[name]
    [settings] = model.engine.values()
    template = settings.get("chat_template")
    if own := settings.get("tokenizer"):
        return Tokenizer(own, None, template)
    return Tokenizer(model.model, model.revision, template)
