"""The end of every run: its numbers, its page, its release."""

from datetime import UTC, datetime

from flows import artifacts
from flows.config import CurationConfig
from flows.summarise import summarise
from schemas.refs import ReleaseManifest, Snapshot, Tables
from schemas.summary import Summary
from tasks.export.release import Plan
from tasks.export.task import export
from tasks.lake import Lake


def conclude(store: Lake, config: CurationConfig, tables: Tables) -> Summary:
    """Count what came of a run, and note it as finished."""
    summary = summarise(store, config, tables)
    store.record(Snapshot(recipe=config.name, tables=tables, created=datetime.now(UTC), summary=summary))
    return summary


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
