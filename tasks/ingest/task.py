"""Prefect's side of the import."""

from collections.abc import Iterator, Sequence

from prefect import task
from prefect.cache_policies import NO_CACHE

from schemas.errors import SourceError
from schemas.refs import Manifest, Stage, Tables, joined
from tasks.ingest.config import IngestConfig
from tasks.ingest.ingest import VERSION, Before, import_rows
from tasks.lake import Lake, Make
from tasks.progress import reported, watcher
from tasks.sources import digests, read_rows


@task(name="ingest", task_run_name="ingest", cache_policy=NO_CACHE, persist_result=False)
def ingest(lake: Lake, config: IngestConfig, earlier: Sequence[Tables] = ()) -> Tables:
    """Import a source: problems, traces, dropped.

    With `earlier` rounds only what is new in it becomes one of its own; no tables where none of them has another
    source, or settings, than this.

    Raises:
        SourceError: there is no such source, a column is missing, or a row is broken and `on_bad_row` is `fail`.
    """
    stage = Stage(
        name="ingest",
        version=VERSION,
        config=config.model_dump(mode="json"),
        sources=digests(config.source),
        inputs=joined(*earlier).get("problems", ()),
        tables=("problems", "traces", "dropped"),
    )
    if any(_same(stage, lake.manifest(ref)) for ref in stage.inputs):
        return {}

    return _import(lake, stage, config)


def remake(lake: Lake, stage: Stage) -> Tables:
    """Import a round once more, as `stage` did: where a part of it is damaged.

    Raises:
        SourceError: the source is not what it was then, or cannot be read.
    """
    config = IngestConfig.model_validate(stage.config)
    if digests(config.source) != stage.sources:
        raise SourceError(f"{config.source.path}: has other content than when it was imported; restore that")
    return _import(lake, stage, config)


def _import(lake: Lake, stage: Stage, config: IngestConfig) -> Tables:
    def parts() -> Iterator[Make]:
        there = lake.rows({"problems": stage.inputs}, "problems", ["problem_id"])
        before = Before(set(map(str, there["problem_id"].to_pylist())), len(stage.inputs))
        for part in import_rows(read_rows(config.source, config.limit), config, before):
            yield part._asdict
            watcher().advanced("ingest", part.traces.num_rows)

    with reported("ingest"):
        return lake.run(stage, parts)


def _same(stage: Stage, made: Manifest | None) -> bool:
    """Whether a table was imported from the same rows in the same way."""
    return made is not None and made.stage.model_copy(update={"inputs": stage.inputs}).key == stage.key
