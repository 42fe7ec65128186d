"""Prefect's side of the personas."""

from collections.abc import Iterator

from prefect import task
from prefect.cache_policies import NO_CACHE

from schemas.refs import Stage, Tables
from tasks.lake import Lake, Make
from tasks.personas.personas import STAGE, VERSION, PersonasConfig, load_personas
from tasks.progress import reported, watcher
from tasks.sources import digests, read_rows


@task(name="personas", task_run_name="personas", cache_policy=NO_CACHE, persist_result=False)
def personas(lake: Lake, config: PersonasConfig) -> Tables:
    """Load personas: personas, dropped."""
    stage = Stage(
        name=STAGE,
        version=VERSION,
        config=config.model_dump(mode="json"),
        sources=digests(config.rows_from),
        tables=("personas", "dropped"),
    )

    def parts() -> Iterator[Make]:
        for part in load_personas(read_rows(config.rows_from, config.limit), config):
            yield part._asdict
            watcher().advanced(STAGE, part.personas.num_rows)

    with reported(STAGE):
        return lake.run(stage, parts)
