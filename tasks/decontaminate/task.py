"""Prefect's side of decontamination."""

import hashlib
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from prefect import task
from prefect.cache_policies import NO_CACHE

from schemas.refs import Ref, Stage, Tables, added, joined
from tasks.decontaminate import benchmarks, canary, meaning
from tasks.decontaminate.config import DecontaminateConfig
from tasks.decontaminate.decontaminate import OVERLAP, STAGE, VERSION, drop_overlaps, overlaps
from tasks.decontaminate.search import Library, gather
from tasks.engines.flight import Streams
from tasks.lake import Lake
from tasks.progress import reported, watcher
from tasks.shards import Shared
from tasks.sources import digests


class _Session(NamedTuple):
    """What decontaminating needs all the time."""

    lake: Lake
    config: DecontaminateConfig
    items: Mapping[str, meaning.Benchmark]
    """Each benchmark's items."""
    meanings: meaning.Session | None
    """Where problems are compared by meaning too."""


@task(name="decontaminate", task_run_name="decontaminate", cache_policy=NO_CACHE, persist_result=False)
def decontaminate(lake: Lake, rounds: Sequence[Tables], config: DecontaminateConfig, models: Streams) -> list[Tables]:
    """Drop each round's problems that overlap a benchmark, with the spans as evidence; traces, where settings say so.

    Every benchmark is compared with every round's problems (and traces) in a table of its own, so that of what is
    added only the new is run. With `config.semantic` a round gives its problems' `embeddings` as well, and what its
    judge was asked as `completions`; a round that has these from before is not asked for them again.

    Raises:
        EngineError: a model cannot be loaded or reached; every reply that came before is stored.
    """
    session = _session(lake, config)
    asked = [(*one["problems"], *(one.get("traces", ()) if config.traces else ())) for one in rounds]
    with reported(STAGE, lake.row_count([ref for subjects in asked for ref in subjects])):
        found = [joined({"contamination": ()}, *(_compared(session, ref) for ref in subjects)) for subjects in asked]
        if alike := session.meanings:
            found = added(found, [meaning.resembled(alike, one, models) for one in rounds])
        return [
            joined(mine, _dropped(lake, one, mine["contamination"], config))
            for one, mine in zip(rounds, found, strict=True)
        ]


@task(name="canaries", task_run_name="canaries", cache_policy=NO_CACHE, persist_result=False)
def canaries(lake: Lake, config: DecontaminateConfig) -> Tables:
    """The benchmarks, and how many of the copies that were planted of them these settings find."""
    session = _session(lake, config)
    return joined({"benchmarks": tuple(one.ref for one in session.items.values())}, _canaries(session))


def _session(lake: Lake, config: DecontaminateConfig) -> _Session:
    items = {name: _items(lake, name, one) for name, one in config.benchmarks.items()}
    return _Session(lake, config, items, meaning.session(lake, config, items))


def _items(lake: Lake, name: str, config: benchmarks.BenchmarkConfig) -> meaning.Benchmark:
    """A benchmark as the lake holds it."""
    stage = Stage(
        name=benchmarks.STAGE,
        version=benchmarks.VERSION,
        config={"benchmark": name, "text": config.text, "item": config.item},
        sources={
            f"{name}: {file}": digest
            for source in benchmarks.sources_of(name, config)
            for file, digest in digests(source).items()
        },
        tables=("benchmarks",),
    )
    (ref,) = lake.run(stage, lambda: [lambda: {"benchmarks": benchmarks.read_benchmark(name, config)}])["benchmarks"]
    return meaning.Benchmark(ref, _content(lake, ref))


def _compared(session: _Session, subjects: Ref) -> Tables:
    """One table of problems or traces against every benchmark. Those that are missing are looked up all at once."""
    lake, config, items, _ = session
    stages = {
        name: Stage(
            name="contamination",
            version=VERSION,
            config=config.settings(name),
            inputs=(subjects,),
            sources={f"benchmark {name}": one.content},
            tables=("contamination",),
        )
        for name, one in items.items()
    }
    missing = {name: stage for name, stage in stages.items() if not lake.done(stage)}
    library = Shared(_library, lake, {name: items[name].ref for name in missing}, config)
    lake.run_together(missing, lambda: lake.mapped([subjects], _overlapping, list(missing), library, config))
    return joined(*(stage.outputs for stage in stages.values()))


def _library(lake: Lake, items: Mapping[str, Ref], config: DecontaminateConfig) -> Library:
    """Some benchmarks, ready to be looked up."""
    return gather(lake.rows({"benchmarks": tuple(items.values())}, "benchmarks"), config)


def _overlapping(
    subjects: pa.Table, names: Sequence[str], library: Shared[Library], config: DecontaminateConfig
) -> Mapping[str, pa.Table]:
    """What overlaps each of these benchmarks."""
    found = overlaps(subjects, library(), config)
    watcher().advanced(STAGE, subjects.num_rows)
    return {name: found.filter(pc.equal(found["benchmark"], pa.scalar(name))) for name in names}


def _content(lake: Lake, ref: Ref) -> str:
    """A table's content in a digest: where its items were read from does not matter."""
    manifest = lake.manifest(ref)
    parts = manifest.parts if manifest else ()
    return hashlib.sha256("".join(part.sha256 for part in parts).encode()).hexdigest()


def _canaries(session: _Session) -> Tables:
    lake, config, items, alike = session
    if not config.canaries or not items:
        return {"canaries": ()}
    settings: dict[str, Any] = {"benchmarks": {name: config.settings(name) for name in items}}
    if alike:
        settings |= {"semantic": {"threshold": alike.semantic.threshold, "nearest": alike.semantic.nearest}}
    stage = Stage(
        name="canaries",
        version=canary.VERSION,
        config={"canaries": config.canaries, **settings},
        inputs=(*(one.ref for one in items.values()), *(alike.embedded().values() if alike else ())),
        tables=("canaries",),
    )
    look = partial(meaning.canaries, alike) if alike else None
    refs = {name: one.ref for name, one in items.items()}
    return lake.run(stage, lambda: [lambda: {"canaries": canary.planted(_library(lake, refs, config), config, look)}])


def _dropped(lake: Lake, tables: Tables, contamination: tuple[Ref, ...], config: DecontaminateConfig) -> Tables:
    stage = Stage(
        name=STAGE,
        version=VERSION,
        config={"keep": sorted(config.keep)},
        inputs=(*contamination, *tables.get("traces", ())),
        tables=("dropped",),
    )

    def part() -> Mapping[str, pa.Table]:
        found = lake.rows({"contamination": contamination}, "contamination", OVERLAP)
        traces = lake.rows(tables, "traces", ["trace_id", "problem_id"])
        return {"dropped": drop_overlaps(found, traces, config)}

    return lake.run(stage, lambda: [part])
