"""Prefect's side of the import."""

from collections.abc import Iterator

from prefect import task
from prefect.cache_policies import NO_CACHE

from schemas.refs import Stage, Tables
from tasks.ingest.config import IngestConfig
from tasks.ingest.ingest import VERSION, import_rows
from tasks.lake import Lake, Make
from tasks.progress import reported, watcher
from tasks.sources import digests, read_rows


@task(name="ingest", task_run_name="ingest", cache_policy=NO_CACHE, persist_result=False)
def ingest(lake: Lake, config: IngestConfig) -> Tables:
    """Import a source: problems, traces, dropped."""
    stage = Stage(
        name="ingest",
        version=VERSION,
        config=config.model_dump(mode="json"),
        sources=digests(config.source),
        tables=("problems", "traces", "dropped"),
    )

    def parts() -> Iterator[Make]:
        for part in import_rows(read_rows(config.source, config.limit), config):
            yield part._asdict
            watcher().advanced("ingest", part.traces.num_rows)

    with reported("ingest"):
        return lake.run(stage, parts)
