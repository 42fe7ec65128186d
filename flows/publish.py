"""The end of every run: its numbers, its page, its release."""

from datetime import UTC, datetime

from flows import artifacts
from flows.config import CurationConfig
from flows.summarise import summarise
from flows.verdicts import verdicts
from schemas.refs import ReleaseManifest, Snapshot, Tables, joined
from schemas.summary import Summary
from tasks.engines.flight import Streams
from tasks.export.release import Plan
from tasks.export.task import export
from tasks.ingest.task import ingest
from tasks.lake import Lake


def conclude(store: Lake, config: CurationConfig, tables: Tables, models: Streams) -> Summary:
    """Count what came of a run, and note it as finished."""
    summary = summarise(store, config, tables, _gold(store, config, models))
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


def publish(store: Lake, config: CurationConfig, tables: Tables, summary: Summary) -> ReleaseManifest:
    """Show what came of a run, then publish: a run that leaves nothing is on the page too."""
    artifacts.show(store, summary, tables)
    name = config.export.release or config.name
    release = export(store, Plan(name, config.description, config.export, tables, summary))
    store.record(
        Snapshot(
            recipe=config.name,
            tables=tables,
            created=datetime.now(UTC),
            release=f"{name}/{release.version}",
            summary=release.summary,
        )
    )
    artifacts.show_release(store, release)
    return release
